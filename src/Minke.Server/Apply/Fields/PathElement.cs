using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>In upstream's order.</summary>
internal enum ElementKind : byte { Field, Key, Value, Index }

/// <summary>
/// One step into an object: a field by its name, an item of a list by its keys, its value or its position. Steps are ordered as
/// upstream orders them, which is the order of FieldsV1.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct PathElement : IEquatable<PathElement>, IComparable<PathElement>
{
    private readonly object _what; // by kind: the field's name, KeyPart[], Scalar, the index

    private PathElement(ElementKind kind, object what) => (Kind, _what) = (kind, what);

    public ElementKind Kind { get; }

    /// <summary>Of a field.</summary>
    public string FieldName => (string)_what;
    public bool IsField => Kind == ElementKind.Field;

    private KeyPart[] KeyParts => (KeyPart[])_what;

    public static PathElement Field(string name) => new(ElementKind.Field, name);

    /// <summary>The parts are sorted here.</summary>
    public static PathElement Key(KeyPart[] parts)
    {
        if (parts.Length > 1)
            Array.Sort(parts, static (a, b) => string.CompareOrdinal(a.Name, b.Name) is var order && order != 0 ? order : a.Value.CompareTo(b.Value));
        return new(ElementKind.Key, parts);
    }

    public static PathElement Value(Scalar value) => new(ElementKind.Value, value);

    public static PathElement Index(int index) => new(ElementKind.Index, index);

    /// <summary>From FieldsV1: <c>f:name</c>, <c>k:{…}</c>, <c>v:…</c>, <c>i:0</c>. Null for a kind that a later version may know.</summary>
    /// <exception cref="FormatException">With upstream's text.</exception>
    public static PathElement? Parse(string text)
    {
        if (text.Length < 2)
            throw new FormatException("key must be 2 characters long:");
        if (text[1] != ':')
            throw new FormatException($"missing colon: {text}");
        var rest = text[2..];
        try
        {
            return text[0] switch
            {
                'f' => Field(rest),
                'v' => Value(ReadScalar(rest)),
                'k' => Key(ReadKey(rest)),
                'i' => int.TryParse(rest, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index)
                    ? Index(index) : throw new FormatException($"strconv.Atoi: parsing {FieldErrors.Quote(rest)}: invalid syntax"),
                _ => null,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"invalid JSON in {FieldErrors.Quote(text)}", e);
        }
    }

    /// <summary>As in messages: <c>.name</c>, <c>[port=80,protocol="TCP"]</c>, <c>[="a"]</c>, <c>[0]</c>.</summary>
    public override string ToString() => Kind switch
    {
        ElementKind.Field => "." + FieldName,
        ElementKind.Key => $"[{string.Join(',', KeyParts.Select(part => $"{part.Name}={part.Value}"))}]",
        ElementKind.Value => $"[={(Scalar)_what}]",
        _ => $"[{ToText()}]",
    };

    /// <summary>What stands behind the letter in FieldsV1.</summary>
    public string ToText() => Kind switch
    {
        ElementKind.Field => FieldName,
        ElementKind.Key => $"{{{string.Join(',', KeyParts.Select(part => GoJsonText.Quote(part.Name) + ":" + part.Value.ToJson()))}}}",
        ElementKind.Value => ((Scalar)_what).ToJson(),
        _ => ((int)_what).ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>A path in messages: <c>.spec.ports[port=80,protocol="TCP"].name</c>.</summary>
    public static string ToText(ReadOnlySpan<PathElement> path)
    {
        var text = new StringBuilder();
        foreach (var element in path)
            text.Append(element);
        return text.ToString();
    }

    public int CompareTo(PathElement other)
    {
        if (Kind != other.Kind)
            return Kind.CompareTo(other.Kind);
        switch (Kind)
        {
            case ElementKind.Key:
                return CompareParts(KeyParts, other.KeyParts);
            case ElementKind.Value:
                return ((Scalar)_what).CompareTo((Scalar)other._what);
            case ElementKind.Index:
                return ((int)_what).CompareTo((int)other._what);
            default:
                return ReferenceEquals(_what, other._what) ? 0 : string.CompareOrdinal(FieldName, other.FieldName);
        }
    }

    public bool Equals(PathElement other) => CompareTo(other) == 0;
    public override bool Equals(object? obj) => obj is PathElement other && Equals(other);
    public override int GetHashCode() => string.GetHashCode(ToText(), StringComparison.Ordinal);

    private static int CompareParts(KeyPart[] a, KeyPart[] b)
    {
        for (var i = 0; i < a.Length && i < b.Length; i++)
        {
            var order = string.CompareOrdinal(a[i].Name, b[i].Name);
            if (order == 0)
                order = a[i].Value.CompareTo(b[i].Value);
            if (order != 0)
                return order;
        }
        return a.Length.CompareTo(b.Length);
    }

    private static Scalar ReadScalar(string json)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json), Json.ReaderOptions);
        reader.Read();
        var value = Scalar.Of(ref reader);
        return reader.Read() ? throw new FormatException($"invalid JSON in {FieldErrors.Quote(json)}") : value;
    }

    private static KeyPart[] ReadKey(string json)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json), Json.ReaderOptions);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new FormatException($"invalid JSON in {FieldErrors.Quote(json)}");
        var parts = new List<KeyPart>();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            parts.Add(new(name, Scalar.Of(ref reader)));
        }
        return reader.Read() ? throw new FormatException($"invalid JSON in {FieldErrors.Quote(json)}") : [.. parts];
    }
}

/// <summary>One field of an item that its list knows it by.</summary>
internal readonly record struct KeyPart(string Name, Scalar Value);
