using System.Text;
using Minke.Server.Access;
using Minke.Server.Proxying;

namespace Minke.Server.Aggregation;

/// <summary>Who asks, in the headers in which other servers are told. (client-go/transport: SetAuthProxyHeaders)</summary>
internal static class RemoteUser
{
    public const string UserHeader = "X-Remote-User";
    public const string UidHeader = "X-Remote-Uid";
    public const string GroupHeader = "X-Remote-Group";
    public const string ExtraPrefix = "X-Remote-Extra-";

    /// <summary>For a connection that knows how to repeat headers.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Headers(UserInfo user, RepeatedHeaders repeated)
    {
        var headers = new List<KeyValuePair<string, string>> { new(UserHeader, user.Name) };
        if (user.Uid.Length > 0)
            headers.Add(new(UidHeader, user.Uid));
        if (user.Groups.Count > 0)
            headers.Add(new(GroupHeader, repeated.Join(GroupHeader, user.Groups)));
        foreach (var (key, values) in user.Extra)
            headers.Add(new(ExtraPrefix + Escape(key), repeated.Join(ExtraPrefix + Escape(key), values)));
        return headers;
    }

    /// <summary>What may not stand in a header's name, and the percent sign, as percent escapes.</summary>
    private static string Escape(string key)
    {
        var escaped = new StringBuilder(key.Length);
        foreach (var octet in Encoding.UTF8.GetBytes(key))
        {
            var letter = (char)octet;
            if (char.IsAsciiLetterOrDigit(letter) || "!#$&'*+-.^_`|~".Contains(letter, StringComparison.Ordinal))
                escaped.Append(letter);
            else
                escaped.Append('%').Append(octet.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return escaped.ToString();
    }
}
