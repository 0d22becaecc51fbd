namespace Minke.Server.Registry;

/// <summary>
/// In which order groups are told: clients that are asked for a resource by a name that several groups have take the first. (Upstream's
/// <c>groupPriorityMinimum</c> of what is built in.)
/// </summary>
internal static class GroupPriorities
{
    /// <summary>Of the groups of custom resources.</summary>
    public const int Custom = 1000;

    private const int Core = 18000;
    private const int CustomVersion = 100;

    private static readonly Dictionary<string, int> BuiltIn = new(StringComparer.Ordinal)
    {
        // Beside core, though told before everybody.
        ["apiregistration.k8s.io"] = 18000,
        ["apps"] = 17800,
        ["events.k8s.io"] = 17750,
        ["authentication.k8s.io"] = 17700,
        ["authorization.k8s.io"] = 17600,
        ["autoscaling"] = 17500,
        ["batch"] = 17400,
        ["certificates.k8s.io"] = 17300,
        ["networking.k8s.io"] = 17200,
        ["policy"] = 17100,
        ["rbac.authorization.k8s.io"] = 17000,
        ["storage.k8s.io"] = 16800,
        ["admissionregistration.k8s.io"] = 16700,
        ["apiextensions.k8s.io"] = 16700,
        ["scheduling.k8s.io"] = 16600,
        ["coordination.k8s.io"] = 16500,
        ["node.k8s.io"] = 16300,
        ["discovery.k8s.io"] = 16200,
        ["flowcontrol.apiserver.k8s.io"] = 16100,
        ["resource.k8s.io"] = 15900,
        ["metrics.k8s.io"] = 100,
    };

    public static int Of(string group) => group.Length == 0 ? Core : BuiltIn.GetValueOrDefault(group, Custom);

    /// <summary>Among those of its group: upstream's <c>versionPriority</c>. Those of custom kinds go by their names alone.</summary>
    public static int OfVersion(string group, string version, bool isCustom) => (group, version) switch
    {
        _ when isCustom => CustomVersion,
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        ("flowcontrol.apiserver.k8s.io", "v1") => 21,
        ("metrics.k8s.io", _) => 100,
        (_, "v1") => 15,
        _ => 9,
    };
}
