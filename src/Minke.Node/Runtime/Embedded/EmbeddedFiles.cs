using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// Where everything is.
/// <code>
/// STATE/sandboxes/ID/   sandbox.json  init/ (the bundle of a shared PID namespace's init)
/// STATE/containers/ID/  container.json  status.json (once it has ended)  upper/ work/ (its writable layer)
/// STATE/trash/          what is being deleted
/// STATE/seccomp/        compiled filters, by the hash of what they were made from
/// RUN/bundles/ID/       config.json  rootfs/ (overlay mount)  image-N/ (image mounts)  status.json (while it runs)
///                       pid  conmon.pid  attach  ctl (conmon's)
/// RUN/shared/ID/        hosts  resolv.conf  hostname: of a sandbox, for all its containers
/// RUN/ns/ID/            a mount, and in it ipc, uts: bind mounts of namespaces, and shm/: a tmpfs
/// RUN/oci/HANDLER/      the OCI runtime's state
/// RUN/exits/            exit codes, written by conmon
/// RUN/exec/             one directory for each command being executed
/// RUN/bin/              the OCI runtime, bound read-only
/// </code>
/// </summary>
/// <remarks>
/// RUN is a tmpfs. Where the machine has none there we mount one: what is in it must not outlive a reboot, and a start writes some
/// twenty small files whose places in a disk's journal would wait for everybody else's fsync. The mount is shared, so that
/// what is unmounted in it goes from copies of our mount namespace as well. Only root may look inside: a setuid program that a
/// container made could be run from its root file system by anybody on the machine, and bundles hold values of Secrets.
/// </remarks>
internal sealed class EmbeddedFiles(string state, string run)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public string Sandboxes { get; } = $"{state}/sandboxes";
    public string Containers { get; } = $"{state}/containers";
    public string Seccomp { get; } = $"{state}/seccomp";
    public string Trash { get; } = $"{state}/trash";
    public string Shareds { get; } = $"{run}/shared";
    public string Bundles { get; } = $"{run}/bundles";
    public string Execs { get; } = $"{run}/exec";
    public string Exits { get; } = $"{run}/exits";
    public string Programs { get; } = $"{run}/bin";
    public string Namespaces { get; } = $"{run}/ns";

    public string Sandbox(SandboxId id) => $"{Sandboxes}/{id.Value}";
    public string Sandbox(SandboxId id, string file) => $"{Sandboxes}/{id.Value}/{file}";
    public string Container(ContainerId id) => $"{Containers}/{id.Value}";
    public string Container(ContainerId id, string file) => $"{Containers}/{id.Value}/{file}";
    public string Shared(SandboxId id) => $"{Shareds}/{id.Value}";
    public string Shared(SandboxId id, string file) => $"{Shareds}/{id.Value}/{file}";
    public string Bundle(ContainerId id) => $"{Bundles}/{id.Value}";
    public string Bundle(ContainerId id, string file) => $"{Bundles}/{id.Value}/{file}";
    public string Namespace(SandboxId id, string kind) => $"{Namespaces}/{id.Value}/{kind}";
    public string PinsOf(SandboxId id) => $"{Namespaces}/{id.Value}";
    public string SharedMemory(SandboxId id) => $"{Namespaces}/{id.Value}/shm";
    public string Exit(ContainerId id) => $"{Exits}/{id.Value}";
    public string OciRoot(string handler) => $"{run}/oci/{handler}";

    public void Prepare()
    {
        Directory.CreateDirectory(run);
        if (!FileSystems.IsTmpfs(run))
        {
            Mounts.Mount("minke", run, "tmpfs", MountFlags.MS_NOSUID | MountFlags.MS_NODEV, "mode=0700");
            Mounts.Mount("none", run, null, MountFlags.MS_SHARED);
        }
        File.SetUnixFileMode(run, OwnerOnly); // also where a tmpfs was there already
        foreach (var directory in (string[])[Sandboxes, Containers, Trash, Seccomp, Shareds, Bundles, Execs, Exits, Programs, Namespaces])
            Directory.CreateDirectory(directory, OwnerOnly);
    }

    /// <summary>Removes what ends with a reboot.</summary>
    public void RemoveRun()
    {
        if (Mounts.List().Any(mount => mount.MountPoint == run))
            Mounts.Unmount(run);
        Directory.Delete(run, recursive: true);
    }

    /// <summary>
    /// Replaces a file at once. A crash of this process leaves the old or the new one; a crash of the machine may leave neither, which
    /// counts as "not there": nothing recorded here means anything after a reboot that is not checked first. Only root may read it:
    /// a container's environment is in it, with values of Secrets.
    /// </summary>
    public static void WriteAtomically(string path, ReadOnlySpan<byte> content)
    {
        var next = $"{path}.next";
        File.Delete(next); // what a crash left keeps its mode
        using (var file = new FileStream(next, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            file.Write(content);
        }
        File.Move(next, path, overwrite: true);
    }
}
