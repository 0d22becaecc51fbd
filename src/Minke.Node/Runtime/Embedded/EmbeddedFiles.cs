namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// Where everything is.
/// <code>
/// STATE/sandboxes/ID/   sandbox.json  hosts  resolv.conf  hostname
/// STATE/containers/ID/  container.json  status.json  config.json (the bundle is this directory)  upper/ work/
///                       rootfs/ (overlay mount)  image-N/ (image mounts)  pid  conmon.pid  attach  ctl (conmon's)
/// STATE/seccomp/        compiled filters, by the hash of what they were made from
/// RUN/ns/ID/            ipc, uts: bind mounts of namespaces
/// RUN/shm/ID/           tmpfs
/// RUN/oci/HANDLER/      the OCI runtime's state
/// RUN/exits/            exit codes, written by conmon
/// RUN/bin/              the OCI runtime, bound read-only
/// </code>
/// </summary>
internal sealed class EmbeddedFiles(string state, string run)
{
    public string Sandboxes { get; } = $"{state}/sandboxes";
    public string Containers { get; } = $"{state}/containers";
    public string Seccomp { get; } = $"{state}/seccomp";
    public string Exits { get; } = $"{run}/exits";
    public string Programs { get; } = $"{run}/bin";
    public string Namespaces { get; } = $"{run}/ns";
    public string SharedMemories { get; } = $"{run}/shm";
    public string State => state;
    public string Run => run;

    public string Sandbox(SandboxId id) => $"{Sandboxes}/{id.Value}";
    public string Sandbox(SandboxId id, string file) => $"{Sandboxes}/{id.Value}/{file}";
    public string Container(ContainerId id) => $"{Containers}/{id.Value}";
    public string Container(ContainerId id, string file) => $"{Containers}/{id.Value}/{file}";
    public string Namespace(SandboxId id, string kind) => $"{Namespaces}/{id.Value}/{kind}";
    public string SharedMemory(SandboxId id) => $"{SharedMemories}/{id.Value}";
    public string Exit(ContainerId id) => $"{Exits}/{id.Value}";
    public string OciRoot(string handler) => $"{run}/oci/{handler}";

    public void Prepare()
    {
        foreach (var directory in (string[])[Sandboxes, Containers, Seccomp, Exits, Programs, Namespaces, SharedMemories])
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
    }

    /// <summary>
    /// Replaces a file at once. A crash of this process leaves the old or the new one; a crash of the machine may leave neither, which
    /// counts as "not there": nothing recorded here means anything after a reboot that is not checked first.
    /// </summary>
    public static void WriteAtomically(string path, ReadOnlySpan<byte> content)
    {
        var next = $"{path}.next";
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
            file.Write(content);
        File.Move(next, path, overwrite: true);
    }
}
