using System.Globalization;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.CustomResources;

/// <summary>What a custom kind does beyond its schema: status apart from the rest, generations, scale fields, validation in upstream's order.</summary>
internal sealed class CustomBehavior(CustomVersion version) : KindBehavior
{
    private const string NotAllChecked =
        "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

    public override KindInfo Kind => version.Kind;
    public override bool CountsGeneration => true;

    public override IKubeObject Default(IKubeObject value) => version.Default((CustomObject)value);

    public override IKubeObject PrepareForCreate(IKubeObject value)
    {
        var custom = (CustomObject)value;
        return version.HasStatus ? custom.WithMembers(custom.Members.Without("status")) : custom;
    }

    public override IKubeObject PrepareForUpdate(IKubeObject value, IKubeObject old) =>
        version.HasStatus ? ((CustomObject)value).WithMemberOf((CustomObject)old, "status") : value;

    /// <summary>Labels and annotations stay as they are too.</summary>
    public override IKubeObject PrepareForStatusUpdate(IKubeObject value, IKubeObject old) =>
        ((CustomObject)old.WithMetadata(old.Metadata with { ManagedFields = value.Metadata.ManagedFields })).WithMemberOf((CustomObject)value, "status");

    public override void Validate(IKubeObject value, IKubeObject? old, FieldErrors errors)
    {
        var custom = (CustomObject)value;
        var tree = custom.WholeTree();
        var before = (old as CustomObject)?.WholeTree();
        if (old is null)
            ObjectMetaRules.ValidateGeneric(value.Metadata, version.Definition.IsNamespaced, Names.Dns1123Subdomain, "metadata", errors);
        else
            ObjectMetaRules.ValidateGenericUpdate(value.Metadata, old.Metadata, errors);
        SchemaValidator.ValidateUpdate(tree, before, before is not null, version.Schema, errors);
        ValidateCount(tree, version.Scale?.SpecReplicasPath, errors);
        ValidateScaleStatus(tree, errors);
        EmbeddedMetadata.Validate(tree, version.Schema, errors);
        ValidateLists(tree, before, errors);
        ValidateRules(custom, tree, before, errors);
    }

    public override void ValidateStatusMetadata(ObjectMeta metadata, ObjectMeta old, FieldErrors errors) =>
        ObjectMetaRules.ValidateGenericUpdate(metadata, old, errors);

    public override void ValidateStatus(IKubeObject value, IKubeObject old, FieldErrors errors)
    {
        var tree = ((CustomObject)value).WholeTree();
        var before = ((CustomObject)old).WholeTree();
        if (version.Schema.Properties.TryGetValue("status", out var schema) && tree.TryGetPropertyValue("status", out var status))
            SchemaValidator.ValidateUpdate(status, before["status"], before.ContainsKey("status"), schema, errors, "status");
        ValidateScaleStatus(tree, errors);
        ValidateLists(tree, before, errors);
        ValidateRules((CustomObject)value, tree, before, errors);
    }

    public override IEnumerable<string> Warnings(IKubeObject value, IKubeObject? old) =>
        CustomMetadata.Warnings(value.Metadata, old?.Metadata).Concat(((CustomObject)value).Forgiven);

    public override bool SpecDiffers(IKubeObject value, IKubeObject old)
    {
        var (a, b) = (((CustomObject)value).Members, ((CustomObject)old).Members);
        return a.Count != b.Count || !a.Keys.SequenceEqual(b.Keys) || !a.Values.SequenceEqual(b.Values);
    }

    /// <summary>A list that held a value twice before may go on doing so.</summary>
    private void ValidateLists(JsonObject tree, JsonObject? before, FieldErrors errors)
    {
        var found = ListTypes.Validate(tree, version.Schema);
        if (found.Count == 0 || (before is not null && ListTypes.Validate(before, version.Schema).Count > 0))
            return;
        foreach (var error in found)
            errors.Add(error);
    }

    /// <summary>Rules may count on what the schema says, so they are asked of nothing that it refuses.</summary>
    private void ValidateRules(CustomObject value, JsonObject tree, JsonObject? before, FieldErrors errors)
    {
        if (version.Rules is not { } rules)
            return;
        if (errors.Any(error => error.CauseType is "FieldValueNotSupported" or "FieldValueRequired" or "FieldValueTooLong" or "FieldValueTooMany" or "FieldValueTypeInvalid"))
        {
            errors.Invalid("", "null", NotAllChecked);
            return;
        }
        var forgiven = new List<string>();
        rules.Validate(tree, before, errors, forgiven);
        value.Forgiven = forgiven;
    }

    private void ValidateScaleStatus(JsonObject tree, FieldErrors errors)
    {
        if (version.Scale is not { } scale)
            return;
        ValidateCount(tree, scale.StatusReplicasPath, errors);
        if (scale.LabelSelectorPath is { Length: > 0 } path && NestedField.Text(tree, path).Error is { Length: > 0 } wrong)
            errors.Invalid(path, "", wrong);
    }

    private static void ValidateCount(JsonObject tree, string? path, FieldErrors errors)
    {
        if (path is null)
            return;
        var (count, error, _) = NestedField.Count(tree, path);
        if (error.Length > 0)
            errors.Invalid(path, count, error);
        else if (count < 0)
            errors.Invalid(path, count, "should be a non-negative integer");
        else if (count > int.MaxValue)
            errors.Invalid(path, count, string.Create(CultureInfo.InvariantCulture, $"should be less than or equal to {int.MaxValue}"));
    }
}
