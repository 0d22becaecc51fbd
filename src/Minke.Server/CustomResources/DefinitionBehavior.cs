using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Api.Meta.V1;

namespace Minke.Server.CustomResources;

/// <summary>A definition's own behaviour, and what only the server can check: that its defaults hold and its rules compile and are not too dear.</summary>
internal sealed class DefinitionBehavior(KindBehavior inner) : KindBehavior
{
    public override KindInfo Kind => inner.Kind;
    public override bool CountsGeneration => inner.CountsGeneration;
    public override IKubeObject Default(IKubeObject value) => inner.Default(value);
    public override IKubeObject PrepareForCreate(IKubeObject value) => inner.PrepareForCreate(value);
    public override IKubeObject CompleteCreate(IKubeObject value) => inner.CompleteCreate(value);
    public override IKubeObject PrepareForUpdate(IKubeObject value, IKubeObject old) => inner.PrepareForUpdate(value, old);
    public override IKubeObject PrepareForStatusUpdate(IKubeObject value, IKubeObject old) => inner.PrepareForStatusUpdate(value, old);

    public override void Validate(IKubeObject value, IKubeObject? old, FieldErrors errors)
    {
        var before = errors.Count;
        inner.Validate(value, old, errors);
        // A schema that is none cannot be compiled.
        if (errors.Count == before)
            DefinitionChecks.Validate((CustomResourceDefinition)value, (CustomResourceDefinition?)old, errors);
    }

    public override void ValidateStatusMetadata(ObjectMeta metadata, ObjectMeta old, FieldErrors errors) => inner.ValidateStatusMetadata(metadata, old, errors);
    public override void ValidateStatus(IKubeObject value, IKubeObject old, FieldErrors errors) => inner.ValidateStatus(value, old, errors);

    public override void ValidateSubresource(string subresource, IKubeObject value, IKubeObject old, FieldErrors errors) =>
        inner.ValidateSubresource(subresource, value, old, errors);

    public override IEnumerable<string> Dropped(IKubeObject value) => inner.Dropped(value);
    public override IEnumerable<string> Warnings(IKubeObject value, IKubeObject? old) => inner.Warnings(value, old);
    public override bool SpecDiffers(IKubeObject value, IKubeObject old) => inner.SpecDiffers(value, old);
}
