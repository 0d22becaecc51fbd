using System.Net;
using Minke.Api.Core.V1;
using NodeObject = Minke.Api.Core.V1.Node; // "Node" alone is the namespace of node.k8s.io here.

namespace Minke.Api;

/// <summary>What a Node does beyond its fields. (pkg/registry/core/node/strategy.go)</summary>
internal sealed class NodeKind : KindBehavior<NodeObject>
{
    public override NodeObject Default(NodeObject node)
    {
        // The two names of the range agree: the list is what counts, its first the other.
        var spec = node.Spec switch
        {
            { PodCIDR.Length: > 0, PodCIDRs.IsEmpty: true } one => one with { PodCIDRs = [one.PodCIDR] },
            { PodCIDR.Length: 0, PodCIDRs.IsEmpty: false } many => many with { PodCIDR = many.PodCIDRs[0] },
            var as_is => as_is,
        };
        var (capacity, allocatable) = (PodDefaults.Rounded(node.Status.Capacity), PodDefaults.Rounded(node.Status.Allocatable));
        return node with
        {
            Spec = spec,
            Status = node.Status with { Capacity = capacity, Allocatable = allocatable.IsEmpty ? capacity : allocatable },
        };
    }

    public override NodeObject PrepareForUpdate(NodeObject node, NodeObject old) => node with { Status = old.Status };

    public override NodeObject PrepareForStatusUpdate(NodeObject node, NodeObject old) => node with { Spec = old.Spec };

    public override void Validate(NodeObject node, NodeObject? old, FieldErrors errors)
    {
        if (old is null)
        {
            ObjectMetaRules.Validate(node.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
            ValidateTaints(node.Spec.Taints, errors);
            ValidateAmounts(node, errors);
            ValidateRanges(node.Spec.PodCIDRs, "spec.podCIDRs", errors);
            return;
        }
        ValidateUpdate(node, old, errors);
    }

    public override void ValidateStatus(NodeObject node, NodeObject old, FieldErrors errors) => ValidateUpdate(node, old, errors);

    public override IEnumerable<string> Warnings(NodeObject node, NodeObject? old)
    {
        if (node.Spec.ConfigSource is not null)
            yield return "spec.configSource: the feature is removed";
        if (node.Spec.ExternalID.Length > 0)
            yield return "spec.externalID: this field is deprecated, and is unused by Kubernetes";
    }

    private static void ValidateUpdate(NodeObject node, NodeObject old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(node.Metadata, old.Metadata, errors);
        ValidateAmounts(node, errors);
        for (var i = 0; i < node.Status.Addresses.Count; i++)
        {
            var address = node.Status.Addresses[i];
            if (node.Status.Addresses.Take(i).Any(other => Json.Same(other, address)))
                errors.Duplicate(new FieldPath("status.addresses").Index(i), new GoText($"core.NodeAddress{{Type:{FieldErrors.Quote(address.Type)}, Address:{FieldErrors.Quote(address.Address)}}}"));
        }
        if (!old.Spec.PodCIDRs.IsEmpty && !old.Spec.PodCIDRs.SequenceEqual(node.Spec.PodCIDRs))
            errors.Forbidden("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid");
        if (old.Spec.ProviderID.Length > 0 && old.Spec.ProviderID != node.Spec.ProviderID)
            errors.Forbidden("spec.providerID", "node updates may not change providerID except from \"\" to valid");
        ValidateTaints(node.Spec.Taints, errors);
    }

    private static void ValidateTaints(ApiList<Taint> taints, FieldErrors errors)
    {
        // The path is upstream's, though taints are no metadata.
        FieldPath path = "metadata.taints";
        var seen = new HashSet<(string, string)>();
        for (var i = 0; i < taints.Count; i++)
        {
            var (taint, at) = (taints[i], path.Index(i));
            PodRules.Each(Names.QualifiedName(taint.Key), at.Child("key"), taint.Key, errors);
            if (string.Join(';', Names.LabelValue(taint.Value)) is { Length: > 0 } wrong)
                errors.Invalid(at.Child("value"), taint.Value, wrong);
            if (taint.Effect.Length == 0)
                errors.Required(at.Child("effect"));
            else if (!SchedulingRules.TaintEffects.Contains(taint.Effect))
                errors.NotSupported(at.Child("effect"), taint.Effect, SchedulingRules.TaintEffects);
            if (!seen.Add((taint.Key, taint.Effect)))
            {
                errors.Duplicate(at, new GoText($"core.Taint{{Key:{FieldErrors.Quote(taint.Key)}, Value:{FieldErrors.Quote(taint.Value)}, Effect:{FieldErrors.Quote(taint.Effect)}, TimeAdded:<nil>}}"),
                    "taints must be unique by key and effect pair");
            }
        }
    }

    private static void ValidateAmounts(NodeObject node, FieldErrors errors)
    {
        foreach (var (name, amount) in node.Status.Capacity)
            ResourceRules.ValidateAmount(name, amount, new FieldPath("status.capacity").Child(name), errors);
        foreach (var (name, amount) in node.Status.Allocatable)
            ResourceRules.ValidateAmount(name, amount, new FieldPath("status.allocatable").Child(name), errors);
    }

    private static void ValidateRanges(ApiList<string> ranges, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < ranges.Count; i++)
        {
            if (!ranges[i].Contains('/', StringComparison.Ordinal) || !IPNetwork.TryParse(ranges[i], out _))
                errors.Invalid(path.Index(i), ranges[i], "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
        if (ranges.Count > 2 || (ranges.Count == 2 && ranges[0].Contains(':', StringComparison.Ordinal) == ranges[1].Contains(':', StringComparison.Ordinal)))
            errors.Invalid(path, ranges, "may specify no more than one CIDR for each IP family");
        for (var i = 1; i < ranges.Count; i++)
        {
            if (ranges.Take(i).Contains(ranges[i]))
                errors.Duplicate(path.Index(i), ranges[i]);
        }
    }
}
