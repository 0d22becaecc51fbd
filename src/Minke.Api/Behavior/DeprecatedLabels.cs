namespace Minke.Api;

/// <summary>Labels of nodes that have other names now. (pkg/api/node)</summary>
internal static class DeprecatedLabels
{
    public static string? Replacement(string label) => label switch
    {
        "failure-domain.beta.kubernetes.io/zone" => Since("1.17", "topology.kubernetes.io/zone"),
        "failure-domain.beta.kubernetes.io/region" => Since("1.17", "topology.kubernetes.io/region"),
        "beta.kubernetes.io/instance-type" => Since("1.17", "node.kubernetes.io/instance-type"),
        "beta.kubernetes.io/os" => Since("1.14", "kubernetes.io/os"),
        "beta.kubernetes.io/arch" => Since("1.14", "kubernetes.io/arch"),
        _ => null,
    };

    private static string Since(string version, string label) => $"deprecated since v{version}; use \"{label}\" instead";
}
