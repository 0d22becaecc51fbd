using System.Text;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>
/// A set as JSON: an object of path elements, each holding those below it. A leaf is an empty object; <c>".": {}</c> at the beginning of
/// an object says that the place itself is a member as well.
/// </summary>
internal static class FieldsV1
{
    private const int MaxDepth = 128;

    public static RawJson Write(FieldSet set)
    {
        using var text = new JsonText(1024);
        WriteNode(text, set, isMember: false);
        return new(text.ToArray());
    }

    /// <exception cref="FormatException">Not JSON, or a key that is no path element.</exception>
    public static FieldSet Read(RawJson json)
    {
        if (json.IsNull)
            return FieldSet.Empty;
        var reader = new Utf8JsonReader(json.Utf8, Json.ReaderOptions);
        try
        {
            reader.Read();
            var (set, _) = ReadNode(ref reader, depth: 0);
            return reader.Read() ? throw new FormatException("there are bytes left after the set") : set ?? FieldSet.Empty;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException(e.Message, e);
        }
    }

    private static void WriteNode(JsonText text, FieldSet set, bool isMember)
    {
        var start = text.Length;
        text.Append(isMember ? "{\".\":{}"u8 : "{"u8);
        foreach (var node in set.Nodes)
        {
            text.BeginItem(start);
            WriteName(text, node.Element);
            if (node.Children is null)
                text.Append("{}"u8);
            else
                WriteNode(text, node.Children, node.IsMember);
        }
        text.Append("}"u8);
    }

    private static void WriteName(JsonText text, PathElement element)
    {
        text.Append(element.Kind switch
        {
            ElementKind.Field => "\"f:"u8,
            ElementKind.Key => "\"k:"u8,
            ElementKind.Value => "\"v:"u8,
            _ => "\"i:"u8,
        });
        var name = element.ToText();
        // Names of fields have nothing to escape; keys are JSON in JSON.
        if (Ascii.IsValid(name) && name.AsSpan().IndexOfAny('"', '\\') < 0 && !name.AsSpan().ContainsAnyInRange('\0', '\x1f'))
            text.AppendAscii(name);
        else
            text.Append(JsonEncodedText.Encode(name, Json.WriterOptions.Encoder).EncodedUtf8Bytes);
        text.Append("\":"u8);
    }

    /// <summary>A place without any below it is a member, however it is written.</summary>
    private static (FieldSet? Below, bool IsMember) ReadNode(ref Utf8JsonReader reader, int depth)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return (null, true);
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new FormatException("a set is a JSON object");
        if (depth > MaxDepth)
            throw new FormatException("nested too deeply");
        var isMember = false;
        List<FieldSet.Node>? nodes = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("."u8))
            {
                isMember = true;
                reader.Read();
                reader.Skip();
                continue;
            }
            var element = PathElement.Parse(reader.GetString()!);
            reader.Read();
            if (element is null)
            {
                reader.Skip();
                continue;
            }
            var (below, belowIsMember) = ReadNode(ref reader, depth + 1);
            (nodes ??= []).Add(new(element.Value, belowIsMember, below));
        }
        return nodes is null ? (null, true) : (FieldSet.Of(nodes), isMember);
    }
}
