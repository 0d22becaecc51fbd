using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a ServiceAccount does beyond its fields.</summary>
internal sealed class ServiceAccountKind : KindBehavior<ServiceAccount>
{
    public override void Validate(ServiceAccount account, ServiceAccount? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(account.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(account.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
    }
}

/// <summary>What a PersistentVolumeClaim does beyond its fields.</summary>
internal sealed class PersistentVolumeClaimKind : KindBehavior<PersistentVolumeClaim>
{
    public override PersistentVolumeClaim Default(PersistentVolumeClaim claim) => claim with
    {
        Spec = claim.Spec with { VolumeMode = claim.Spec.VolumeMode ?? PersistentVolumeMode.Filesystem },
        Status = claim.Status.Phase.Length > 0 ? claim.Status : claim.Status with { Phase = PersistentVolumeClaimPhase.Pending },
    };

    public override PersistentVolumeClaim PrepareForCreate(PersistentVolumeClaim claim) => claim with
    {
        Spec = WithBothSources(claim.Spec) with { VolumeAttributesClassName = null },
        Status = new() { Phase = PersistentVolumeClaimPhase.Pending },
    };

    public override PersistentVolumeClaim PrepareForUpdate(PersistentVolumeClaim claim, PersistentVolumeClaim old) => claim with
    {
        Spec = WithBothSources(claim.Spec) with { VolumeAttributesClassName = old.Spec.VolumeAttributesClassName },
        Status = old.Status,
    };

    public override PersistentVolumeClaim PrepareForStatusUpdate(PersistentVolumeClaim claim, PersistentVolumeClaim old) => claim with { Spec = old.Spec };

    public override void Validate(PersistentVolumeClaim claim, PersistentVolumeClaim? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ClaimRules.ValidateUpdate(claim, old, errors);
            return;
        }
        ObjectMetaRules.Validate(claim.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        ClaimRules.ValidateSpec(claim.Spec, "spec", errors);
    }

    public override IEnumerable<string> Dropped(PersistentVolumeClaim claim) => claim.Spec.VolumeAttributesClassName is null
        ? [] : ["spec.volumeAttributesClassName: dropped, feature gate VolumeAttributesClass is off"];

    public override IEnumerable<string> Warnings(PersistentVolumeClaim claim, PersistentVolumeClaim? old) => old is null
        ? ["spec: accepted but not acted on by Minke yet: claims are not bound to volumes"] : [];

    /// <summary>The old name of a source and the new one say the same.</summary>
    private static PersistentVolumeClaimSpec WithBothSources(PersistentVolumeClaimSpec spec) => spec switch
    {
        { DataSource: { } source, DataSourceRef: null } => spec with { DataSourceRef = new() { ApiGroup = source.ApiGroup, Kind = source.Kind, Name = source.Name } },
        { DataSource: null, DataSourceRef: { Namespace: null or "" } reference } =>
            spec with { DataSource = new() { ApiGroup = reference.ApiGroup, Kind = reference.Kind, Name = reference.Name } },
        _ => spec,
    };
}

/// <summary>What a ReplicationController does beyond its fields.</summary>
internal sealed class ReplicationControllerKind : KindBehavior<ReplicationController>
{
    public override bool CountsGeneration => true;

    public override ReplicationController Default(ReplicationController controller)
    {
        var spec = controller.Spec;
        var labels = spec.Template?.Metadata.Labels ?? default;
        return controller with
        {
            Metadata = controller.Metadata.Labels.IsEmpty && !labels.IsEmpty ? controller.Metadata with { Labels = labels } : controller.Metadata,
            Spec = spec with
            {
                Replicas = spec.Replicas ?? 1,
                Selector = spec.Selector.IsEmpty ? labels : spec.Selector,
                Template = spec.Template is { } template ? template with { Spec = PodDefaults.OfSpec(template.Spec) } : null,
            },
        };
    }

    public override ReplicationController PrepareForCreate(ReplicationController controller) => controller with { Status = new(), Spec = Drop(controller.Spec) };

    public override ReplicationController PrepareForUpdate(ReplicationController controller, ReplicationController old) =>
        controller with { Status = old.Status, Spec = Drop(controller.Spec) };

    public override ReplicationController PrepareForStatusUpdate(ReplicationController controller, ReplicationController old) => controller with { Spec = old.Spec };

    public override void Validate(ReplicationController controller, ReplicationController? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(controller.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(controller.Metadata, old.Metadata, errors);
        const string notNegative = "must be greater than or equal to 0";
        FieldPath path = "spec";
        var (spec, at) = (controller.Spec, path.Child("template"));
        if (spec.MinReadySeconds < 0)
            errors.Invalid(path.Child("minReadySeconds"), spec.MinReadySeconds, notNegative);
        if (spec.Selector.IsEmpty)
            errors.Required(path.Child("selector"));
        if (spec.Replicas is < 0)
            errors.Invalid(path.Child("replicas"), spec.Replicas, notNegative);
        if (spec.Template is not { } template)
        {
            errors.Required(at);
            return;
        }
        if (spec.Selector.Any(pair => template.Metadata.Labels.GetValueOrDefault(pair.Key) != pair.Value))
            errors.Invalid(at.Child("metadata").Child("labels"), template.Metadata.Labels, "`selector` does not match template `labels`");
        PodRules.ValidateTemplate(template, at, errors);
        if (template.Spec.RestartPolicy != RestartPolicy.Always)
            errors.NotSupported(at.Child("spec").Child("restartPolicy"), template.Spec.RestartPolicy, [RestartPolicy.Always]);
        if (template.Spec.ActiveDeadlineSeconds is not null)
            errors.Forbidden(at.Child("spec").Child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicationController is not Supported");
    }

    private static ReplicationControllerSpec Drop(ReplicationControllerSpec spec) => spec.Template is { } template
        ? spec with { Template = template with { Spec = FeatureGates.Drop(template.Spec, "spec.template.spec") } } : spec;
}

/// <summary>What a PodTemplate does beyond its fields.</summary>
internal sealed class PodTemplateKind : KindBehavior<PodTemplate>
{
    public override PodTemplate Default(PodTemplate template) => template with { Template = template.Template with { Spec = PodDefaults.OfSpec(template.Template.Spec) } };

    public override void Validate(PodTemplate template, PodTemplate? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(template.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(template.Metadata, old.Metadata, errors);
        PodRules.ValidateTemplate(template.Template, "template", errors);
    }
}

/// <summary>What a ResourceQuota does beyond its fields.</summary>
internal sealed class ResourceQuotaKind : KindBehavior<ResourceQuota>
{
    public override ResourceQuota PrepareForCreate(ResourceQuota quota) => quota with { Status = new() };

    public override ResourceQuota PrepareForUpdate(ResourceQuota quota, ResourceQuota old) => quota with { Status = old.Status };

    public override ResourceQuota PrepareForStatusUpdate(ResourceQuota quota, ResourceQuota old) => quota with { Spec = old.Spec };

    public override void Validate(ResourceQuota quota, ResourceQuota? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(quota.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(quota.Metadata, old.Metadata, errors);
        ValidateAmounts(quota.Spec.Hard, "spec.hard", errors);
        if (old is not null && !quota.Spec.Scopes.ToHashSet(StringComparer.Ordinal).SetEquals(old.Spec.Scopes))
            errors.Invalid("spec.scopes", quota.Spec.Scopes, "field is immutable");
    }

    public override void ValidateStatus(ResourceQuota quota, ResourceQuota old, FieldErrors errors)
    {
        ValidateAmounts(quota.Status.Hard, "status.hard", errors);
        ValidateAmounts(quota.Status.Used, "status.used", errors);
    }

    private static void ValidateAmounts(ApiMap<Quantity> amounts, FieldPath path, FieldErrors errors)
    {
        foreach (var (name, amount) in amounts)
        {
            ResourceRules.ValidateQuotaName(name, path.Key(name), errors);
            ResourceRules.ValidateAmount(name, amount, path.Key(name), errors);
        }
    }
}

/// <summary>What a LimitRange does beyond its fields.</summary>
internal sealed class LimitRangeKind : KindBehavior<LimitRange>
{
    private static readonly string[] Types = ["Pod", "Container", "PersistentVolumeClaim"];

    public override LimitRange Default(LimitRange range) => range with { Spec = range.Spec with { Limits = range.Spec.Limits.Map(Default) } };

    public override void Validate(LimitRange range, LimitRange? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(range.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(range.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < range.Spec.Limits.Count; i++)
        {
            var (limit, at) = (range.Spec.Limits[i], new FieldPath("spec.limits").Index(i));
            var before = errors.Count;
            PodRules.Each(Names.QualifiedName(limit.Type), at.Child("type"), limit.Type, errors);
            if (errors.Count == before && !limit.Type.Contains('/', StringComparison.Ordinal) && !Types.Contains(limit.Type))
                errors.Invalid(at.Child("type"), limit.Type, "must be a standard limit type or fully qualified");
            if (!seen.Add(limit.Type))
                errors.Duplicate(at.Child("type"), limit.Type);
            if (limit.Type == "Pod")
            {
                if (!limit.Default.IsEmpty)
                    errors.Forbidden(at.Child("default"), "may not be specified when `type` is 'Pod'");
                if (!limit.DefaultRequest.IsEmpty)
                    errors.Forbidden(at.Child("defaultRequest"), "may not be specified when `type` is 'Pod'");
                limit = limit with { Default = default, DefaultRequest = default };
            }
            foreach (var (name, min) in limit.Min)
            {
                if (limit.Max.TryGetValue(name, out var max) && min > max)
                    errors.Invalid(at.Child("min").Key(name), min, $"min value {min} is greater than max value {max}");
                if (limit.DefaultRequest.TryGetValue(name, out var request) && min > request)
                    errors.Invalid(at.Child("defaultRequest").Key(name), request, $"min value {min} is greater than default request value {request}");
                if (limit.Default.TryGetValue(name, out var most) && min > most)
                    errors.Invalid(at.Child("default").Key(name), min, $"min value {min} is greater than default value {most}");
            }
            foreach (var (name, max) in limit.Max)
            {
                if (limit.DefaultRequest.TryGetValue(name, out var request) && request > max)
                    errors.Invalid(at.Child("defaultRequest").Key(name), request, $"default request value {request} is greater than max value {max}");
                if (limit.Default.TryGetValue(name, out var most) && most > max)
                    errors.Invalid(at.Child("default").Key(name), max, $"default value {most} is greater than max value {max}");
            }
        }
    }

    private static LimitRangeItem Default(LimitRangeItem item)
    {
        if (item.Type != "Container")
            return item;
        var most = Missing(item.Default, item.Max);
        return item with { Default = most, DefaultRequest = Missing(Missing(item.DefaultRequest, most), item.Min) };
    }

    private static ApiMap<Quantity> Missing(ApiMap<Quantity> amounts, ApiMap<Quantity> others)
    {
        foreach (var (name, amount) in others)
        {
            if (!amounts.ContainsKey(name))
                amounts = amounts.With(name, amount);
        }
        return amounts;
    }
}
