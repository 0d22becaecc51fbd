using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Minke.Api;

/// <summary>Reads one value; the reader stands on its first token and is left on its last.</summary>
public delegate T JsonRead<T>(ref Utf8JsonReader reader, JsonReadContext context);

/// <summary>
/// What the generated JSON readers share: where in the document they are, and which unknown and duplicate fields they passed, with
/// paths as upstream's strict decoder writes them. One a document; not for sharing.
/// </summary>
public sealed class JsonReadContext
{
    // sigs.k8s.io/json stops listing at 100 errors.
    private const int MaxStrictErrors = 100;
    private const int MaxDepth = 128;

    private readonly List<Segment> _path = [];
    private List<string>? _strictErrors;

    private readonly record struct Segment(string? Name, int Index, string? Struct, bool IsKey = false);

    /// <summary>
    /// <c>unknown field "spec.foo"</c>, <c>duplicate field "spec.bar"</c>, in document order: the parts of upstream's
    /// <c>strict decoding error</c>.
    /// </summary>
    public IReadOnlyList<string> StrictErrors => _strictErrors ?? (IReadOnlyList<string>)[];

    /// <summary>Enters an object for a struct of this Go name. False when the value is <c>null</c>, which leaves the zero value.</summary>
    internal bool BeginObject(ref Utf8JsonReader reader, string goStruct, string goType)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return false;
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Mismatch(ref reader, goType);
        if (_path.Count > MaxDepth)
            throw new JsonReadException("exceeded max depth");
        _path.Add(new(null, -1, goStruct));
        return true;
    }

    /// <summary>Moves to the next property name. False at the object's end, which is consumed.</summary>
    internal bool NextProperty(ref Utf8JsonReader reader, out ReadOnlySpan<byte> name)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.EndObject)
        {
            _path.RemoveAt(_path.Count - 1);
            name = default;
            return false;
        }
        name = reader.ValueIsEscaped || reader.HasValueSequence ? Encoding.UTF8.GetBytes(reader.GetString()!) : reader.ValueSpan;
        return true;
    }

    /// <summary>Enters a known field's value. False when it is <c>null</c>: nothing to read.</summary>
    internal bool Enter(ref Utf8JsonReader reader, ref ulong seen, int bit, string name)
    {
        if ((seen & (1UL << bit)) != 0)
            AddStrictError($"duplicate field \"{PathTo(name)}\"");
        seen |= 1UL << bit;
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
            return false;
        _path.Add(new(name, -1, null));
        return true;
    }

    internal void Leave() => _path.RemoveAt(_path.Count - 1);

    internal void Unknown(ref Utf8JsonReader reader, scoped ReadOnlySpan<byte> name)
    {
        AddStrictError($"unknown field \"{PathTo(Encoding.UTF8.GetString(name))}\"");
        reader.Read();
        reader.Skip();
    }

    /// <summary>For readers that are not generated.</summary>
    public void AddStrictError(string error)
    {
        _strictErrors ??= [];
        if (_strictErrors.Count < MaxStrictErrors && !_strictErrors.Contains(error))
            _strictErrors.Add(error);
    }

    // Go reads null as "leave it": a field's null never gets here, an element's is the zero value.
    internal string ReadString(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return "";
        if (reader.TokenType != JsonTokenType.String)
            throw Mismatch(ref reader, "string");
        return KnownStrings.Get(ref reader);
    }

    internal bool ReadBool(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False or JsonTokenType.Null => false,
        _ => throw Mismatch(ref reader, "bool"),
    };

    internal int ReadInt32(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Null ? 0
        : reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var value) ? value : throw Mismatch(ref reader, "int32");

    internal long ReadInt64(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Null ? 0
        : reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var value) ? value : throw Mismatch(ref reader, "int64");

    internal double ReadDouble(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Null ? 0
        : reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var value) ? value : throw Mismatch(ref reader, "float64");

    internal byte[] ReadBytes(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return [];
        if (reader.TokenType != JsonTokenType.String)
            throw Mismatch(ref reader, "[]uint8");
        if (reader.TryGetBytesFromBase64(out var bytes))
            return bytes;
        // Go's decoder skips line breaks inside base64 text.
        var text = reader.GetString()!.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal);
        try
        {
            return Convert.FromBase64String(text.Any(char.IsWhiteSpace) ? "!" : text);
        }
        catch (FormatException)
        {
            throw new JsonReadException($"illegal base64 data at input byte {FirstIllegalBase64(text)}");
        }
    }

    internal Time ReadTime(ref Utf8JsonReader reader) => Parsed(ref reader, "string", Time.Parse);

    internal MicroTime ReadMicroTime(ref Utf8JsonReader reader) => Parsed(ref reader, "string", MicroTime.Parse);

    internal Duration ReadDuration(ref Utf8JsonReader reader) => Parsed(ref reader, "string", Duration.Parse);

    internal Quantity ReadQuantity(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Number => ParseQuantity(Encoding.UTF8.GetString(Raw(ref reader))),
        JsonTokenType.String => ParseQuantity(reader.GetString()!.Trim()),
        JsonTokenType.Null => default,
        _ => ParseQuantity("{"),
    };

    internal IntOrString ReadIntOrString(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => new IntOrString(ReadString(ref reader)),
        _ => new IntOrString(ReadInt32(ref reader)),
    };

    internal RawJson ReadRawJson(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return default;
        using var document = JsonDocument.ParseValue(ref reader);
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            document.RootElement.WriteTo(writer);
        return new(buffer.WrittenSpan.ToArray());
    }

    internal ApiList<T> ReadList<T>(ref Utf8JsonReader reader, string goType, JsonRead<T> readItem)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Mismatch(ref reader, goType);
        var items = new List<T>();
        var at = _path.Count;
        _path.Add(default);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            _path[at] = new(null, items.Count, null);
            items.Add(readItem(ref reader, this));
        }
        _path.RemoveAt(at);
        return new([.. items]);
    }

    internal ApiMap<T> ReadMap<T>(ref Utf8JsonReader reader, string goType, JsonRead<T> readValue)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Mismatch(ref reader, goType);
        var entries = new List<KeyValuePair<string, T>>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var key = KnownStrings.Get(ref reader);
            if (!keys.Add(key))
                AddStrictError($"duplicate field \"{PathTo(key)}\"");
            reader.Read();
            _path.Add(new(key, -1, null, IsKey: true));
            entries.Add(new(key, readValue(ref reader, this)));
            _path.RemoveAt(_path.Count - 1);
        }
        return ApiMap.From(entries);
    }

    /// <summary>The error of a value of the wrong JSON type, in the words of Go's decoder.</summary>
    internal JsonReadException Mismatch(ref Utf8JsonReader reader, string goType)
    {
        var value = reader.TokenType switch
        {
            JsonTokenType.String => "string",
            JsonTokenType.Number when goType is "int32" or "int64" => "number " + Encoding.UTF8.GetString(Raw(ref reader)),
            JsonTokenType.Number => "number",
            JsonTokenType.True or JsonTokenType.False => "bool",
            JsonTokenType.StartArray => "array",
            JsonTokenType.StartObject => "object",
            _ => "null",
        };
        var owner = _path.FindLast(segment => segment.Struct is not null).Struct;
        // Go's decoder names fields alone: the keys of maps are none.
        var field = string.Join('.', _path.Where(segment => segment is { Name: not null, IsKey: false }).Select(segment => segment.Name));
        return new(field.Length == 0
            ? $"json: cannot unmarshal {value} into Go value of type {goType}"
            : $"json: cannot unmarshal {value} into Go struct field {owner}.{field} of type {goType}");
    }

    private T Parsed<T>(ref Utf8JsonReader reader, string goType, Func<string, T> parse) where T : struct
    {
        if (reader.TokenType == JsonTokenType.Null)
            return default;
        if (reader.TokenType != JsonTokenType.String)
            throw Mismatch(ref reader, goType);
        try
        {
            return parse(reader.GetString()!);
        }
        catch (FormatException e)
        {
            throw new JsonReadException(e.Message);
        }
    }

    private static Quantity ParseQuantity(string text)
    {
        try
        {
            return Quantity.Parse(text);
        }
        catch (FormatException e)
        {
            throw new JsonReadException(e.Message);
        }
    }

    private static ReadOnlySpan<byte> Raw(ref Utf8JsonReader reader) =>
        reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan;

    private static int FirstIllegalBase64(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsAsciiLetterOrDigit(text[i]) && text[i] is not ('+' or '/' or '='))
                return i;
        }
        return text.Length / 4 * 4;
    }

    private string PathTo(string name)
    {
        var text = new StringBuilder();
        foreach (var segment in _path)
        {
            if (segment.Index >= 0)
                text.Append(CultureInfo.InvariantCulture, $"[{segment.Index}]");
            else if (segment.Name is not null)
                (text.Length > 0 ? text.Append('.') : text).Append(segment.Name);
        }
        return (text.Length > 0 ? text.Append('.') : text).Append(name).ToString();
    }
}

/// <summary>A document that is not JSON, or holds a value of the wrong type. The message is Go's, for a 400 reply.</summary>
public sealed class JsonReadException(string message) : Exception(message)
{
    /// <summary>It is no JSON at all.</summary>
    public bool IsMalformed { get; init; }
}
