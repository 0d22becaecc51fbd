using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What one object costs under a ResourceQuota. (pkg/quota/v1/evaluator/core)</summary>
public static class QuotaUsage
{
    private const string StorageClassSuffix = ".storageclass.storage.k8s.io/";
    private const string StorageClassAnnotation = "volume.beta.kubernetes.io/storage-class";

    // Counted under their plain names as well as under count/.
    private static readonly HashSet<string> PlainCounts =
        ["configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services"];

    private static readonly string[] PlainCompute = ["cpu", "memory", "ephemeral-storage"];

    /// <summary>By resource name, everything a quota could bound.</summary>
    /// <param name="value">A namespaced object.</param>
    /// <param name="now">A pod past its deletion grace no longer counts.</param>
    public static Dictionary<string, Quantity> Of(IKubeObject value, DateTimeOffset now)
    {
        var kind = value.Info;
        var usage = new Dictionary<string, Quantity>(StringComparer.Ordinal)
        {
            [kind.Group.Length == 0 ? "count/" + kind.Plural : $"count/{kind.Plural}.{kind.Group}"] = new(1),
        };
        if (kind.Group.Length > 0)
            return usage;
        if (PlainCounts.Contains(kind.Plural))
            usage[kind.Plural] = new(1);
        switch (value)
        {
            case Pod pod when IsCounted(pod, now):
                AddPod(usage, pod);
                break;
            case Service service:
                AddService(usage, service);
                break;
            case PersistentVolumeClaim claim:
                AddClaim(usage, claim);
                break;
            default:
                break;
        }
        return usage;
    }

    /// <summary>Whether the quota's scopes hold the object.</summary>
    public static bool IsInScope(ResourceQuota quota, IKubeObject value)
    {
        var isPod = value is Pod;
        foreach (var scope in quota.Spec.Scopes)
        {
            if (!isPod || !QuotaScopes.Holds(new() { ScopeName = scope, Operator = ScopeSelectorOperator.Exists }, (Pod)value))
                return false;
        }
        foreach (var requirement in quota.Spec.ScopeSelector?.MatchExpressions ?? default)
        {
            if (!isPod || !QuotaScopes.Holds(requirement, (Pod)value))
                return false;
        }
        return true;
    }

    /// <summary>Compute resources that a quota bounds and a pod leaves open, with the containers that do; empty when it says all. Upstream's text.</summary>
    public static string Unsaid(IEnumerable<string> bounded, Pod pod)
    {
        var missing = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        var resources = bounded.Where(IsRequired).ToHashSet(StringComparer.Ordinal);
        foreach (var container in pod.Spec.Containers.Concat(pod.Spec.InitContainers))
        {
            foreach (var resource in resources.Where(resource => !Says(container, resource)))
            {
                if (!missing.TryGetValue(resource, out var containers))
                    missing[resource] = containers = new(StringComparer.Ordinal);
                containers.Add(container.Name);
            }
        }
        return missing.Count == 0 ? "" : "must specify " + string.Join("; ", missing.Select(pair => $"{pair.Key} for: {string.Join(',', pair.Value)}"));
    }

    private static bool IsRequired(string resource) =>
        PlainCompute.Contains(resource) || resource.StartsWith("limits.", StringComparison.Ordinal)
        || (resource.StartsWith("requests.", StringComparison.Ordinal) && PlainCompute.Contains(resource["requests.".Length..]));

    private static bool Says(Container container, string resource) =>
        resource.StartsWith("limits.", StringComparison.Ordinal) ? container.Resources.Limits.ContainsKey(resource["limits.".Length..])
        : container.Resources.Requests.ContainsKey(resource.StartsWith("requests.", StringComparison.Ordinal) ? resource["requests.".Length..] : resource);

    /// <summary>A pod that is over, or should have been gone by now, uses nothing.</summary>
    private static bool IsCounted(Pod pod, DateTimeOffset now) => pod.Status.Phase is not (PodPhase.Succeeded or PodPhase.Failed)
        && !(pod.Metadata.DeletionTimestamp is { } due && now > due.ToDateTimeOffset());

    private static void AddPod(Dictionary<string, Quantity> usage, Pod pod)
    {
        usage["pods"] = new(1);
        foreach (var (name, amount) in PodResources.Requests(pod))
        {
            if (PlainCompute.Contains(name) || name.StartsWith("hugepages-", StringComparison.Ordinal))
                usage[name] = amount;
            usage["requests." + name] = amount;
        }
        foreach (var (name, amount) in PodResources.Limits(pod))
        {
            if (PlainCompute.Contains(name))
                usage["limits." + name] = amount;
        }
    }

    private static void AddService(Dictionary<string, Quantity> usage, Service service)
    {
        var ports = service.Spec.Ports.Count;
        var hasNodePorts = service.Spec.AllocateLoadBalancerNodePorts ?? true;
        usage["services.nodeports"] = service.Spec.Type switch
        {
            ServiceType.NodePort => new(ports),
            ServiceType.LoadBalancer => new(hasNodePorts ? ports : service.Spec.Ports.Count(port => port.NodePort != 0)),
            _ => new(0),
        };
        usage["services.loadbalancers"] = new(service.Spec.Type == ServiceType.LoadBalancer ? 1 : 0);
    }

    private static void AddClaim(Dictionary<string, Quantity> usage, PersistentVolumeClaim claim)
    {
        var @class = claim.Metadata.Annotations.GetValueOrDefault(StorageClassAnnotation) ?? claim.Spec.StorageClassName ?? "";
        if (@class.Length > 0)
            usage[@class + StorageClassSuffix + "persistentvolumeclaims"] = new(1);
        if (!claim.Spec.Resources.Requests.TryGetValue("storage", out var asked))
            return;
        usage["requests.storage"] = asked;
        if (@class.Length > 0)
            usage[@class + StorageClassSuffix + "requests.storage"] = asked;
    }
}
