using System.Globalization;
using System.Text;

namespace Minke.Node.Pods.Probes;

/// <summary>Values as Go prints them, in messages that have to match Kubernetes' own.</summary>
internal static class GoText
{
    /// <summary><c>%q</c>.</summary>
    internal static string Quote(string text)
    {
        var result = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '"' => result.Append("\\\""),
                '\\' => result.Append("\\\\"),
                '\a' => result.Append("\\a"),
                '\b' => result.Append("\\b"),
                '\f' => result.Append("\\f"),
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\v' => result.Append("\\v"),
                < 0x20 or 0x7f => result.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"),
                _ => result.Append(rune.ToString()),
            };
        }
        return result.Append('"').ToString();
    }

    /// <summary><c>time.Duration</c> of whole seconds: <c>1s</c>, <c>1m0s</c>, <c>1h0m5s</c>.</summary>
    internal static string Duration(TimeSpan duration)
    {
        var seconds = (long)duration.TotalSeconds;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{(seconds >= 3600 ? $"{seconds / 3600}h" : "")}{(seconds >= 60 ? $"{seconds / 60 % 60}m" : "")}{seconds % 60}s");
    }

    /// <summary><c>net.JoinHostPort</c>.</summary>
    internal static string HostPort(string host, int port) =>
        string.Create(CultureInfo.InvariantCulture, $"{(host.Contains(':') ? $"[{host}]" : host)}:{port}");
}
