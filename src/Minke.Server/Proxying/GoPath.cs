using System.Text;

namespace Minke.Server.Proxying;

/// <summary>Paths as Go's <c>path</c> and <c>net/url</c> treat them: what backends behind a proxy see is made so.</summary>
internal static class GoPath
{
    /// <summary>The shortest equal of a path, as <c>path.Clean</c>; empty stays empty.</summary>
    public static string Join(string first, string second)
    {
        if (first.Length == 0 && second.Length == 0)
            return "";
        var path = first.Length == 0 ? second : second.Length == 0 ? first : first + "/" + second;
        var isRooted = path[0] == '/';
        var kept = new List<string>();
        foreach (var part in path.Split('/'))
        {
            switch (part)
            {
                case "" or ".":
                    break;
                case ".." when kept.Count > 0 && kept[^1] != "..":
                    kept.RemoveAt(kept.Count - 1);
                    break;
                case ".." when isRooted:
                    break;
                default:
                    kept.Add(part);
                    break;
            }
        }
        var clean = (isRooted ? "/" : "") + string.Join('/', kept);
        return clean.Length == 0 ? "." : clean;
    }

    /// <summary><see cref="Join"/>, with the slash at the end that it takes away.</summary>
    public static string JoinKeepingSlash(string first, string second)
    {
        var joined = Join(first, second);
        return (second.Length > 0 ? second : first).EndsWith('/') && !joined.EndsWith('/') ? joined + "/" : joined;
    }

    /// <summary>As it stands in a request line: <c>URL.EscapedPath</c>.</summary>
    public static string Escape(string path)
    {
        var escaped = new StringBuilder(path.Length);
        foreach (var octet in Encoding.UTF8.GetBytes(path))
        {
            var letter = (char)octet;
            if (char.IsAsciiLetterOrDigit(letter) || "-_.~$&+,/:;=@".Contains(letter, StringComparison.Ordinal))
                escaped.Append(letter);
            else
                escaped.Append('%').Append(octet.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return escaped.ToString();
    }
}
