using System.Net;
using System.Text;

namespace Minke.Server.Proxying;

/// <summary>Finds the links of a page and changes them, byte for byte leaving the rest as it is.</summary>
internal static class HtmlLinks
{
    // Where HTML has URLs (html.spec.whatwg.org, index of attributes); links in styles and scripts are not seen.
    private static readonly Dictionary<string, string[]> Attributes = new(StringComparer.OrdinalIgnoreCase)
    {
        ["a"] = ["href"],
        ["applet"] = ["codebase"],
        ["area"] = ["href"],
        ["audio"] = ["src"],
        ["base"] = ["href"],
        ["blockquote"] = ["cite"],
        ["body"] = ["background"],
        ["button"] = ["formaction"],
        ["command"] = ["icon"],
        ["del"] = ["cite"],
        ["embed"] = ["src"],
        ["form"] = ["action"],
        ["frame"] = ["longdesc", "src"],
        ["head"] = ["profile"],
        ["html"] = ["manifest"],
        ["iframe"] = ["longdesc", "src"],
        ["img"] = ["longdesc", "src", "usemap"],
        ["input"] = ["src", "usemap", "formaction"],
        ["ins"] = ["cite"],
        ["link"] = ["href"],
        ["object"] = ["classid", "codebase", "data", "usemap"],
        ["q"] = ["cite"],
        ["script"] = ["src"],
        ["source"] = ["src"],
        ["video"] = ["poster", "src"],
    };

    /// <summary>In these, tags are text.</summary>
    private static readonly HashSet<string> RawText = new(StringComparer.OrdinalIgnoreCase)
    {
        "iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp",
    };

    public static byte[] Rewrite(ReadOnlySpan<byte> page, Func<string, string> rewrite)
    {
        // One letter a byte: what is not a link comes out as it went in, whatever its encoding.
        var text = Encoding.Latin1.GetString(page);
        var result = new StringBuilder(text.Length + 256);
        var (copied, at) = (0, 0);
        while ((at = text.IndexOf('<', at)) >= 0 && at + 1 < text.Length)
        {
            var next = text[at + 1];
            if (char.IsAsciiLetter(next))
                at = Tag(at + 1);
            else if (text.AsSpan(at).StartsWith("<!--", StringComparison.Ordinal))
                at = After("-->", at + 4);
            else if (next is '!' or '?' or '/')
                at = After(">", at + 2);
            else
                at++;
        }
        result.Append(text, copied, text.Length - copied);
        return Encoding.Latin1.GetBytes(result.ToString());

        int After(string end, int from) => text.IndexOf(end, from, StringComparison.Ordinal) is >= 0 and var found ? found + end.Length : text.Length;

        int Tag(int start)
        {
            var position = End(start, " \t\r\n\f/>");
            var tag = text[start..position];
            var links = Attributes.GetValueOrDefault(tag, []);
            while (position < text.Length && text[position] != '>')
            {
                if (char.IsWhiteSpace(text[position]) || text[position] == '/')
                    position++;
                else
                    position = Attribute(position, links);
            }
            position = Math.Min(position + 1, text.Length);
            if (!RawText.Contains(tag))
                return position;
            return text.IndexOf("</" + tag, position, StringComparison.OrdinalIgnoreCase) is >= 0 and var close ? close : text.Length;
        }

        int Attribute(int start, string[] links)
        {
            // An equals sign at the beginning belongs to the name.
            var position = End(start + 1, " \t\r\n\f/>=");
            var isLink = links.Contains(text[start..position], StringComparer.OrdinalIgnoreCase);
            var equals = Spaces(position);
            if (equals >= text.Length || text[equals] != '=')
                return position;
            var from = Spaces(equals + 1);
            if (from >= text.Length)
                return from;
            var isQuoted = text[from] is '"' or '\'';
            var (begin, end) = isQuoted ? (from + 1, End(from + 1, text[from].ToString())) : (from, End(from, " \t\r\n\f>"));
            var after = Math.Min(isQuoted ? end + 1 : end, text.Length);
            if (isLink)
                Replace(from, after, text[begin..end]);
            return after;
        }

        void Replace(int from, int after, string value)
        {
            var link = WebUtility.HtmlDecode(Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(value)));
            var changed = rewrite(link);
            if (changed == link)
                return;
            result.Append(text, copied, from - copied).Append('"').Append(Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(WebUtility.HtmlEncode(changed)))).Append('"');
            copied = after;
        }

        int End(int from, string letters) => text.AsSpan(from).IndexOfAny(letters) is >= 0 and var found ? from + found : text.Length;

        int Spaces(int from)
        {
            while (from < text.Length && char.IsWhiteSpace(text[from]))
                from++;
            return from;
        }
    }
}
