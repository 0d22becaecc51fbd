using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.CustomResources;

/// <summary>
/// The JSONPath of columns and selectable fields: <c>.spec.replicas</c>, <c>.spec.ports[0].name</c>, <c>.metadata.labels['a\.b']</c>,
/// <c>.status.conditions[?(@.type=="Ready")].status</c>, <c>[*]</c>. The first value found counts.
/// </summary>
internal sealed class SimplePath
{
    private readonly Step[] _steps;

    /// <summary>A member's name, an index, everything, or the items whose member equals a text.</summary>
    private abstract record Step
    {
        public sealed record Member(string Name) : Step;

        public sealed record Item(int Index) : Step;

        public sealed record All : Step;

        public sealed record Where(string[] Path, bool IsEqual, JsonNode? Value) : Step;
    }

    private SimplePath(Step[] steps) => _steps = steps;

    /// <summary>A path that cannot be read finds nothing; the definition's validation refuses it.</summary>
    public static SimplePath Parse(string text)
    {
        var steps = new List<Step>();
        var position = 0;
        while (position < text.Length)
        {
            switch (text[position])
            {
                case '.':
                    position++;
                    break;
                case '[':
                    var end = Closing(text, position);
                    if (end < 0 || Bracket(text[(position + 1)..end].Trim()) is not { } step)
                        return new([new Step.Item(int.MaxValue)]);
                    steps.Add(step);
                    position = end + 1;
                    break;
                case '*':
                    steps.Add(new Step.All());
                    position++;
                    break;
                default:
                    steps.Add(new Step.Member(Name(text, ref position)));
                    break;
            }
        }
        return new([.. steps]);
    }

    public JsonNode? Find(CustomObject value)
    {
        if (_steps is not [Step.Member { Name: var first }, ..])
            return Find(value.WholeTree(), 0);
        return first switch
        {
            "metadata" => Find(JsonTree.Parse(Json.Write(value.Metadata)), 1),
            "kind" => JsonValue.Create(value.Kind),
            "apiVersion" => JsonValue.Create(value.ApiVersion),
            _ => value.Members.TryGetValue(first, out var member) ? Find(JsonTree.Parse(member.Utf8), 1) : null,
        };
    }

    /// <summary>As Go's templates print a value.</summary>
    public static string Text(JsonNode value)
    {
        if (JsonTree.IsText(value, out var text))
            return text;
        return JsonTree.IsNumber(value, out var number) && !JsonTree.IsWhole(value, out _) ? GoSyntax.Number(number) : Encoding.UTF8.GetString(JsonTree.Write(value));
    }

    private JsonNode? Find(JsonNode? value, int at)
    {
        for (; at < _steps.Length && value is not null; at++)
        {
            switch (_steps[at])
            {
                case Step.Member { Name: var name }:
                    value = value is JsonObject members ? members[name] : null;
                    break;
                case Step.Item { Index: var index }:
                    var items = value as JsonArray;
                    var position = index < 0 ? index + (items?.Count ?? 0) : index;
                    value = items is not null && position >= 0 && position < items.Count ? items[position] : null;
                    break;
                case Step.All:
                    return First(value is JsonArray all ? all : value is JsonObject map ? JsonTree.Sorted(map).Select(member => member.Value) : [], at + 1);
                case Step.Where where:
                    return First(value is JsonArray candidates ? candidates.Where(item => Matches(item, where)) : [], at + 1);
            }
        }
        return value;
    }

    private JsonNode? First(IEnumerable<JsonNode?> values, int at)
    {
        foreach (var value in values)
        {
            if (Find(value, at) is { } found)
                return found;
        }
        return null;
    }

    private static bool Matches(JsonNode? item, Step.Where where)
    {
        foreach (var name in where.Path)
            item = item is JsonObject members ? members[name] : null;
        return item is not null && JsonNode.DeepEquals(item, where.Value) == where.IsEqual;
    }

    private static int Closing(string text, int open)
    {
        var quote = '\0';
        for (var i = open + 1; i < text.Length; i++)
        {
            if (quote != '\0')
                quote = text[i] == quote && text[i - 1] != '\\' ? '\0' : quote;
            else if (text[i] is '\'' or '"')
                quote = text[i];
            else if (text[i] == ']')
                return i;
        }
        return -1;
    }

    private static Step? Bracket(string inside)
    {
        if (inside == "*")
            return new Step.All();
        if (int.TryParse(inside, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index))
            return new Step.Item(index);
        if (inside.Length >= 2 && inside[0] is '\'' or '"' && inside[^1] == inside[0])
            return new Step.Member(Unescaped(inside[1..^1]));
        return inside.StartsWith("?(", StringComparison.Ordinal) && inside.EndsWith(')') ? Filter(inside[2..^1].Trim()) : null;
    }

    private static Step.Where? Filter(string condition)
    {
        var isEqual = true;
        var at = condition.IndexOf("==", StringComparison.Ordinal);
        if (at < 0)
        {
            isEqual = false;
            at = condition.IndexOf("!=", StringComparison.Ordinal);
        }
        if (at < 0 || !condition.StartsWith("@.", StringComparison.Ordinal))
            return null;
        var path = condition[2..at].Trim().Split('.');
        var right = condition[(at + 2)..].Trim();
        if (right.Length >= 2 && right[0] is '\'' or '"' && right[^1] == right[0])
            return new Step.Where(path, isEqual, JsonValue.Create(Unescaped(right[1..^1])));
        try
        {
            return new Step.Where(path, isEqual, JsonTree.Parse(Encoding.UTF8.GetBytes(right)));
        }
        catch (JsonReadException)
        {
            return null;
        }
    }

    private static string Name(string text, ref int position)
    {
        var name = new StringBuilder();
        while (position < text.Length && text[position] is not ('.' or '['))
        {
            if (text[position] == '\\' && position + 1 < text.Length)
                position++;
            name.Append(text[position++]);
        }
        return name.ToString();
    }

    private static string Unescaped(string text) => text.Replace("\\", "", StringComparison.Ordinal);
}
