using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Owners, modes and paths that may not lead out of a volume.</summary>
internal static unsafe partial class VolumeFiles
{
    private const ulong O_PATH = 0x200000;
    private const ulong O_CLOEXEC = 0x80000;
    private const ulong RESOLVE_NO_MAGICLINKS = 0x02;
    private const ulong RESOLVE_BENEATH = 0x08;
    private const long SYS_openat2 = 437;
    private const uint NoChange = uint.MaxValue;

    /// <summary>Sets owner and group, of a link itself; null leaves one as it is.</summary>
    public static void ChangeOwner(string path, long? uid, long? gid) =>
        LinuxException.Check(Lchown(path, uid is { } user ? (uint)user : NoChange, gid is { } group ? (uint)group : NoChange), $"chown {path}");

    public static void ChangeMode(string path, uint mode) => LinuxException.Check(Chmod(path, mode), $"chmod {path}");

    /// <summary>Puts a file or link in the place of another in one step. File.Move refuses a link that leads to a directory.</summary>
    public static void Replace(string source, string target) => LinuxException.Check(RenameNative(source, target), $"rename {source} to {target}");

    /// <summary>
    /// Opens what a relative path names below a root, as a place only (O_PATH): links are followed as long as they stay below.
    /// Null when there is nothing.
    /// </summary>
    /// <exception cref="LinuxException">EXDEV: the path leads out of the root.</exception>
    public static SafeFileHandle? OpenBeneath(SafeFileHandle root, string relative)
    {
        var how = stackalloc ulong[3] { O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
        var fd = (int)OpenAt2(SYS_openat2, root, relative, how, 24);
        if (fd >= 0)
            return new SafeFileHandle(fd, ownsHandle: true);
        return Marshal.GetLastPInvokeError() == Errno.ENOENT ? null : throw LinuxException.Last($"open {relative}");
    }

    /// <summary>Makes one directory in an open one; one that is there is fine.</summary>
    public static void MakeDirectory(SafeFileHandle parent, string name, uint mode)
    {
        if (MkdirAt(parent, name, mode) == -1 && Marshal.GetLastPInvokeError() != Errno.EEXIST)
            throw LinuxException.Last($"mkdir {name}");
    }

    /// <summary>True for a socket; links are followed.</summary>
    public static bool IsSocket(string path)
    {
        const uint STATX_TYPE = 1;
        const int AT_FDCWD = -100;
        var buffer = stackalloc byte[256]; // struct statx: stx_mode at 28
        return Statx(AT_FDCWD, path, 0, STATX_TYPE, buffer) == 0 && (*(ushort*)(buffer + 28) & 0xf000) == 0xc000;
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Lchown(string path, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Chmod(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameNative(string source, string target);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkdirAt(SafeFileHandle directory, string path, uint mode);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long OpenAt2(long number, SafeFileHandle directory, string path, ulong* how, nuint size);
}
