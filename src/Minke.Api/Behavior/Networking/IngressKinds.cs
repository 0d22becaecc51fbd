using Minke.Api.Networking.V1;

namespace Minke.Api;

/// <summary>What an Ingress does beyond its fields. (pkg/registry/networking/ingress/strategy.go)</summary>
internal sealed class IngressKind : KindBehavior<Ingress>
{
    private const string ClassAnnotation = "kubernetes.io/ingress.class";

    public override bool CountsGeneration => true;

    public override Ingress PrepareForCreate(Ingress ingress) => ingress with { Status = new() };

    public override Ingress PrepareForUpdate(Ingress ingress, Ingress old) => ingress with { Status = old.Status };

    public override Ingress PrepareForStatusUpdate(Ingress ingress, Ingress old) => ingress with { Spec = old.Spec };

    public override void Validate(Ingress ingress, Ingress? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(ingress.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(ingress.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        IngressRules.ValidateSpec(ingress.Spec, "spec", errors);
        if (old is null && ingress.Metadata.Annotations.TryGetValue(ClassAnnotation, out var annotated)
            && ingress.Spec.IngressClassName is { } named && annotated != named)
            errors.Invalid("annotations." + ClassAnnotation, annotated, "must match `ingressClassName` when both are specified");
    }

    public override void ValidateStatus(Ingress ingress, Ingress old, FieldErrors errors) =>
        IngressRules.ValidateStatus(ingress.Status.LoadBalancer, "status.loadBalancer", errors);

    public override IEnumerable<string> Warnings(Ingress ingress, Ingress? old) =>
        old is null && ingress.Metadata.Annotations.ContainsKey(ClassAnnotation) && ingress.Spec.IngressClassName is null
            ? [$"annotation \"{ClassAnnotation}\" is deprecated, please use 'spec.ingressClassName' instead"] : [];
}

/// <summary>What an IngressClass does beyond its fields.</summary>
internal sealed class IngressClassKind : KindBehavior<IngressClass>
{
    public override bool CountsGeneration => true;

    public override IngressClass Default(IngressClass value) => value.Spec.Parameters is { Scope: null } parameters
        ? value with { Spec = value.Spec with { Parameters = parameters with { Scope = "Cluster" } } } : value;

    public override void Validate(IngressClass value, IngressClass? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
            if (value.Spec.Controller != old.Spec.Controller)
                errors.Invalid("spec.controller", value.Spec.Controller, "field is immutable");
        }
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        IngressRules.ValidateClass(value.Spec, "spec", errors);
    }
}
