using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>What System.IO does not say about files.</summary>
internal static unsafe partial class FileSystems
{
    private const uint CGROUP2_SUPER_MAGIC = 0x63677270;
    private const uint TMPFS_MAGIC = 0x01021994;
    private const int AT_FDCWD = -100;
    private const ulong O_CLOEXEC = 0x80000;
    private const ulong RESOLVE_IN_ROOT = 0x10;
    private const long SYS_openat2 = 437;

    public static bool IsCgroup2(string path) => Type(path) == CGROUP2_SUPER_MAGIC;

    public static bool IsTmpfs(string path) => Type(path) == TMPFS_MAGIC;

    private static uint Type(string path)
    {
        var buffer = stackalloc byte[256]; // struct statfs: f_type comes first, as a long
        return StatFs(path, buffer) == 0 ? (uint)*(long*)buffer : 0;
    }

    /// <summary>
    /// Opens a file below a root for reading, with every symbolic link and <c>..</c> read as if the root were <c>/</c>: a
    /// container's files cannot lead out of it. Null when there is no such file.
    /// </summary>
    public static SafeFileHandle? OpenInRoot(string root, string path)
    {
        using var directory = Descriptors.OpenDirectory(root);
        var how = stackalloc ulong[3] { O_CLOEXEC, 0, RESOLVE_IN_ROOT }; // struct open_how { flags, mode, resolve }
        var fd = (int)OpenAt2(SYS_openat2, directory, path.TrimStart('/') is { Length: > 0 } relative ? relative : ".", how, 24);
        return fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
    }

    /// <summary>Makes a character or block special file's numbers known; null for anything else.</summary>
    public static (char Type, uint Major, uint Minor, uint Mode, uint Uid, uint Gid)? Device(string path)
    {
        var buffer = stackalloc byte[256]; // struct statx
        const uint STATX_BASIC_STATS = 0x7ff;
        const int AT_SYMLINK_NOFOLLOW = 0x100;
        if (Statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, buffer) != 0)
            return null;
        var mode = *(ushort*)(buffer + 28);
        var type = (mode & 0xf000) switch { 0x2000 => 'c', 0x6000 => 'b', _ => '\0' };
        return type == '\0' ? null
            : (type, *(uint*)(buffer + 128), *(uint*)(buffer + 132), (uint)(mode & 0xfff), *(uint*)(buffer + 20), *(uint*)(buffer + 24));
    }

    [LibraryImport("libc", EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatFs(string path, byte* buffer);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenAt2(long number, SafeFileHandle directory, string path, ulong* how, nuint size);
}
