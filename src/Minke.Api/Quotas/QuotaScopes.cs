using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>The scopes of a ResourceQuota, which narrow it to some pods.</summary>
internal static class QuotaScopes
{
    public static bool Holds(ScopedResourceSelectorRequirement requirement, Pod pod) => requirement.ScopeName switch
    {
        ResourceQuotaScope.Terminating => pod.Spec.ActiveDeadlineSeconds is >= 0,
        ResourceQuotaScope.NotTerminating => pod.Spec.ActiveDeadlineSeconds is not >= 0,
        ResourceQuotaScope.BestEffort => PodQos.ClassOf(pod.Spec) == PodQOSClass.BestEffort,
        ResourceQuotaScope.NotBestEffort => PodQos.ClassOf(pod.Spec) != PodQOSClass.BestEffort,
        ResourceQuotaScope.CrossNamespacePodAffinity => NamesOtherNamespaces(pod.Spec.Affinity),
        ResourceQuotaScope.PriorityClass => HoldsClass(requirement, pod.Spec.PriorityClassName),
        _ => false,
    };

    private static bool HoldsClass(ScopedResourceSelectorRequirement requirement, string name) => requirement.Operator switch
    {
        ScopeSelectorOperator.Exists => name.Length > 0,
        ScopeSelectorOperator.DoesNotExist => name.Length == 0,
        ScopeSelectorOperator.In => name.Length > 0 && requirement.Values.Contains(name),
        ScopeSelectorOperator.NotIn => name.Length == 0 || !requirement.Values.Contains(name),
        _ => false,
    };

    private static bool NamesOtherNamespaces(Affinity? affinity) =>
        Terms(affinity?.PodAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default, affinity?.PodAffinity?.PreferredDuringSchedulingIgnoredDuringExecution ?? default)
            .Concat(Terms(affinity?.PodAntiAffinity?.RequiredDuringSchedulingIgnoredDuringExecution ?? default, affinity?.PodAntiAffinity?.PreferredDuringSchedulingIgnoredDuringExecution ?? default))
            .Any(term => !term.Namespaces.IsEmpty || term.NamespaceSelector is not null);

    private static IEnumerable<PodAffinityTerm> Terms(ApiList<PodAffinityTerm> required, ApiList<WeightedPodAffinityTerm> preferred) =>
        required.Concat(preferred.Select(weighted => weighted.PodAffinityTerm));
}
