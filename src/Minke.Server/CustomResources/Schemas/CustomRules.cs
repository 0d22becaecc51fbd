using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Cel;
using Minke.Cel.Schemas;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>
/// The rules of a schema (<c>x-kubernetes-validations</c>), compiled when first used, for the node they stand at and those below. What a
/// rule says of a value that an update leaves as it was is a warning at most (CRDValidationRatcheting).
/// </summary>
internal sealed class CustomRules
{
    private const int MaxMessageBytes = 5 * 1024;
    private const string OutOfBudget = "validation failed due to running out of cost budget, no further validation rules will be run";
    private const string Self = "self", OldSelf = "oldSelf";

    private readonly StructuralSchema _schema;
    private readonly ICelSchema _values;
    private readonly Rule[] _rules;
    private readonly bool _isRoot;
    private readonly List<KeyValuePair<string, CustomRules>> _properties = [];
    private readonly List<CustomRules> _allOf = [];
    private readonly CustomRules? _additional;
    private readonly CustomRules? _items;

    /// <param name="Source">As written.</param>
    /// <param name="Program">Null for an empty rule and one that does not compile.</param>
    /// <param name="Error">Why it does not.</param>
    /// <param name="Message">Tells what is wrong, where an expression does.</param>
    private sealed record Rule(ValidationRule Source, CelProgram? Program, string Error, CelProgram? Message)
    {
        public bool UsesOldSelf { get; } = Program?.Uses(OldSelf) ?? false;

        /// <summary>What its errors point at, below the value; empty for the value itself.</summary>
        public required string FieldPath { get; init; }
        public bool IsOldSelfOptional => Source.OptionalOldSelf == true;

        /// <summary>How errors name it.</summary>
        public string Name => Source.Message.Length > 0 ? Source.Message.Trim() : Source.Rule.Trim();
    }

    /// <summary>What one object's rules have cost so far, and what they found.</summary>
    private sealed class Judgement(FieldErrors errors, List<string>? warnings)
    {
        public FieldErrors Errors => errors;
        public List<string>? Warnings => warnings;
        public ulong Left { get; set; } = CelProgram.RuntimeCostBudget;

        /// <summary>Nothing more is evaluated.</summary>
        public bool IsOver { get; set; }
    }

    /// <summary>Values of a node before and after.</summary>
    /// <param name="Old">What the rules see as oldSelf; undefined where nothing corresponds.</param>
    /// <param name="Counterpart">What the value is compared with to know whether it was touched; items of plain lists are found again by their index.</param>
    /// <param name="IsSame">The nearest value that has a counterpart has not changed.</param>
    /// <param name="IsSameAbove">The same, of the place above.</param>
    private readonly record struct Place(string Path, JsonElement Value, JsonElement Old, JsonElement Counterpart, bool IsSame, bool IsSameAbove);

    private CustomRules(StructuralSchema rules, StructuralSchema node, bool isRoot)
    {
        (_schema, _isRoot) = (node, isRoot);
        _values = isRoot ? new RootSchema(node) : node;
        _rules = Compile(rules.Source.XKubernetesValidations, node, isRoot);
        foreach (var (name, property) in rules.Properties.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            if (node.Properties.TryGetValue(name, out var child) && Of(property, child, child.IsEmbedded) is { } below)
                _properties.Add(new(name, below));
        }
        if (rules.Additional is not null && node.Additional is { } additional)
            _additional = Of(rules.Additional, additional, additional.IsEmbedded);
        if (rules.Items is not null && node.Items is { } items)
            _items = Of(rules.Items, items, items.IsEmbedded);
        foreach (var part in rules.AllOf)
        {
            if (Of(part, node, isRoot) is { } below)
                _allOf.Add(below);
        }
    }

    /// <summary>Null for a schema without rules.</summary>
    public static CustomRules? Of(StructuralSchema schema) => Of(schema, schema, isRoot: true);

    private static CustomRules? Of(StructuralSchema rules, StructuralSchema node, bool isRoot) => HasRules(rules) ? new(rules, node, isRoot) : null;

    /// <param name="value">The whole object.</param>
    /// <param name="old">As it was before an update; null on create.</param>
    /// <param name="errors">What is wrong.</param>
    /// <param name="warnings">What was wrong before as well.</param>
    public void Validate(JsonObject value, JsonObject? old, FieldErrors errors, List<string>? warnings)
    {
        using var now = JsonDocument.Parse(JsonTree.Write(value));
        using var before = old is null ? null : JsonDocument.Parse(JsonTree.Write(old));
        var past = before?.RootElement ?? default;
        Judge(new("", now.RootElement, past, past, IsSame(now.RootElement, past, false), false), new Judgement(errors, warnings));
    }

    private static bool HasRules(StructuralSchema schema) => !schema.Source.XKubernetesValidations.IsEmpty
        || schema.Properties.Values.Any(HasRules) || (schema.Additional is { } additional && HasRules(additional))
        || (schema.Items is { } items && HasRules(items)) || schema.AllOf.Any(HasRules);

    private static Rule[] Compile(ApiList<ValidationRule> rules, StructuralSchema schema, bool isRoot)
    {
        if (rules.IsEmpty)
            return [];
        var type = SchemaTypes.Of(schema, "selfType", isRoot) ?? CelType.Dyn;
        var environment = CelEnvironment.Create(CelLanguage.StoredExpressions).With((Self, type), (OldSelf, type));
        var optional = environment.With((OldSelf, CelType.Optional(type)));
        return [.. rules.Select(rule =>
        {
            var path = rule.FieldPath.Length > 0 ? SchemaPaths.Normal(rule.FieldPath, schema.Source) : "";
            if (rule.Rule.Trim().Length == 0)
                return new Rule(rule, null, "", null) { FieldPath = path };
            var language = rule.OptionalOldSelf == true ? optional : environment;
            var compiled = language.Compile(rule.Rule);
            return new Rule(rule, compiled.Program, compiled.Program is null ? compiled.Failure : "",
                rule.MessageExpression.Length > 0 ? language.Compile(rule.MessageExpression).Program : null) { FieldPath = path };
        })];
    }

    private void Judge(Place place, Judgement judgement)
    {
        if (place.Value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined || judgement.IsOver)
            return;
        JudgeHere(place, judgement);
        foreach (var part in _allOf)
        {
            // What hangs on a part of allOf is forgiven for the sake of what is above only.
            part.Judge(place with { IsSame = place.IsSameAbove, Counterpart = default }, judgement);
        }
        if (judgement.IsOver)
            return;
        switch (place.Value.ValueKind)
        {
            case JsonValueKind.Array when _items is not null:
                JudgeItems(_items, place, judgement);
                break;
            case JsonValueKind.Object when _properties.Count > 0 || _additional is not null:
                JudgeMembers(place, judgement);
                break;
        }
    }

    private void JudgeMembers(Place place, Judgement judgement)
    {
        if (_additional is not null)
        {
            foreach (var member in place.Value.EnumerateObject())
            {
                if (!_schema.Properties.ContainsKey(member.Name))
                    _additional.Judge(Member(member.Name, $"{place.Path}[{member.Name}]", member.Value), judgement);
            }
        }
        foreach (var (name, below) in _properties)
        {
            if (place.Value.TryGetProperty(name, out var member))
                below.Judge(Member(name, place.Path.Length == 0 ? name : place.Path + "." + name, member), judgement);
        }

        Place Member(string name, string path, JsonElement value)
        {
            var old = Property(place.Old, name);
            // Both objects come in the version of the request: what these two were is not seen.
            if (_isRoot && name is ("apiVersion" or "kind"))
                return new(path, value, old, default, false, false);
            var counterpart = Property(place.Counterpart, name);
            return new(path, value, old, counterpart, IsSame(value, counterpart, place.IsSame), place.IsSame);
        }
    }

    private void JudgeItems(CustomRules items, Place place, Judgement judgement)
    {
        var index = 0;
        foreach (var item in place.Value.EnumerateArray())
        {
            var old = Counterpart(item, place.Old);
            var counterpart = _schema.ListType.Length == 0 ? At(place.Counterpart, index) : Counterpart(item, place.Counterpart);
            var path = string.Create(CultureInfo.InvariantCulture, $"{place.Path}[{index++}]");
            items.Judge(new(path, item, old, counterpart, IsSame(item, counterpart, place.IsSame), place.IsSame), judgement);
        }
    }

    /// <summary>Items of maps are found again by their keys; those of other lists are not.</summary>
    private JsonElement Counterpart(JsonElement item, JsonElement olds)
    {
        if (_schema.ListType != "map" || olds.ValueKind != JsonValueKind.Array || item.ValueKind != JsonValueKind.Object)
            return default;
        foreach (var old in olds.EnumerateArray())
        {
            if (old.ValueKind == JsonValueKind.Object && Array.TrueForAll(_schema.ListMapKeys, key => Same(Property(item, key), Property(old, key))))
                return old;
        }
        return default;
    }

    private static JsonElement At(JsonElement olds, int index) =>
        olds.ValueKind == JsonValueKind.Array && index < olds.GetArrayLength() && olds[index] is { ValueKind: not JsonValueKind.Null } old ? old : default;

    private void JudgeHere(Place place, Judgement judgement)
    {
        if (_rules.Length == 0)
            return;
        var type = _schema.IsIntOrString ? "" : _schema.Source.Type;
        if (judgement.Left == 0)
        {
            Stop(OutOfBudget);
            return;
        }
        var self = SchemaValues.Read(place.Value, _values);
        var hasOld = place.Old.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);
        var old = hasOld ? SchemaValues.Read(place.Old, _values) : null;
        foreach (var rule in _rules)
        {
            if (rule.Error.Length > 0)
            {
                judgement.Errors.Invalid(place.Path, type, "rule compile error: " + rule.Error);
                continue;
            }
            // A transition needs something to come from, unless it says that it does not.
            if (rule.Program is null || (rule.UsesOldSelf && !hasOld && !rule.IsOldSelfOptional))
                continue;
            var variables = Activation.Of(rule.IsOldSelfOptional ? [(Self, self), (OldSelf, new OptionalValue(old))]
                : old is null ? [(Self, self)] : [(Self, self), (OldSelf, old)]);
            var result = rule.Program.Evaluate(variables);
            if (result.Cost > judgement.Left)
            {
                Stop(OutOfBudget);
                return;
            }
            judgement.Left -= result.Cost;
            if (result.IsOverBudget)
            {
                Stop($"'{result.Error}': no further validation rules will be run due to call cost exceeds limit for rule: {rule.Name}");
                return;
            }
            if (result.Error is { } error)
            {
                judgement.Errors.Invalid(place.Path, type, error.StartsWith("no such overload", StringComparison.Ordinal)
                    ? $"'{error}': call arguments did not match a supported operator, function or macro signature for rule: {rule.Name}"
                    : $"{error} evaluating rule: {rule.Name}");
                continue;
            }
            if (result.Value is not BoolValue { Value: true })
                Add(rule, Detail(rule, variables, place, judgement));
            if (judgement.IsOver)
                return;
        }

        void Stop(string why)
        {
            judgement.Errors.Invalid(place.Path, type, why);
            judgement.IsOver = true;
        }

        void Add(Rule rule, string detail)
        {
            var found = new FieldErrors();
            FieldPath path = place.Path;
            if (rule.FieldPath.Length > 0)
                path = path.Child(rule.FieldPath);
            switch (rule.Source.Reason)
            {
                case FieldValueErrorReason.FieldValueForbidden:
                    found.Forbidden(path, detail);
                    break;
                case FieldValueErrorReason.FieldValueRequired:
                    found.Required(path, detail);
                    break;
                case FieldValueErrorReason.FieldValueDuplicate:
                    found.Duplicate(path, type);
                    break;
                default:
                    found.Invalid(path, type, detail);
                    break;
            }
            if (!rule.UsesOldSelf && place.IsSame)
                judgement.Warnings?.Add(found[0].ToString());
            else
                judgement.Errors.Add(found[0]);
        }
    }

    /// <summary>What its expression says; where there is none or it fails, the rule's own message, or the rule.</summary>
    private static string Detail(Rule rule, Activation variables, Place place, Judgement judgement)
    {
        if (rule.Message is not null)
        {
            var result = rule.Message.Evaluate(variables);
            if (result.IsOverBudget || result.Cost > judgement.Left)
            {
                judgement.IsOver = true;
                return result.IsOverBudget
                    ? $"no further validation rules will be run due to call cost exceeds limit for messageExpression: {FieldErrors.Quote(rule.Source.MessageExpression)}"
                    : "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run";
            }
            judgement.Left -= result.Cost;
            if (result.Value is StringValue { Value: var text } && text.Trim() is { Length: > 0 } message
                && !message.Contains('\n', StringComparison.Ordinal) && System.Text.Encoding.UTF8.GetByteCount(message) <= MaxMessageBytes)
                return message;
        }
        return rule.Source.Message.Length > 0 ? rule.Source.Message.Trim() : "failed rule: " + rule.Name;
    }

    /// <summary>Of the value itself where it has a counterpart, else of what is above it.</summary>
    private static bool IsSame(JsonElement value, JsonElement counterpart, bool isSameAbove) =>
        counterpart.ValueKind == JsonValueKind.Undefined ? isSameAbove : JsonElement.DeepEquals(value, counterpart);

    private static bool Same(JsonElement a, JsonElement b) =>
        a.ValueKind == JsonValueKind.Undefined || b.ValueKind == JsonValueKind.Undefined ? a.ValueKind == b.ValueKind : JsonElement.DeepEquals(a, b);

    private static JsonElement Property(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out var member) ? member : default;
}
