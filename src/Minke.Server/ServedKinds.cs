using Minke.Api;

namespace Minke.Server;

/// <summary>Which of the built-in kinds a server offers: those that something in Minke acts on. Discovery shows no others.</summary>
public static class ServedKinds
{
    private static readonly HashSet<string> Groups =
    [
        "v1", "coordination.k8s.io/v1", "events.k8s.io/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1", "scheduling.k8s.io/v1",
        "node.k8s.io/v1", "metrics.k8s.io/v1beta1",
        "rbac.authorization.k8s.io/v1", "certificates.k8s.io/v1", "apiextensions.k8s.io/v1", "admissionregistration.k8s.io/v1",
        "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "policy/v1", "discovery.k8s.io/v1",
        "networking.k8s.io/v1", "storage.k8s.io/v1", "flowcontrol.apiserver.k8s.io/v1",
        "apiregistration.k8s.io/v1",
    ];

    public static IReadOnlyList<KindInfo> Default { get; } = [.. Kinds.All.Where(kind => Groups.Contains(kind.ApiVersion))];
}
