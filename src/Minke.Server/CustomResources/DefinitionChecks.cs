using System.Globalization;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Cel;
using Minke.Cel.Schemas;
using Minke.Cel.Types;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.CustomResources;

/// <summary>
/// What a schema promises of itself: its defaults are valid, its rules compile, and no object within limits can make them cost too much.
/// (apiextensions validation of defaults and x-kubernetes-validations)
/// </summary>
internal sealed class DefinitionChecks
{
    // Upstream's StaticEstimatedCostLimit and StaticEstimatedCRDCostLimit.
    private const ulong RuleLimit = 10_000_000, SchemaLimit = 100_000_000;
    private const int MaxRequestBytes = 3 * 1024 * 1024;
    private const int MostExpensive = 4;

    private readonly FieldErrors _errors;
    private readonly HashSet<string> _known;
    private readonly List<(FieldPath Path, ulong Cost)> _expensive = [];
    private ulong _total;

    /// <summary>A node on the way down.</summary>
    /// <param name="Count">How many such values an object can hold; null when nothing limits it.</param>
    /// <param name="Uncorrelated">The list above whose items have no counterparts of before; empty for none.</param>
    private readonly record struct Node(StructuralSchema Schema, FieldPath Path, ulong? Count, string Uncorrelated, bool IsRoot);

    private DefinitionChecks(FieldErrors errors, HashSet<string> known) => (_errors, _known) = (errors, known);

    public static void Validate(CustomResourceDefinition definition, CustomResourceDefinition? old, FieldErrors errors)
    {
        var versions = definition.Spec.Versions;
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var version in old?.Spec.Versions ?? default)
            Collect(version.Schema?.OpenAPIV3Schema, known);
        // Upstream keeps what all versions share in one place, and names it by that.
        var isShared = versions.All(version => Json.Same(version.Schema, versions[0].Schema));
        for (var i = 0; i < (isShared ? Math.Min(1, versions.Count) : versions.Count); i++)
        {
            var version = versions[i];
            if (version.Schema?.OpenAPIV3Schema is not { } schema
                || (old is not null && old.Spec.Versions.Any(other => other.Name == version.Name && Json.Same(other.Schema, version.Schema))))
                continue;
            FieldPath path = isShared ? "spec.validation" : string.Create(CultureInfo.InvariantCulture, $"spec.versions[{i}].schema");
            var root = path.Child("openAPIV3Schema");
            new DefinitionChecks(errors, known).Check(StructuralSchema.Of(schema), root);
        }
    }

    private static void Collect(JSONSchemaProps? schema, HashSet<string> known)
    {
        if (schema is null)
            return;
        foreach (var rule in schema.XKubernetesValidations)
            known.UnionWith([rule.Rule, rule.MessageExpression]);
        foreach (var (_, property) in schema.Properties)
            Collect(property, known);
        Collect(schema.Items?.Schema, known);
        Collect(schema.AdditionalProperties?.Schema, known);
    }

    private void Check(StructuralSchema schema, FieldPath root)
    {
        Walk(new(schema, root, 1, "", IsRoot: true));
        if (_total <= SchemaLimit)
            return;
        foreach (var (path, _) in _expensive.OrderByDescending(one => one.Cost).Take(MostExpensive))
            _errors.Forbidden(path, "contributed to estimated rule & messageExpression cost total exceeding cost limit for entire OpenAPIv3 schema");
        _errors.Forbidden(root, TooDear("x-kubernetes-validations estimated rule & messageExpression cost total for entire OpenAPIv3 schema", _total, SchemaLimit));
    }

    private void Walk(Node node)
    {
        var (schema, path) = (node.Schema, node.Path);
        CheckDefault(schema, path.Child("default"));
        var rules = schema.Source.XKubernetesValidations;
        for (var i = 0; i < rules.Count; i++)
            CheckRule(node, rules[i], path.Child("x-kubernetes-validations").Index(i));

        foreach (var (name, property) in schema.Properties.OrderBy(one => one.Key, StringComparer.Ordinal))
            Walk(new(property, path.Child("properties").Key(name), node.Count, node.Uncorrelated, property.IsEmbedded));
        if (schema.Additional is { } additional)
            Walk(new(additional, path.Child("additionalProperties"), Times(node.Count, schema.Source.MaxProperties), node.Uncorrelated, additional.IsEmbedded));
        if (schema.Items is { } items)
        {
            var isCorrelated = schema.ListType == "map";
            Walk(new(items, path.Child("items"), Times(node.Count, schema.Source.MaxItems),
                node.Uncorrelated.Length > 0 || isCorrelated ? node.Uncorrelated : path.Text, items.IsEmbedded));
        }
    }

    private void CheckDefault(StructuralSchema schema, FieldPath path)
    {
        if (schema.Source.Default is not { IsNull: false } standard)
            return;
        var value = JsonTree.Parse(standard.Utf8);
        var pruned = value?.DeepClone();
        Pruning.Prune(pruned, schema);
        if (!JsonNode.DeepEquals(pruned, value))
        {
            _errors.Invalid(path, GoSyntax.Shown(value), "must not have unknown fields");
            return;
        }
        // Defaults below fill in what it leaves out.
        Defaulting.Default(pruned, schema);
        SchemaValidator.Validate(pruned, schema, _errors, path.Text);
        foreach (var error in ListTypes.Validate(pruned, schema))
            _errors.Add(error with { Path = path.Text + error.Path });
    }

    private void CheckRule(Node node, ValidationRule rule, FieldPath path)
    {
        if (rule.Rule.Trim().Length == 0)
            return;
        var environment = EnvironmentOf(node, rule, rule.Rule);
        var compiled = environment.Compile(rule.Rule);
        if (compiled.Program is not { } program)
        {
            _errors.Invalid(path.Child("rule"), Shown(rule), compiled.Failure);
            return;
        }
        if (program.OutputType.Name != CelType.Bool.Name)
        {
            _errors.Invalid(path.Child("rule"), Shown(rule), "cel expression must evaluate to a bool");
            return;
        }
        Charge("estimated rule cost", Multiply(program.EstimatedCost.Max, node.Count ?? (ulong)(MaxRequestBytes / (MinBytes(node.Schema) + 1))), path.Child("rule"));
        if (rule.MessageExpression.Length > 0)
        {
            var message = EnvironmentOf(node, rule, rule.MessageExpression).Compile(rule.MessageExpression);
            if (message.Program is null)
                _errors.Invalid(path.Child("messageExpression"), Shown(rule), "messageExpression " + message.Failure);
            else if (message.Program.OutputType.Name != CelType.String.Name)
                _errors.Invalid(path.Child("messageExpression"), Shown(rule), "messageExpression must evaluate to a string");
            else
                Charge("estimated messageExpression cost", message.Program.EstimatedCost.Max, path.Child("messageExpression")); // One object needs one message.
        }
        if (program.Uses("oldSelf"))
        {
            if (node.Uncorrelated.Length > 0)
                _errors.Invalid(path.Child("rule"), rule.Rule, $"oldSelf cannot be used on the uncorrelatable portion of the schema within {node.Uncorrelated}");
        }
        else if (rule.OptionalOldSelf is { } isOptional)
        {
            _errors.Invalid(path.Child("optionalOldSelf"), isOptional, "may not be set if oldSelf is not used in rule");
        }
    }

    /// <summary>What is stored already may go on using what new expressions may not.</summary>
    private CelEnvironment EnvironmentOf(Node node, ValidationRule rule, string expression)
    {
        var type = SchemaTypes.Of(node.Schema, "selfType", node.IsRoot) ?? CelType.Dyn;
        return CelEnvironment.Create(_known.Contains(expression) ? CelLanguage.StoredExpressions : CelLanguage.NewExpressions)
            .With(("self", type), ("oldSelf", rule.OptionalOldSelf == true ? CelType.Optional(type) : type));
    }

    private void Charge(string what, ulong cost, FieldPath path)
    {
        if (cost > RuleLimit)
            _errors.Forbidden(path, TooDear(what, cost, RuleLimit));
        if (cost >= SchemaLimit / 100)
            _expensive.Add((path, cost));
        _total = ulong.MaxValue - _total < cost ? ulong.MaxValue : _total + cost;
    }

    private static string TooDear(string what, ulong cost, ulong limit)
    {
        var factor = (double)cost / limit;
        var text = factor > 100 ? "more than 100x"
            : factor < 1.5 ? string.Create(CultureInfo.InvariantCulture, $"{factor:F6}x") : string.Create(CultureInfo.InvariantCulture, $"{factor:F1}x");
        return $"{what} exceeds budget by factor of {text} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
    }

    /// <summary>The shortest a value can be in JSON: how many of them a request can hold.</summary>
    private static long MinBytes(StructuralSchema schema) => schema switch
    {
        { IsIntOrString: true } => 1,
        { Source.Type: "string", Format: "date" } => 12,
        { Source.Type: "string", Format: "date-time" } => 22,
        { Source.Type: "string", Format: "duration" } => 4,
        { Source.Type: "integer" or "number" } => 1,
        { Source.Type: "boolean" } => 4,
        { Source.Type: "object" } => 2 + schema.Source.Required
            .Sum(name => schema.Properties.TryGetValue(name, out var property) && property.Default is null ? name.Length + MinBytes(property) + 4 : 0),
        _ => 2,
    };

    private static ulong? Times(ulong? count, long? limit) => count is { } many && limit is { } most ? Multiply(many, (ulong)Math.Max(0, most)) : null;

    private static ulong Multiply(ulong a, ulong b) => (UInt128)a * b is var product && product > ulong.MaxValue ? ulong.MaxValue : (ulong)product;

    /// <summary>As Go prints the struct.</summary>
    private static GoSyntax.Text Shown(ValidationRule rule) => new(
        $"apiextensions.ValidationRule{{Rule:{FieldErrors.Quote(rule.Rule)}, Message:{FieldErrors.Quote(rule.Message)}, MessageExpression:{FieldErrors.Quote(rule.MessageExpression)}, "
        + $"Reason:(*apiextensions.FieldValueErrorReason)({(rule.Reason is null ? "nil" : "0xc000000000")}), FieldPath:{FieldErrors.Quote(rule.FieldPath)}, "
        + $"OptionalOldSelf:(*bool)({(rule.OptionalOldSelf is null ? "nil" : "0xc000000000")})}}");
}
