using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>
/// Values against a structural schema, as kube-openapi's validator judges them: the same order, the same sentences, the same choice
/// among failed alternatives. What was wrong before an update and did not change is forgiven (CRDValidationRatcheting).
/// </summary>
internal static class SchemaValidator
{
    // How near a quotient must be to a whole number to count as one.
    private const double Epsilon = 1e-9;

    /// <summary>The value that was there before, where one belongs to the value judged.</summary>
    private readonly record struct Before(bool IsKnown, JsonNode? Value)
    {
        public Before Member(string name) => Value is JsonObject members && members.TryGetPropertyValue(name, out var member) ? new(true, member) : default;
    }

    private sealed class Outcome
    {
        public List<SchemaError> Errors { get; } = [];

        /// <summary>Checks that were passed: of failed alternatives the one with most is shown.</summary>
        public int Matches { get; set; }
        public bool IsValid => Errors.Count == 0;

        public void Add(SchemaError error)
        {
            if (!Errors.Exists(other => other.Message == error.Message))
                Errors.Add(error);
        }

        public void Merge(Outcome other)
        {
            foreach (var error in other.Errors)
                Add(error);
            Matches += other.Matches;
        }
    }

    /// <param name="value">What to judge.</param>
    /// <param name="schema">By what.</param>
    /// <param name="errors">Takes the errors.</param>
    /// <param name="below">Path of the value, for field errors; the sentences do without it.</param>
    public static void Validate(JsonNode? value, StructuralSchema schema, FieldErrors errors, string below = "") => Report(Judge(value, schema, "", default), errors, below);

    /// <summary>As <see cref="Validate"/> of an update.</summary>
    public static void ValidateUpdate(JsonNode? value, JsonNode? old, bool hasOld, StructuralSchema schema, FieldErrors errors, string below = "") =>
        Report(Judge(value, schema, "", new(hasOld, old)), errors, below);

    private static void Report(Outcome outcome, FieldErrors errors, string below)
    {
        foreach (var error in outcome.Errors)
            error.AddTo(errors, below);
    }

    private static Outcome Judge(JsonNode? value, StructuralSchema schema, string path, Before before)
    {
        var outcome = new Outcome();
        CheckType(value, schema, path, outcome);
        if (value is null)
        {
            CheckEnum(null, schema, path, outcome);
        }
        else
        {
            CheckComposites(value, schema, path, before, outcome);
            if (JsonTree.IsText(value, out var text))
                CheckText(text, schema, path, outcome);
            else if (JsonTree.IsNumber(value, out var number))
                CheckNumber(value, number, schema, path, outcome);
            if (value is JsonArray items)
                CheckItems(items, schema, path, before, outcome);
            CheckEnum(value, schema, path, outcome);
            if (value is JsonObject members)
                CheckMembers(members, schema, path, before, outcome);
            outcome.Matches++;
        }
        if (!outcome.IsValid && before.IsKnown && JsonNode.DeepEquals(value, before.Value))
            outcome.Errors.Clear();
        return outcome;
    }

    private static void CheckType(JsonNode? value, StructuralSchema schema, string path, Outcome outcome)
    {
        if (schema.Types.Length == 0 && schema.Format.Length == 0)
            return;
        if (value is null)
        {
            if (schema.Types.Length > 0 && !schema.IsNullable)
                outcome.Add(OfType(path, string.Join(',', schema.Types), "null"));
            else
                outcome.Matches++;
            return;
        }
        var (type, format) = TypeOf(value);
        var isWholeDouble = type == "number" && schema.Types.Contains("integer") && double.IsInteger(value.GetValue<double>());
        var isMatch = schema.Types.Contains(type) || isWholeDouble || (type == "integer" && schema.Types.Contains("number"));
        if (value is JsonArray || type == "string")
        {
            // A text with a format is the format's business.
            isMatch |= schema.Format.Length > 0 && !schema.Types.Contains("number") && !schema.Types.Contains("integer");
        }
        else if (schema.Format.Length > 0 && !isMatch && format != schema.Format)
        {
            outcome.Add(OfType(path, schema.Format, format));
            return;
        }
        if (isMatch)
            outcome.Matches += 2;
        else
            outcome.Add(OfType(path, string.Join(',', schema.Types), type));
    }

    private static (string Type, string Format) TypeOf(JsonNode value) => value switch
    {
        JsonObject => ("object", ""),
        JsonArray => ("array", ""),
        _ => value.GetValueKind() switch
        {
            JsonValueKind.String => ("string", ""),
            JsonValueKind.True or JsonValueKind.False => ("boolean", ""),
            _ => JsonTree.IsWhole(value, out _) ? ("integer", "int64") : ("number", "float64"),
        },
    };

    private static void CheckComposites(JsonNode value, StructuralSchema schema, string path, Before before, Outcome outcome)
    {
        var quoted = FieldErrors.Quote(path);
        if (schema.AnyOf.Length > 0)
        {
            var (_, first, best) = Try(value, schema.AnyOf, path, before, stopsAtFirst: true);
            if (first is null)
                outcome.Add(Composite($"{quoted} must validate at least one schema (anyOf)"));
            outcome.Merge(first ?? best!);
        }
        if (schema.OneOf.Length > 0)
        {
            var (valid, first, best) = Try(value, schema.OneOf, path, before, stopsAtFirst: false);
            if (valid == 1)
            {
                outcome.Merge(first!);
            }
            else
            {
                outcome.Add(Composite($"{quoted} must validate one and only one schema (oneOf). "
                    + (valid == 0 ? "Found none valid" : string.Create(CultureInfo.InvariantCulture, $"Found {valid} valid alternatives"))));
                if (valid == 0)
                    outcome.Merge(best!);
            }
        }
        if (schema.AllOf.Length > 0)
        {
            var valid = 0;
            foreach (var part in schema.AllOf)
            {
                var result = Judge(value, part, path, before);
                valid += result.IsValid ? 1 : 0;
                outcome.Merge(result);
            }
            if (valid < schema.AllOf.Length)
                outcome.Add(Composite($"{quoted} must validate all the schemas (allOf){(valid == 0 ? ". None validated" : "")}"));
        }
        if (schema.Not is not null && Judge(value, schema.Not, path, before).IsValid)
            outcome.Add(Composite($"{quoted} must not validate the schema (not)"));
        outcome.Matches += 2;
    }

    /// <summary>How many alternatives hold, the first of them, and of those that fail the one that came furthest.</summary>
    private static (int Valid, Outcome? First, Outcome? Best) Try(JsonNode value, StructuralSchema[] alternatives, string path, Before before, bool stopsAtFirst)
    {
        var valid = 0;
        Outcome? first = null, best = null;
        foreach (var alternative in alternatives)
        {
            var result = Judge(value, alternative, path, before);
            if (result.IsValid)
            {
                valid++;
                first ??= result;
                if (stopsAtFirst)
                    break;
            }
            else if (best is null || result.Matches > best.Matches)
            {
                best = result;
            }
        }
        return (valid, first, best);
    }

    private static void CheckText(string text, StructuralSchema schema, string path, Outcome outcome)
    {
        var source = schema.Source;
        var length = source.MaxLength is null && source.MinLength is null ? 0 : text.EnumerateRunes().Count();
        if (source.MaxLength is { } max && length > max)
            outcome.Add(new(SchemaFailure.TooLong, path, text, I($"{path} in body should be at most {max} chars long")) { Limit = (int)max });
        else if (source.MinLength is { } min && length < min)
            outcome.Add(new(SchemaFailure.Other, path, text, I($"{path} in body should be at least {min} chars long")));
        else if (schema.Pattern is { } pattern && !pattern.IsMatch(text))
            outcome.Add(new(SchemaFailure.Other, path, text, $"{path} in body should match '{pattern.Text}{(pattern.Error.Length > 0 ? ", but pattern is invalid: " + pattern.Error : "")}'"));
        outcome.Matches++;
        if (!TextFormats.IsOfText(schema.Format))
            return;
        if (!TextFormats.Matches(schema.Format, text))
            outcome.Add(OfType(path, schema.Format, text));
        outcome.Matches++;
    }

    private static void CheckNumber(JsonNode value, double number, StructuralSchema schema, string path, Outcome outcome)
    {
        var source = schema.Source;
        var isWhole = JsonTree.IsWhole(value, out var whole);
        if (source.MultipleOf is { } factor && !IsMultiple(isWhole, whole, number, factor))
            outcome.Add(Number($"should be a multiple of {Limit(factor)}"));
        if (source.Minimum is { } min && (isWhole ? Below(whole, (long)min, source.ExclusiveMinimum) : Below(number, min, source.ExclusiveMinimum)))
            outcome.Add(Number($"should be greater than {(source.ExclusiveMinimum ? "" : "or equal to ")}{Limit(min)}"));
        if (source.Maximum is { } max && (isWhole ? Below((long)max, whole, source.ExclusiveMaximum) : Below(max, number, source.ExclusiveMaximum)))
            outcome.Add(Number($"should be less than {(source.ExclusiveMaximum ? "" : "or equal to ")}{Limit(max)}"));
        outcome.Matches += 2;

        // Limits of whole numbers are cut to whole numbers, as upstream does.
        string Limit(double limit) => isWhole ? I($"{(long)limit}") : GoSyntax.Number(limit);

        SchemaError Number(string what) => new(SchemaFailure.Other, path, GoSyntax.Shown(value), $"{path} in body {what}");
    }

    private static bool Below<T>(T value, T limit, bool isExclusive) where T : IComparable<T> =>
        isExclusive ? value.CompareTo(limit) <= 0 : value.CompareTo(limit) < 0;

    private static bool IsMultiple(bool isWhole, long whole, double number, double factor)
    {
        if (isWhole && (long)factor != 0)
            return whole % (long)factor == 0;
        var quotient = factor < 1 ? 1 / factor * number : number / factor;
        return double.IsFinite(quotient) && (double.IsInteger(quotient) || Math.Abs(quotient - Math.Round(quotient)) / Math.Abs(quotient * 2) < Epsilon);
    }

    private static void CheckItems(JsonArray items, StructuralSchema schema, string path, Before before, Outcome outcome)
    {
        if (schema.Items is { } element)
        {
            for (var i = 0; i < items.Count; i++)
                outcome.Merge(Judge(items[i], element, I($"{path}[{i}]"), Correlated(items[i], i, schema, before)));
        }
        if (schema.Source.MinItems is { } min && items.Count < min)
            outcome.Add(new(SchemaFailure.Other, path, items.Count, I($"{path} in body should have at least {min} items")));
        if (schema.Source.MaxItems is { } max && items.Count > max)
            outcome.Add(new(SchemaFailure.TooMany, path, null, I($"{path} in body should have at most {max} items")) { Actual = items.Count, Limit = (int)max });
        outcome.Matches += 2;
    }

    /// <summary>Items of maps are found again by their keys, those of lists without a type by their index; those of sets and atomic lists are not.</summary>
    private static Before Correlated(JsonNode? item, int index, StructuralSchema schema, Before before)
    {
        if (before.Value is not JsonArray olds)
            return default;
        if (schema.ListType.Length == 0)
            return index < olds.Count && olds[index] is { } same ? new(true, same) : default;
        if (schema.ListType != "map" || item is not JsonObject members)
            return default;
        foreach (var old in olds)
        {
            if (old is JsonObject other && Array.TrueForAll(schema.ListMapKeys, key => JsonNode.DeepEquals(members[key], other[key])))
                return new(true, old);
        }
        return default;
    }

    private static void CheckEnum(JsonNode? value, StructuralSchema schema, string path, Outcome outcome)
    {
        if (schema.Enum.Length > 0 && (value is null || !Array.Exists(schema.Enum, one => Same(one, value))))
            outcome.Add(new(SchemaFailure.Enum, path, GoSyntax.Shown(value), $"{path} in body should be one of {string.Join(' ', schema.Enum.Select(GoSyntax.Of))}") { Allowed = schema.Enum });
        outcome.Matches++;
    }

    private static bool Same(JsonNode? allowed, JsonNode? value) =>
        JsonNode.DeepEquals(allowed, value) || (JsonTree.IsNumber(allowed, out var a) && JsonTree.IsNumber(value, out var b) && a == b);

    private static void CheckMembers(JsonObject members, StructuralSchema schema, string path, Before before, Outcome outcome)
    {
        outcome.Matches++;
        if (schema.Source.MinProperties is { } min && members.Count < min)
        {
            outcome.Add(new(SchemaFailure.Other, path, members.Count, I($"{path} in body should have at least {min} properties")));
            return;
        }
        if (schema.Source.MaxProperties is { } max && members.Count > max)
        {
            outcome.Add(new(SchemaFailure.TooMany, path, null, I($"{path} in body should have at most {max} properties")) { Actual = members.Count, Limit = (int)max });
            return;
        }
        var isClosed = schema.Source.AdditionalProperties is not null && !schema.HasAdditional;
        foreach (var (name, member) in JsonTree.Sorted(members))
        {
            if (schema.Properties.TryGetValue(name, out var property))
                outcome.Merge(Judge(member, property, path.Length == 0 ? name : path + "." + name, before.Member(name)));
            else if (schema.Additional is { } additional)
                outcome.Merge(Judge(member, additional, path + "." + name, before.Member(name)));
            else if (isClosed)
                outcome.Add(new(SchemaFailure.Other, path, name, $"{path}.{name} in body is a forbidden property"));
        }
        foreach (var name in schema.Source.Required)
        {
            if (!members.ContainsKey(name))
                outcome.Add(new(SchemaFailure.Required, path + "." + name, null, $"{path}.{name} in body is required"));
        }
    }

    private static SchemaError OfType(string path, string type, string actual) =>
        new(SchemaFailure.Type, path, actual, $"{path} in body must be of type {type}: {FieldErrors.Quote(actual)}");

    private static SchemaError Composite(string message) => new(SchemaFailure.Composite, "", "", message);

    private static string I(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
