using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>What is mounted in a container, in order: the kernel's file systems, the pod's shared files, then what the pod asks.</summary>
internal static class ContainerMounts
{
    public static IReadOnlyList<BundleMount> For(
        SandboxRecord sandbox, ContainerConfig config, EmbeddedFiles files, Func<ContainerMount, string> mountImage, IReadOnlyList<BundleMount> imageVolumes)
    {
        var isPrivileged = config.Security.Privileged;
        var system = isPrivileged ? "rw" : "ro";
        List<BundleMount> mounts =
        [
            new("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
            new("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            new("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
            new("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            new("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", system),
            new("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", system),
            new("/dev/shm", "bind", sandbox.Config.Ipc == NamespaceMode.Node ? "/dev/shm" : files.SharedMemory(sandbox.Id),
                "rbind", "rprivate", "nosuid", "nodev", "noexec", "rw"),
        ];
        var asked = config.Mounts.Select(mount => Normalize(mount.ContainerPath)).ToHashSet(StringComparer.Ordinal);
        mounts.RemoveAll(mount => asked.Contains(mount.Destination));
        foreach (var name in (string[])["hosts", "hostname", "resolv.conf"])
        {
            if (!asked.Contains($"/etc/{name}"))
                mounts.Add(new BundleMount($"/etc/{name}", "bind", files.Shared(sandbox.Id, name),
                    "rbind", "rprivate", config.Security.ReadOnlyRootFilesystem ? "ro" : "rw"));
        }
        mounts.AddRange(imageVolumes);
        // Parents before what is mounted inside them; the order given decides between equals.
        foreach (var mount in config.Mounts.OrderBy(mount => Normalize(mount.ContainerPath).Count(c => c == '/')))
            mounts.Add(Make(mount, mountImage));
        return mounts;
    }

    private static BundleMount Make(ContainerMount mount, Func<ContainerMount, string> mountImage)
    {
        var source = mount.HostPath;
        if (mount.ImageId is not null)
            source = mountImage(mount);
        else if (!Path.Exists(source))
            Directory.CreateDirectory(source); // containerd does; the kubelet has checked what a hostPath's type demands

        var isReadOnly = mount.IsReadOnly || mount.ImageId is not null;
        var propagation = mount.Propagation switch
        {
            MountPropagation.HostToContainer => "rslave",
            MountPropagation.Bidirectional => "rshared",
            _ => "rprivate",
        };
        if (mount.Propagation != MountPropagation.Private)
            RequirePropagation(source, mount.Propagation);
        return new BundleMount(Normalize(mount.ContainerPath), "bind", source,
            "rbind", propagation, !isReadOnly ? "rw" : mount.IsRecursiveReadOnly ? "rro" : "ro");
    }

    private static void RequirePropagation(string path, MountPropagation propagation)
    {
        var real = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        var mount = Mounts.List().Where(mount => mount.MountPoint == "/" || real == mount.MountPoint
                || real.StartsWith(mount.MountPoint + "/", StringComparison.Ordinal))
            .MaxBy(mount => mount.MountPoint.Length)!;
        var isFine = mount.IsShared || (propagation == MountPropagation.HostToContainer && mount.IsSlave);
        if (!isFine)
            throw new RuntimeException(
                $"path \"{path}\" is mounted on \"{mount.MountPoint}\" but it is not a shared{(propagation == MountPropagation.HostToContainer ? " or slave" : "")} mount")
            { Reason = "CreateContainerError" };
    }

    private static string Normalize(string path) => Path.GetFullPath(path, "/") is { Length: > 1 } full ? full.TrimEnd('/') : "/";
}
