using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>
/// The feature gates that <c>api/</c> names, as 1.32 sets them, but for what Minke does anyway. The fields of a gate that is off are dropped on
/// write, as upstream drops them, and each drop is told in a warning, as upstream does not.
/// </summary>
public static class FeatureGates
{
    private static readonly Dictionary<string, bool> IsOn = new(StringComparer.Ordinal)
    {
        ["ClusterTrustBundleProjection"] = false, // alpha
        ["CoordinatedLeaderElection"] = false, // alpha
        ["CrossNamespaceVolumeDataSource"] = false, // alpha
        ["DynamicResourceAllocation"] = false, // beta, off by default
        ["ImageVolume"] = true, // alpha upstream; the node mounts them
        ["InPlacePodVerticalScaling"] = false, // alpha
        ["InPlacePodVerticalScalingAllocatedStatus"] = false, // deprecated, off
        ["PodLevelResources"] = false, // alpha
        ["PodLifecycleSleepAction"] = true, // beta
        ["PodLogsQuerySplitStreams"] = false, // alpha
        ["RecoverVolumeExpansionFailure"] = true, // beta
        ["RecursiveReadOnlyMounts"] = true, // beta
        ["ResourceHealthStatus"] = false, // alpha
        ["SELinuxChangePolicy"] = false, // alpha
        ["ServiceTrafficDistribution"] = true, // beta
        ["SidecarContainers"] = true, // beta
        ["SupplementalGroupsPolicy"] = false, // alpha
        ["UserNamespacesSupport"] = false, // beta, off by default
        ["VolumeAttributesClass"] = false, // beta, off by default
    };

    /// <summary>Names of the schema; one unknown here is on, several separated by commas are on when one is.</summary>
    public static bool IsEnabled(string gate) =>
        gate.Length == 0 || gate.Split(',').Any(name => IsOn.GetValueOrDefault(name, true));

    /// <summary>Without the fields of gates that are off, and what those were.</summary>
    internal static PodSpec Drop(PodSpec spec, FieldPath path, List<string>? warnings = null)
    {
        void Tell(bool isSet, FieldPath at, string gate)
        {
            if (isSet)
                warnings?.Add($"{at}: dropped, feature gate {gate} is off");
        }
        Container OfContainer(Container container, FieldPath at)
        {
            Tell(!container.ResizePolicy.IsEmpty, at.Child("resizePolicy"), "InPlacePodVerticalScaling");
            Tell(!container.Resources.Claims.IsEmpty, at.Child("resources").Child("claims"), "DynamicResourceAllocation");
            return container.ResizePolicy.IsNull && container.Resources.Claims.IsNull
                ? container : container with { ResizePolicy = default, Resources = container.Resources with { Claims = default } };
        }
        ApiList<Container> OfContainers(ApiList<Container> containers, FieldPath at)
        {
            var index = 0;
            return containers.Map(container => OfContainer(container, at.Index(index++)));
        }

        Tell(!spec.ResourceClaims.IsEmpty, path.Child("resourceClaims"), "DynamicResourceAllocation");
        Tell(spec.Resources is not null, path.Child("resources"), "PodLevelResources");
        Tell(spec.SecurityContext?.SupplementalGroupsPolicy is not null, path.Child("securityContext").Child("supplementalGroupsPolicy"), "SupplementalGroupsPolicy");
        Tell(spec.SecurityContext?.SeLinuxChangePolicy is not null, path.Child("securityContext").Child("seLinuxChangePolicy"), "SELinuxChangePolicy");
        var volume = 0;
        return spec with
        {
            ResourceClaims = default,
            Resources = null,
            SecurityContext = spec.SecurityContext is { } context ? context with { SupplementalGroupsPolicy = null, SeLinuxChangePolicy = null } : null,
            Containers = OfContainers(spec.Containers, path.Child("containers")),
            InitContainers = OfContainers(spec.InitContainers, path.Child("initContainers")),
            Volumes = spec.Volumes.Map(one =>
            {
                var at = path.Child("volumes").Index(volume++);
                if (one.Projected is null || one.Projected.Sources.All(source => source.ClusterTrustBundle is null))
                    return one;
                Tell(true, at.Child("projected").Child("sources").Child("clusterTrustBundle"), "ClusterTrustBundleProjection");
                return one with { Projected = one.Projected with { Sources = one.Projected.Sources.Map(source => source with { ClusterTrustBundle = null }) } };
            }),
        };
    }
}
