using System.Text.RegularExpressions;

namespace Minke.Api;

/// <summary>What Kubernetes accepts as names, keys and values. Each rule gives upstream's words, or nothing when the text is fine. (apimachinery validation)</summary>
public static partial class Names
{
    private const string Dns1123LabelMessage =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    private const string Dns1123SubdomainMessage =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
    private const string Dns1035LabelMessage =
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    private const string WildcardMessage =
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    private const string QualifiedNameMessage = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    private const string LabelValueMessage =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

    private const string Label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    private const string Label1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
    private const string Subdomain = Label + @"(\." + Label + ")*";
    private const string Qualified = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    private const string EnvVarName = "[-._a-zA-Z][-._a-zA-Z0-9]*";
    private const string ConfigKey = "[-._a-zA-Z0-9]+";
    private const string Wildcard = @"\*\." + Subdomain;
    private const string Path = @"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";

    public const int MaxLabelLength = 63;
    public const int MaxSubdomainLength = 253;

    public static IEnumerable<string> Dns1123Label(string text) =>
        TooLong(text, MaxLabelLength).Concat(SubdomainPattern().IsMatch(text)
            ? Unless(!text.Contains('.', StringComparison.Ordinal), "must not contain dots")
            : [Message(Dns1123LabelMessage, Label, "my-name", "123-abc")]);

    public static IEnumerable<string> Dns1123Subdomain(string text) =>
        TooLong(text, MaxSubdomainLength).Concat(Unless(SubdomainPattern().IsMatch(text), Dns1123SubdomainMessage, Subdomain, "example.com"));

    public static IEnumerable<string> Dns1035Label(string text) =>
        TooLong(text, MaxLabelLength).Concat(Unless(Label1035Pattern().IsMatch(text), Dns1035LabelMessage, Label1035, "my-name", "abc-123"));

    /// <summary><c>*.example.com</c>.</summary>
    public static IEnumerable<string> WildcardSubdomain(string text) =>
        TooLong(text, MaxSubdomainLength).Concat(Unless(WildcardPattern().IsMatch(text), WildcardMessage, Wildcard, "*.example.com"));

    /// <summary>A path of a URL. (httpPathFmt)</summary>
    public static IEnumerable<string> HttpPath(string text) => Unless(PathPattern().IsMatch(text), $"Invalid path (regex used for validation is '{Path}')");

    /// <summary>A label or annotation key, a finalizer: <c>[PREFIX/]NAME</c>.</summary>
    public static IEnumerable<string> QualifiedName(string text)
    {
        var parts = text.Split('/');
        if (parts.Length > 2)
        {
            yield return "a qualified name " + Message(QualifiedNameMessage, Qualified, "MyName", "my.name", "123-abc")
                + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            yield break;
        }
        if (parts.Length == 2)
        {
            if (parts[0].Length == 0)
                yield return "prefix part must be non-empty";
            else
            {
                foreach (var error in Dns1123Subdomain(parts[0]))
                    yield return "prefix part " + error;
            }
        }
        var name = parts[^1];
        if (name.Length == 0)
            yield return "name part must be non-empty";
        else if (name.Length > MaxLabelLength)
            yield return "name part must be no more than 63 bytes";
        if (!QualifiedPattern().IsMatch(name))
            yield return "name part " + Message(QualifiedNameMessage, Qualified, "MyName", "my.name", "123-abc");
    }

    public static IEnumerable<string> LabelValue(string text) =>
        TooLong(text, MaxLabelLength).Concat(Unless(text.Length == 0 || QualifiedPattern().IsMatch(text), LabelValueMessage, "(" + Qualified + ")?", "MyValue", "my_value", "12345"));

    public static IEnumerable<string> EnvironmentVariable(string text)
    {
        if (!EnvVarPattern().IsMatch(text))
        {
            yield return Message(
                "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
                EnvVarName, "my.env-name", "MY_ENV.NAME", "MyEnvName1");
        }
        if (text is "." or "..")
            yield return $"must not be '{text}'";
        else if (text.StartsWith("..", StringComparison.Ordinal))
            yield return "must not start with '..'";
    }

    /// <summary>Environment variables as 1.32 takes them by default: printable ASCII but "=". (gate RelaxedEnvironmentVariableValidation)</summary>
    public static IEnumerable<string> RelaxedEnvironmentVariable(string text)
    {
        if (text.Length == 0)
            yield return "environment variable name must be non-empty";
        if (text.Any(letter => letter is < ' ' or > '~' or '='))
            yield return "a valid environment variable name must consist only of printable ASCII characters other than '='";
    }

    /// <summary>A key of a ConfigMap or Secret.</summary>
    public static IEnumerable<string> ConfigMapKey(string text)
    {
        if (text.Length > MaxSubdomainLength)
            yield return "must be no more than 253 bytes";
        if (!ConfigKeyPattern().IsMatch(text))
            yield return Message("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", ConfigKey, "key.name", "KEY_NAME", "key-name");
        if (text is "." or "..")
            yield return $"must not be '{text}'";
        else if (text.StartsWith("..", StringComparison.Ordinal))
            yield return "must not start with '..'";
    }

    /// <summary>A port's name: IANA_SVC_NAME.</summary>
    public static IEnumerable<string> PortName(string text)
    {
        foreach (var error in TooLong(text, 15))
            yield return error;
        if (text.Length == 0 || text.Any(letter => letter is not (>= 'a' and <= 'z' or >= '0' and <= '9' or '-')))
            yield return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        if (!text.Any(letter => letter is >= 'a' and <= 'z'))
            yield return "must contain at least one letter (a-z)";
        if (text.Contains("--", StringComparison.Ordinal))
            yield return "must not contain consecutive hyphens";
        if (text.StartsWith('-') || text.EndsWith('-'))
            yield return "must not begin or end with a hyphen";
    }

    public static IEnumerable<string> PortNumber(long number) => number is >= 1 and <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];

    /// <summary>A name that may become part of a path. (path.IsValidPathSegmentName)</summary>
    public static IEnumerable<string> PathSegment(string text)
    {
        if (text is "." or "..")
            return [$"may not be '{text}'"];
        return new[] { "/", "%" }.Where(part => text.Contains(part, StringComparison.Ordinal)).Select(part => $"may not contain '{part}'");
    }

    private static IEnumerable<string> TooLong(string text, int max) =>
        text.Length > max ? [$"must be no more than {max.ToString(System.Globalization.CultureInfo.InvariantCulture)} bytes"] : [];

    private static IEnumerable<string> Unless(bool isFine, string message) => isFine ? [] : [message];

    private static IEnumerable<string> Unless(bool isFine, string message, string pattern, params string[] examples) =>
        isFine ? [] : [Message(message, pattern, examples)];

    private static string Message(string message, string pattern, params string[] examples) =>
        $"{message} (e.g. '{string.Join("',  or '", examples)}', regex used for validation is '{pattern}')";

    [GeneratedRegex(@"\A" + Label1035 + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex Label1035Pattern();

    [GeneratedRegex(@"\A" + Subdomain + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex SubdomainPattern();

    [GeneratedRegex(@"\A" + Wildcard + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex WildcardPattern();

    [GeneratedRegex(@"\A" + Path + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex PathPattern();

    [GeneratedRegex(@"\A" + Qualified + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex QualifiedPattern();

    [GeneratedRegex(@"\A" + EnvVarName + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex EnvVarPattern();

    [GeneratedRegex(@"\A" + ConfigKey + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex ConfigKeyPattern();
}
