using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a Namespace does beyond its fields. (pkg/registry/core/namespace/strategy.go)</summary>
internal sealed class NamespaceKind : KindBehavior<Namespace>
{
    private const string Finalizer = "kubernetes";
    private const string NameLabel = "kubernetes.io/metadata.name";

    /// <summary>Selectors can name a namespace by this label.</summary>
    public override Namespace Default(Namespace value)
    {
        var name = value.Metadata.Name;
        return name.Length == 0 || value.Metadata.Labels.GetValueOrDefault(NameLabel) == name
            ? value
            : value with { Metadata = value.Metadata with { Labels = value.Metadata.Labels.With(NameLabel, name) } };
    }

    /// <summary>The finalizer holds it until the namespace controller has emptied it.</summary>
    public override Namespace PrepareForCreate(Namespace value) => value with
    {
        Spec = value.Spec with { Finalizers = value.Spec.Finalizers.Contains(Finalizer) ? value.Spec.Finalizers : value.Spec.Finalizers.Add(Finalizer) },
        Status = new NamespaceStatus { Phase = NamespacePhase.Active },
    };

    public override Namespace PrepareForUpdate(Namespace value, Namespace old) => value with
    {
        Spec = value.Spec with { Finalizers = old.Spec.Finalizers },
        Status = old.Status,
    };

    public override Namespace PrepareForStatusUpdate(Namespace value, Namespace old) => value with { Spec = old.Spec };

    public override void Validate(Namespace value, Namespace? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Label, errors);
        foreach (var (finalizer, index) in value.Spec.Finalizers.Select((finalizer, index) => (finalizer, index)))
        {
            FieldPath path = $"spec.finalizers[{index}]";
            foreach (var error in Names.QualifiedName(finalizer))
                errors.Invalid(path, finalizer, error);
            if (finalizer != Finalizer && !finalizer.Contains('/', StringComparison.Ordinal))
                errors.Invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified");
        }
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
    }

    public override void ValidateStatus(Namespace value, Namespace old, FieldErrors errors)
    {
        if (value.Metadata.DeletionTimestamp is null && value.Status.Phase != NamespacePhase.Active)
            errors.Invalid("status.Phase", value.Status.Phase, "may only be 'Active' if `deletionTimestamp` is empty");
        if (value.Metadata.DeletionTimestamp is not null && value.Status.Phase != NamespacePhase.Terminating)
            errors.Invalid("status.Phase", value.Status.Phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
}
