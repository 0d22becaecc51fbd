using Minke.Api;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Kubernetes' named formats: <c>format.dns1123Label().validate(name)</c>.</summary>
internal static class FormatLibrary
{
    // How long upstream takes the patterns to be, for the cost.
    private const int LabelSize = 30, SubdomainSize = 60, LabelValueSize = 40, UrlSize = 1014, UuidSize = 76, Base64Size = 83, DateTimeSize = 113;

    private static readonly CelType Strings = CelType.List(CelType.String);

    private static readonly FormatValue[] Formats =
    [
        new("dns1123Label", "DNS1123Label", LabelSize, Names.Dns1123Label),
        new("dns1123Subdomain", "DNS1123Subdomain", SubdomainSize, Names.Dns1123Subdomain),
        new("dns1035Label", "DNS1035Label", LabelSize, Names.Dns1035Label),
        new("qualifiedName", "QualifiedName", SubdomainSize, Names.QualifiedName),
        new("dns1123LabelPrefix", "DNS1123LabelPrefix", LabelSize, text => Names.Dns1123Label(Prefix(text))),
        new("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", SubdomainSize, text => Names.Dns1123Subdomain(Prefix(text))),
        new("dns1035LabelPrefix", "DNS1035LabelPrefix", LabelSize, text => Names.Dns1035Label(Prefix(text))),
        new("labelValue", "LabelValue", LabelValueSize, Names.LabelValue),
        new("uri", "URI", UrlSize, text => GoUrl.Parse(text, out _) is { } error ? [error] : []),
        new("uuid", "uuid", UuidSize, text => TextFormats.Matches("uuid", text) ? [] : ["does not match the UUID format"]),
        new("byte", "byte", Base64Size, text => TextFormats.Matches("byte", text) ? [] : ["invalid base64"]),
        new("date", "date", DateTimeSize, text => TextFormats.Matches("date", text) ? [] : ["invalid date"]),
        new("datetime", "datetime", DateTimeSize, text => TextFormats.Matches("datetime", text) ? [] : ["invalid datetime"]),
    ];

    public static CelType Type { get; } = CelType.Opaque("kubernetes.NamedFormat");

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        foreach (var format in Formats)
            library.Global("format." + format.Key, "format." + format.Key, [], Type, _ => format);
        library.Global("format.named", "format-named", [CelType.String], CelType.Optional(Type),
            a => Array.Find(Formats, format => format.Key == a[0].Text) is { } format ? new OptionalValue(format) : OptionalValue.None);
        library.Member("validate", "format-validate", [Type, CelType.String], CelType.Optional(Strings), a =>
            ((FormatValue)a[0]).Validate(a[1].Text).ToList() is { Count: > 0 } errors ? new OptionalValue(ListValue.Of(errors)) : OptionalValue.None);
    }

    // A name yet to be completed may end in a dash.
    private static string Prefix(string text) => text.EndsWith('-') && text.Length > 1 ? text[..^2] + "a" : text;
}

/// <summary>A format, which is a value too.</summary>
internal sealed class FormatValue(string key, string name, int maxRegexSize, Func<string, IEnumerable<string>> validate) : OpaqueValue
{
    public string Key { get; } = key;
    public string Name { get; } = name;
    public int MaxRegexSize { get; } = maxRegexSize;
    public override CelType Type => FormatLibrary.Type;

    public IEnumerable<string> Validate(string text) => validate(text);

    internal override bool IsEqualTo(OpaqueValue other) => other is FormatValue format && format.Name == Name;
}
