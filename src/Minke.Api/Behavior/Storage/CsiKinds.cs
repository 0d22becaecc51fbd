using Minke.Api.Storage.V1;

namespace Minke.Api;

/// <summary>What a CSIDriver does beyond its fields. (pkg/registry/storage/csidriver/strategy.go)</summary>
internal sealed class CSIDriverKind : KindBehavior<CSIDriver>
{
    public override CSIDriver Default(CSIDriver driver) => driver.Spec.VolumeLifecycleModes.IsEmpty
        ? driver with { Spec = driver.Spec with { VolumeLifecycleModes = [VolumeLifecycleMode.Persistent] } } : driver;

    /// <summary>It begins without a generation and counts what may change.</summary>
    public override CSIDriver PrepareForUpdate(CSIDriver driver, CSIDriver old)
    {
        var (now, then) = (driver.Spec, old.Spec);
        var isSame = now.RequiresRepublish == then.RequiresRepublish && now.SeLinuxMount == then.SeLinuxMount
            && now.TokenRequests.Count == then.TokenRequests.Count && now.TokenRequests.Zip(then.TokenRequests).All(pair => Json.Same(pair.First, pair.Second));
        return isSame ? driver : driver with { Metadata = driver.Metadata with { Generation = old.Metadata.Generation + 1 } };
    }

    public override void Validate(CSIDriver driver, CSIDriver? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(driver.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(driver.Metadata, old.Metadata, errors);
        CsiRules.ValidateDriver(driver.Spec, "spec", errors);
        if (old is null)
            return;
        if (driver.Spec.AttachRequired != old.Spec.AttachRequired)
            errors.Invalid("spec.attachedRequired", driver.Spec.AttachRequired, "field is immutable");
        if (!driver.Spec.VolumeLifecycleModes.SequenceEqual(old.Spec.VolumeLifecycleModes))
        {
            errors.Invalid("spec.volumeLifecycleModes",
                new GoText($"[]storage.VolumeLifecycleMode{{{string.Join(", ", driver.Spec.VolumeLifecycleModes.Select(FieldErrors.Quote))}}}"), "field is immutable");
        }
    }
}

/// <summary>What a CSINode does beyond its fields.</summary>
internal sealed class CSINodeKind : KindBehavior<CSINode>
{
    public override void Validate(CSINode node, CSINode? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(node.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        CsiRules.ValidateNodeDrivers(node.Spec.Drivers, "spec.drivers", errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(node.Metadata, old.Metadata, errors);
        foreach (var before in old.Spec.Drivers)
        {
            foreach (var driver in node.Spec.Drivers)
            {
                if (driver.Name == before.Name && !Json.Same(driver, before))
                    errors.Invalid("spec.drivers", CsiRules.Show(driver), "field is immutable");
            }
        }
    }
}

/// <summary>What a CSIStorageCapacity does beyond its fields.</summary>
internal sealed class CSIStorageCapacityKind : KindBehavior<CSIStorageCapacity>
{
    public override void Validate(CSIStorageCapacity value, CSIStorageCapacity? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        SchedulingRules.ValidateLabelSelector(value.NodeTopology, "nodeTopology", errors);
        PodRules.Each(Names.Dns1123Subdomain(value.StorageClassName), "storageClassName", value.StorageClassName, errors);
        if (value.Capacity is { } capacity)
            ResourceRules.NonNegative(capacity, "capacity", errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
        if (!Json.Same(value.NodeTopology, old.NodeTopology))
            errors.Invalid("nodeTopology", GoSelectors.Show(value.NodeTopology), "field is immutable");
        if (value.StorageClassName != old.StorageClassName)
            errors.Invalid("storageClassName", value.StorageClassName, "field is immutable");
    }

    public override IEnumerable<string> Warnings(CSIStorageCapacity value, CSIStorageCapacity? old)
    {
        var expressions = value.NodeTopology?.MatchExpressions ?? default;
        for (var i = 0; i < expressions.Count; i++)
        {
            if (DeprecatedLabels.Replacement(expressions[i].Key) is { } message)
                yield return $"{new FieldPath("nodeTopology.matchExpressions").Index(i).Child("key")}: {expressions[i].Key} is {message}";
        }
        foreach (var label in (value.NodeTopology?.MatchLabels ?? default).Keys)
        {
            if (DeprecatedLabels.Replacement(label) is { } message)
                yield return $"nodeTopology.matchLabels.{label}: {message}";
        }
    }
}
