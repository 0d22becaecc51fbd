using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

namespace Minke.Api;

/// <summary>Whole API objects to and from JSON.</summary>
public static class Json
{
    /// <summary>Kubernetes escapes only what JSON demands.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Deep enough for every kind, shallow enough for every stack.</summary>
    public static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = 128 };

    /// <summary>UTF-8 JSON of anything that can write itself, kind and apiVersion first where the type has them.</summary>
    public static byte[] Write(IJsonWritable value)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
            value.WriteJson(writer);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads a document of one known type: <c>Json.Read(utf8, Status.ReadJson)</c>.</summary>
    /// <exception cref="JsonReadException">Not JSON, or a value of the wrong type.</exception>
    public static T Read<T>(ReadOnlySpan<byte> utf8, JsonRead<T> read, JsonReadContext? context = null)
    {
        // As Go, which reads what is not UTF-8 as U+FFFD.
        if (!Utf8.IsValid(utf8))
            utf8 = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(utf8));
        var reader = new Utf8JsonReader(utf8, ReaderOptions);
        try
        {
            reader.Read();
            var value = read(ref reader, context ?? new JsonReadContext());
            reader.Read(); // Throws when there is more.
            return value;
        }
        catch (JsonReadException) when (GoJsonError.IsWellFormed(utf8))
        {
            throw;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or JsonReadException)
        {
            // The second is how System.Text.Json tells of half a surrogate pair; the third is of a value before
            // the place where the document breaks, and Go looks at the form of the whole first.
            throw new JsonReadException(GoJsonError.Of(utf8)) { IsMalformed = true };
        }
    }

    /// <summary>Equal on the wire. Records compare lists by reference, so this is how two specs are compared.</summary>
    public static bool Same(IJsonWritable? a, IJsonWritable? b) =>
        ReferenceEquals(a, b) || (a is not null && b is not null && Write(a).AsSpan().SequenceEqual(Write(b)));

    internal static void WriteStrings(Utf8JsonWriter writer, ApiList<string> items)
    {
        if (items.IsNull)
        {
            writer.WriteNullValue();
            return;
        }
        writer.WriteStartArray();
        foreach (var item in items)
            writer.WriteStringValue(item);
        writer.WriteEndArray();
    }

    internal static void WriteList<T>(Utf8JsonWriter writer, ApiList<T> items, Action<Utf8JsonWriter, T> writeItem)
    {
        if (items.IsNull)
        {
            writer.WriteNullValue();
            return;
        }
        writer.WriteStartArray();
        foreach (var item in items)
            writeItem(writer, item);
        writer.WriteEndArray();
    }

    internal static void WriteMap<T>(Utf8JsonWriter writer, ApiMap<T> entries, Action<Utf8JsonWriter, T> writeValue)
    {
        if (entries.IsNull)
        {
            writer.WriteNullValue();
            return;
        }
        writer.WriteStartObject();
        foreach (var (key, value) in entries)
        {
            writer.WritePropertyName(key);
            writeValue(writer, value);
        }
        writer.WriteEndObject();
    }

    internal static void WriteIntOrString(Utf8JsonWriter writer, IntOrString value)
    {
        if (value.Text is null)
            writer.WriteNumberValue(value.Number);
        else
            writer.WriteStringValue(value.Text);
    }

    internal static void WriteDouble(Utf8JsonWriter writer, double value) => writer.WriteNumberValue(value);
}

/// <summary>Writes itself as one JSON value.</summary>
public interface IJsonWritable
{
    void WriteJson(Utf8JsonWriter writer);
}
