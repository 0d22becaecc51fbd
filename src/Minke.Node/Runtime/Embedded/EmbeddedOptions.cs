namespace Minke.Node.Runtime.Embedded;

/// <summary>Where the embedded runtime keeps its things and which programs it uses.</summary>
public sealed record EmbeddedOptions
{
    /// <summary>Directory of what outlives a reboot: records of sandboxes and containers, their writable layers.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Directory of what ends with a reboot: pinned namespaces, sockets, the OCI runtime's own state.</summary>
    public required string RunDirectory { get; init; }

    /// <summary>Name of our root cgroup, e.g. <c>minke-1f3a</c>: different for every cluster on one machine.</summary>
    public required string CgroupRoot { get; init; }

    /// <summary>OCI runtimes by the handler names of RuntimeClasses, as paths; others are looked up on the search path by name.</summary>
    public IReadOnlyDictionary<string, string> Handlers { get; init; } = new Dictionary<string, string>();

    /// <summary>Handlers allowed beyond <see cref="Handlers"/>: known OCI runtimes taken from the search path.</summary>
    public IReadOnlyList<string> KnownHandlers { get; init; } = ["crun", "runc", "youki", "runsc", "kata-runtime"];

    /// <summary>Path of conmon; empty to look it up on the search path.</summary>
    public string ConmonPath { get; init; } = "";
}
