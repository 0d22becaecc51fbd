using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Flags of mount(2), with the kernel's names (linux/mount.h).</summary>
[Flags]
internal enum MountFlags : ulong
{
    None = 0,
    MS_RDONLY = 1,
    MS_NOSUID = 2,
    MS_NODEV = 4,
    MS_NOEXEC = 8,
    MS_REMOUNT = 32,
    MS_BIND = 4096,
    MS_REC = 16384,
    MS_PRIVATE = 1 << 18,
    MS_SLAVE = 1 << 19,
    MS_SHARED = 1 << 20,
}

/// <summary>One line of /proc/self/mountinfo.</summary>
internal sealed record MountEntry(string Root, string MountPoint, string Options, string OptionalFields, string FileSystem, string SuperOptions)
{
    public bool IsShared => OptionalFields.Contains("shared:", StringComparison.Ordinal);
    public bool IsSlave => OptionalFields.Contains("master:", StringComparison.Ordinal);
}

/// <summary>Mounting and unmounting.</summary>
internal static partial class Mounts
{
    private const int MNT_DETACH = 2;
    private const int AT_FDCWD = -100;
    private const uint FSOPEN_CLOEXEC = 1;
    private const uint FSMOUNT_CLOEXEC = 1;
    private const uint FSCONFIG_SET_FLAG = 0;
    private const uint FSCONFIG_SET_STRING = 1;
    private const uint FSCONFIG_CMD_CREATE = 6;
    private const uint MOVE_MOUNT_F_EMPTY_PATH = 4;
    private const int MaxMountData = 4000;

    public static void Mount(string source, string target, string? type, MountFlags flags, string? data = null) =>
        LinuxException.Check(MountNative(source, target, type, (ulong)flags, data), $"mount {type ?? "bind"} {source} on {target}");

    public static void Bind(string source, string target, MountFlags extra = MountFlags.None) =>
        Mount(source, target, null, MountFlags.MS_BIND | extra);

    /// <summary>Detaches a mount. What is not mounted is fine.</summary>
    public static void Unmount(string target)
    {
        if (UnmountNative(target, MNT_DETACH) == 0)
            return;
        if (Marshal.GetLastPInvokeError() is not (Errno.EINVAL or Errno.ENOENT))
            throw LinuxException.Last($"unmount {target}");
    }

    /// <summary>
    /// Mounts layers over each other, <paramref name="lower"/> lowest first. Without <paramref name="upper"/> the mount is read-only.
    /// </summary>
    /// <remarks>
    /// The writable mount is <c>volatile</c>: nothing in it is meant to outlive a crash of the machine, so neither the
    /// container's fsync nor the unmount waits for the disk.
    /// </remarks>
    public static void Overlay(IReadOnlyList<string> lower, string? upper, string? work, string target)
    {
        if (upper is null && lower.Count == 1)
        {
            Bind(lower[0], target);
            Mount("none", target, null, MountFlags.MS_BIND | MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY);
            return;
        }
        var data = $"lowerdir={string.Join(':', lower.Reverse().Select(Escape))}";
        if (upper is not null)
            data += $",upperdir={Escape(upper)},workdir={Escape(work!)},volatile";
        if (data.Length <= MaxMountData)
            Mount("overlay", target, "overlay", MountFlags.None, data);
        else
            OverlayByParts(lower, upper, work, target);
    }

    /// <summary>
    /// A cgroup hierarchy (v1) that is mounted nowhere: the descriptor alone keeps it. The first one with these options makes the
    /// hierarchy; a later one finds it.
    /// </summary>
    public static SafeFileHandle CgroupHierarchy(IReadOnlyList<string> flags, string? name)
    {
        var what = $"open cgroup hierarchy {string.Join(',', flags)}{name}";
        using var context = OpenContext("cgroup", what);
        Configure(context, FSCONFIG_SET_STRING, "source", "minke", what);
        foreach (var flag in flags)
            Configure(context, FSCONFIG_SET_FLAG, flag, null, what);
        if (name is not null)
            Configure(context, FSCONFIG_SET_STRING, "name", name, what);
        return Create(context, what);
    }

    /// <summary>The mounts this process sees, in the order they were made.</summary>
    public static IEnumerable<MountEntry> List()
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            // 36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue
            var parts = line.Split(' ');
            var dash = Array.IndexOf(parts, "-", 6);
            if (dash > 0 && parts.Length > dash + 3)
                yield return new MountEntry(Unescape(parts[3]), Unescape(parts[4]), parts[5],
                    string.Join(' ', parts[6..dash]), parts[dash + 1], parts[dash + 3]);
        }
    }

    private static void OverlayByParts(IReadOnlyList<string> lower, string? upper, string? work, string target)
    {
        // Beyond a page of options only the new interface will do; it takes layers one by one (Linux 6.5).
        var what = $"mount overlay of {lower.Count} layers on {target}";
        using var context = OpenContext("overlay", what);
        Configure(context, FSCONFIG_SET_STRING, "source", "overlay", what);
        foreach (var layer in lower.Reverse())
            Configure(context, FSCONFIG_SET_STRING, "lowerdir+", layer, what);
        if (upper is not null)
        {
            Configure(context, FSCONFIG_SET_STRING, "upperdir", upper, what);
            Configure(context, FSCONFIG_SET_STRING, "workdir", work, what);
            Configure(context, FSCONFIG_SET_FLAG, "volatile", null, what);
        }
        using var mount = Create(context, what);
        LinuxException.Check((int)MoveMount(SYS_move_mount, mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), what);
    }

    private static SafeFileHandle OpenContext(string type, string what)
    {
        var fd = LinuxException.Check((int)FsOpen(SYS_fsopen, type, FSOPEN_CLOEXEC), what);
        return new SafeFileHandle(fd, ownsHandle: true);
    }

    private static void Configure(SafeFileHandle context, uint command, string? key, string? value, string what) =>
        LinuxException.Check((int)FsConfig(SYS_fsconfig, context, command, key, value, 0), key is null ? what : $"{what} ({key})");

    private static SafeFileHandle Create(SafeFileHandle context, string what)
    {
        Configure(context, FSCONFIG_CMD_CREATE, null, null, what);
        return new SafeFileHandle(LinuxException.Check((int)FsMount(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0), what), ownsHandle: true);
    }

    private static string Escape(string path) =>
        path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal);

    private static string Unescape(string field)
    {
        var at = field.IndexOf('\\', StringComparison.Ordinal);
        while (at >= 0 && at + 3 < field.Length)
        {
            field = $"{field[..at]}{(char)Convert.ToInt32(field.Substring(at + 1, 3), 8)}{field[(at + 4)..]}";
            at = field.IndexOf('\\', at + 1);
        }
        return field;
    }

    // The same numbers on every architecture: they came after the tables were unified.
    private const long SYS_move_mount = 429;
    private const long SYS_fsopen = 430;
    private const long SYS_fsconfig = 431;
    private const long SYS_fsmount = 432;

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MountNative(string source, string target, string? type, ulong flags, string? data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnmountNative(string target, int flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long FsOpen(long number, string type, uint flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long FsConfig(long number, SafeFileHandle context, uint command, string? key, string? value, int aux);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long FsMount(long number, SafeFileHandle context, uint flags, uint attributes);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long MoveMount(long number, SafeFileHandle from, string fromPath, int to, string toPath, uint flags);
}
