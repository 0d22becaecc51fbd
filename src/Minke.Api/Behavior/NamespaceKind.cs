using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a Namespace does beyond its fields. (pkg/registry/core/namespace/strategy.go)</summary>
internal sealed class NamespaceKind : KindBehavior<Namespace>
{
    private const string NameLabel = "kubernetes.io/metadata.name";
    private const string Finalizer = "kubernetes";

    public override Namespace Default(Namespace value)
    {
        var name = value.Metadata.Name;
        if (name.Length > 0 && value.Metadata.Labels.GetValueOrDefault(NameLabel) != name)
            value = value with { Metadata = value.Metadata with { Labels = value.Metadata.Labels.With(NameLabel, name) } };
        return value.Status.Phase.Length > 0 ? value : value with { Status = value.Status with { Phase = NamespacePhase.Active } };
    }

    public override Namespace PrepareForCreate(Namespace value) => value with
    {
        Spec = value.Spec.Finalizers.Contains(Finalizer) ? value.Spec : value.Spec with { Finalizers = value.Spec.Finalizers.Add(Finalizer) },
        Status = new() { Phase = NamespacePhase.Active },
    };

    public override Namespace PrepareForUpdate(Namespace value, Namespace old) => value with
    {
        Spec = value.Spec with { Finalizers = old.Spec.Finalizers },
        Status = old.Status,
    };

    public override Namespace PrepareForStatusUpdate(Namespace value, Namespace old) => value with { Spec = old.Spec };

    public override void Validate(Namespace value, Namespace? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
            return;
        }
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Label, errors);
        foreach (var finalizer in value.Spec.Finalizers)
            ValidateFinalizer(finalizer, "spec.finalizers", errors);
    }

    public override void ValidateStatus(Namespace value, Namespace old, FieldErrors errors)
    {
        // The capital is upstream's.
        if (old.Metadata.DeletionTimestamp is null && value.Status.Phase != NamespacePhase.Active)
            errors.Invalid("status.Phase", value.Status.Phase, "may only be 'Active' if `deletionTimestamp` is empty");
        else if (old.Metadata.DeletionTimestamp is not null && value.Status.Phase != NamespacePhase.Terminating)
            errors.Invalid("status.Phase", value.Status.Phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }

    public override void ValidateSubresource(string subresource, Namespace value, Namespace old, FieldErrors errors)
    {
        for (var i = 0; i < value.Spec.Finalizers.Count; i++)
            ValidateFinalizer(value.Spec.Finalizers[i], new FieldPath("spec.finalizers").Index(i), errors);
    }

    private static void ValidateFinalizer(string finalizer, FieldPath path, FieldErrors errors)
    {
        PodRules.Each(Names.QualifiedName(finalizer), path, finalizer, errors);
        ObjectMetaRules.FinalizerIsQualified(finalizer, path, errors);
    }
}
