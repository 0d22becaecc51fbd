using Minke.Api.Apiextensions.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What a CustomResourceDefinition does beyond its fields. (pkg/registry/customresourcedefinition/strategy.go)</summary>
internal sealed class CustomResourceDefinitionKind : KindBehavior<CustomResourceDefinition>
{
    public override bool CountsGeneration => true;

    public override CustomResourceDefinition Default(CustomResourceDefinition definition)
    {
        var names = definition.Spec.Names;
        return WithStorageVersion(definition with
        {
            Spec = definition.Spec with
            {
                Names = names with
                {
                    Singular = names.Singular.Length > 0 ? names.Singular : names.Kind.ToLowerInvariant(),
                    ListKind = names.ListKind.Length > 0 || names.Kind.Length == 0 ? names.ListKind : names.Kind + "List",
                },
                Conversion = definition.Spec.Conversion ?? new() { Strategy = ConversionStrategyType.None },
            },
        });
    }

    public override CustomResourceDefinition PrepareForCreate(CustomResourceDefinition definition) => WithStorageVersion(definition with { Status = new() });

    public override CustomResourceDefinition PrepareForUpdate(CustomResourceDefinition definition, CustomResourceDefinition old) =>
        WithStorageVersion(definition with { Status = old.Status });

    public override CustomResourceDefinition PrepareForStatusUpdate(CustomResourceDefinition definition, CustomResourceDefinition old) =>
        definition with { Spec = old.Spec };

    public override void Validate(CustomResourceDefinition definition, CustomResourceDefinition? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.ValidateGeneric(definition.Metadata, isNamespaced: false, name => NameRule(name, definition.Spec), "metadata", errors);
        else
            ObjectMetaRules.ValidateGenericUpdate(definition.Metadata, old.Metadata, errors);
        DefinitionRules.ValidateSpec(definition.Spec, old, errors);
        DefinitionRules.ValidateNames(definition.Status.AcceptedNames, "status.acceptedNames", errors);
        DefinitionRules.ValidateStoredVersions(definition, errors);
        DefinitionRules.ValidateApproval(definition, old, errors);
        if (definition.Spec.PreserveUnknownFields && old?.Spec.PreserveUnknownFields != true)
        {
            errors.Invalid("spec.preserveUnknownFields", true,
                "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead");
        }
    }

    public override void ValidateStatusMetadata(ObjectMeta metadata, ObjectMeta old, FieldErrors errors) =>
        ObjectMetaRules.ValidateGenericUpdate(metadata, old, errors);

    public override void ValidateStatus(CustomResourceDefinition definition, CustomResourceDefinition old, FieldErrors errors) =>
        DefinitionRules.ValidateNames(definition.Status.AcceptedNames, "status.acceptedNames", errors);

    /// <summary>Objects may lie in the store in every version that ever was the storage version, so it is remembered.</summary>
    private static CustomResourceDefinition WithStorageVersion(CustomResourceDefinition definition)
    {
        var storage = definition.Spec.Versions.FirstOrDefault(version => version.Storage)?.Name;
        return storage is null || definition.Status.StoredVersions.Contains(storage)
            ? definition
            : definition with { Status = definition.Status with { StoredVersions = definition.Status.StoredVersions.Add(storage) } };
    }

    private static IEnumerable<string> NameRule(string name, CustomResourceDefinitionSpec spec)
    {
        var errors = Names.Dns1123Subdomain(name);
        return name == $"{spec.Names.Plural}.{spec.Group}" ? errors : errors.Append("must be spec.names.plural+\".\"+spec.group");
    }
}
