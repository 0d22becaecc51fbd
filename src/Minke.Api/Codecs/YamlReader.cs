using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Minke.Api;

/// <summary>
/// Reads YAML as kubectl does (YAML 1.1 as go-yaml v2 resolves it) into JSON: <c>yes</c> and <c>on</c> are booleans, <c>0644</c> is
/// octal, dates are text, <c>&lt;&lt;</c> merges, and a duplicate key is an error.
/// </summary>
public static partial class YamlReader
{
    /// <summary>A small file can say "ten of ten of ten …"; what it expands to is bounded.</summary>
    private const int MaxNodes = 1_000_000;
    private const int MaxDepth = 200;

    /// <summary>Every document of a stream with the line it starts on; empty documents are left out.</summary>
    /// <param name="duplicates">Is told of keys that stand twice, of which the last then holds; without it they are an error.</param>
    /// <exception cref="FormatException">It is not YAML; the message names the line.</exception>
    public static IReadOnlyList<(int Line, JsonNode Document)> Read(string text, ICollection<string>? duplicates = null)
    {
        var documents = new List<(int, JsonNode)>();
        var parser = new Parser(new StringReader(text));
        try
        {
            parser.Consume<StreamStart>();
            while (parser.TryConsume<DocumentStart>(out _))
            {
                var line = (int)(parser.Current?.Start.Line ?? 1);
                if (new DocumentReader(parser, duplicates).Read(depth: 0) is { } document)
                    documents.Add((line, document));
                parser.Consume<DocumentEnd>();
            }
            return documents;
        }
        catch (YamlException exception)
        {
            throw new FormatException($"line {exception.Start.Line}: {Plain(exception.Message)}", exception);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet's scanner gives up with these on some broken texts.
            throw new FormatException($"line {parser.Current?.Start.Line ?? 1}: {exception.Message}", exception);
        }
    }

    /// <summary>YamlDotNet puts positions of its own in front: "(Line: 1, Col: 2, Idx: 3) - (…): what".</summary>
    private static string Plain(string message) => PositionPrefix().Replace(message, "");

    private sealed class DocumentReader(IParser parser, ICollection<string>? duplicates)
    {
        private readonly Dictionary<string, JsonNode?> _anchors = new(StringComparer.Ordinal);
        private int _nodes;

        public JsonNode? Read(int depth)
        {
            Count(1);
            if (depth > MaxDepth)
                throw At("nested too deeply");
            if (parser.TryConsume<Scalar>(out var scalar))
                return Keep(scalar, Resolve(scalar));
            if (parser.TryConsume<AnchorAlias>(out var alias))
            {
                if (!_anchors.TryGetValue(alias.Value.Value, out var meant))
                    throw new YamlException(alias.Start, alias.End, $"unknown anchor '{alias.Value.Value}' referenced");
                Count(Size(meant));
                return meant?.DeepClone();
            }
            if (parser.TryConsume<SequenceStart>(out var sequence))
            {
                var array = new JsonArray();
                while (!parser.TryConsume<SequenceEnd>(out _))
                    array.Add(Read(depth + 1));
                return Keep(sequence, array);
            }
            var mapping = parser.Consume<MappingStart>();
            return Keep(mapping, ReadMapping(depth));
        }

        private JsonObject ReadMapping(int depth)
        {
            var result = new JsonObject();
            var merged = new List<JsonObject>();
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                if (!parser.TryConsume<Scalar>(out var key))
                    throw At("a key must be text");
                var value = Read(depth + 1);
                if (key is { Value: "<<", Style: ScalarStyle.Plain })
                    merged.AddRange(value is JsonArray list ? list.OfType<JsonObject>() : value is JsonObject one ? [one]
                        : throw new YamlException(key.Start, key.End, "map merge requires map or sequence of maps as the value"));
                else if (!result.TryAdd(key.Value, value))
                {
                    var problem = $"key \"{key.Value}\" already set in map";
                    if (duplicates is null)
                        throw new YamlException(key.Start, key.End, problem);
                    duplicates.Add($"line {key.Start.Line}: {problem}");
                    result[key.Value] = value;
                }
            }
            foreach (var (key, value) in merged.SelectMany(other => other))
                result.TryAdd(key, value?.DeepClone()); // what is written here, or merged first, wins
            return result;
        }

        private JsonNode? Keep(NodeEvent node, JsonNode? value)
        {
            if (!node.Anchor.IsEmpty)
                _anchors[node.Anchor.Value] = value;
            return value;
        }

        private void Count(int nodes)
        {
            if ((_nodes += nodes) > MaxNodes)
                throw At($"more than {MaxNodes} values");
        }

        private YamlException At(string message) =>
            new(parser.Current?.Start ?? Mark.Empty, parser.Current?.End ?? Mark.Empty, message);

        private static int Size(JsonNode? node) => node switch
        {
            JsonArray array => 1 + array.Sum(Size),
            JsonObject map => 1 + map.Sum(pair => Size(pair.Value)),
            _ => 1,
        };
    }

    private static JsonValue? Resolve(Scalar scalar)
    {
        var text = scalar.Value;
        var tag = scalar.Tag.IsEmpty ? "" : scalar.Tag.Value;
        if (tag is "!!str" or "tag:yaml.org,2002:str" or "!" || tag.Length == 0 && scalar.Style != ScalarStyle.Plain)
            return JsonValue.Create(text);
        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return null;
            case "y" or "Y" or "yes" or "Yes" or "YES" or "true" or "True" or "TRUE" or "on" or "On" or "ON":
                return JsonValue.Create(true);
            case "n" or "N" or "no" or "No" or "NO" or "false" or "False" or "FALSE" or "off" or "Off" or "OFF":
                return JsonValue.Create(false);
        }
        if (ResolveInteger(text.Replace("_", "", StringComparison.Ordinal)) is { } integer)
            return integer;
        if (FloatForm().IsMatch(text) && double.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number))
            return JsonValue.Create(number);
        return JsonValue.Create(text);
    }

    private static JsonValue? ResolveInteger(string text)
    {
        var isNegative = text.StartsWith('-');
        var digits = text.AsSpan(isNegative || text.StartsWith('+') ? 1 : 0);
        if (digits.Length == 0 || !char.IsAsciiDigit(digits[0]))
            return null;
        // As Go's strconv.ParseInt with base 0.
        ulong? magnitude = digits switch
        {
            ['0', 'x' or 'X', .. var hex] => Parse(hex, 16),
            ['0', 'b' or 'B', .. var binary] => Parse(binary, 2),
            ['0', 'o' or 'O', .. var octal] => Parse(octal, 8),
            ['0', _, ..] => Parse(digits[1..], 8),
            _ => Parse(digits, 10),
        };
        return magnitude switch
        {
            null => null,
            <= long.MaxValue => JsonValue.Create(isNegative ? -(long)magnitude.Value : (long)magnitude.Value),
            (ulong)long.MaxValue + 1 when isNegative => JsonValue.Create(long.MinValue),
            _ => isNegative ? null : JsonValue.Create(magnitude.Value),
        };
    }

    private static ulong? Parse(ReadOnlySpan<char> digits, uint radix)
    {
        if (digits.Length == 0)
            return null;
        UInt128 value = 0;
        foreach (var digit in digits)
        {
            var number = char.IsAsciiHexDigit(digit) ? (uint)Convert.ToInt32(digit.ToString(), 16) : radix;
            if (number >= radix)
                return null;
            value = value * radix + number;
            if (value > ulong.MaxValue)
                return null;
        }
        return (ulong)value;
    }

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")]
    private static partial Regex FloatForm();

    [GeneratedRegex(@"^\(Line: [^)]*\) - \([^)]*\): ")]
    private static partial Regex PositionPrefix();
}
