using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>
/// System calls around network namespaces. Those that change "the current" namespace change it for the calling thread alone, so
/// they belong on a thread of one's own (<see cref="Network.NamespaceThread"/>), never on a pooled one.
/// </summary>
internal static partial class NetworkNamespace
{
    private const int CLONE_NEWNET = 0x40000000;
    private const int O_RDONLY = 0;
    private const int O_CLOEXEC = 0x80000;
    private const ulong MS_BIND = 0x1000;
    private const ulong MS_SHARED = 1 << 20;
    private const int MNT_DETACH = 2;
    private const int LOCK_EX = 2;
    private const string Current = "/proc/thread-self/ns/net";

    /// <summary>The namespace of the calling thread.</summary>
    internal static SafeFileHandle OpenCurrent() => Open(Current);

    internal static SafeFileHandle Open(string path) =>
        new(LinuxException.Check(open(path, O_RDONLY | O_CLOEXEC), $"open network namespace {path}"), ownsHandle: true);

    /// <summary>Moves the calling thread into a namespace.</summary>
    internal static void Enter(SafeFileHandle target) => LinuxException.Check(setns(target, CLONE_NEWNET), "enter network namespace");

    /// <summary>Moves the calling thread into a new namespace.</summary>
    internal static void EnterNew() => LinuxException.Check(unshare(CLONE_NEWNET), "create network namespace");

    /// <summary>Pins the calling thread's namespace at <paramref name="path"/>, an empty file made for it.</summary>
    internal static void PinCurrent(string path)
    {
        using (File.Create(path)) { }
        if (mount(Current, path, null, MS_BIND, 0) == -1)
        {
            var failure = LinuxException.Last($"pin network namespace at {path}");
            File.Delete(path);
            throw failure;
        }
    }

    /// <summary>Removes a pin. One that is gone, or never became one, is no error.</summary>
    internal static void Unpin(string path)
    {
        // Detached: somebody listing the directory must not keep the pin. EINVAL: a file, but no mount.
        if (umount2(path, MNT_DETACH) == -1 && Marshal.GetLastPInvokeError() is not (Errno.EINVAL or Errno.ENOENT))
            throw LinuxException.Last($"unpin network namespace {path}");
        File.Delete(path);
    }

    /// <summary>
    /// Makes a directory for pins: a mount of its own with shared propagation, so that removing a pin here removes it as well
    /// from mount namespaces that were copied meanwhile (each would keep the network namespace alive).
    /// </summary>
    internal static void MakePinDirectory(string path)
    {
        Directory.CreateDirectory(path);
        if (mount("none", path, null, MS_SHARED, 0) == 0)
            return;
        LinuxException.Check(mount(path, path, null, MS_BIND, 0), $"bind {path} to itself");
        LinuxException.Check(mount("none", path, null, MS_SHARED, 0), $"share mounts below {path}");
    }

    /// <summary>Undoes <see cref="MakePinDirectory"/>; the pins must be gone.</summary>
    internal static void RemovePinDirectory(string path)
    {
        if (!Directory.Exists(path))
            return;
        if (umount2(path, MNT_DETACH) == -1 && Marshal.GetLastPInvokeError() is not (Errno.EINVAL or Errno.ENOENT))
            throw LinuxException.Last($"unmount {path}");
        Directory.Delete(path);
    }

    /// <summary>Waits for the lock that every Minke in this network namespace takes to choose its range; it ends with the handle.</summary>
    internal static SafeFileHandle Lock()
    {
        var handle = OpenCurrent();
        while (flock(handle, LOCK_EX) == -1)
        {
            if (Marshal.GetLastPInvokeError() == Errno.EINTR)
                continue;
            var failure = LinuxException.Last("lock the network namespace");
            handle.Dispose();
            throw failure;
        }
        return handle;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(SafeFileHandle descriptor, int type);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string source, string target, string? type, ulong flags, nint data);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int umount2(string target, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle descriptor, int operation);
}
