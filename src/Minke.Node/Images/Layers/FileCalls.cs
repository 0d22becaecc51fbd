using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;

namespace Minke.Node.Images.Layers;

/// <summary>
/// File calls by directory descriptor and byte name. Names in layers are bytes, not text, and every step of a path is taken
/// from a descriptor with O_NOFOLLOW: the only way that cannot be led out of the layer.
/// </summary>
internal static unsafe partial class FileCalls
{
    public const int O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0x40, O_EXCL = 0x80, O_CLOEXEC = 0x80000, O_PATH = 0x200000;
    public const int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200;
    public const int ENOENT = 2, EINTR = 4, EAGAIN = 11, EEXIST = 17, ENOTDIR = 20, EISDIR = 21, ELOOP = 40, ENODATA = 61, ENOTSUP = 95, EPERM = 1, ENOTEMPTY = 39;
    public const uint S_IFMT = 0xF000, S_IFDIR = 0x4000, S_IFCHR = 0x2000, S_IFBLK = 0x6000, S_IFREG = 0x8000, S_IFIFO = 0x1000, S_IFLNK = 0xA000;
    private const int LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4;

    // The same number means different flags on different processors.
    public static readonly int O_DIRECTORY = IsArm ? 0x4000 : 0x10000;
    public static readonly int O_NOFOLLOW = IsArm ? 0x8000 : 0x20000;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public static LinuxException Failure(int errno, string what) => new(errno, what);

    public static SafeFileHandle? TryOpen(SafeFileHandle? directory, ReadOnlySpan<byte> name, int flags, uint mode, out int errno)
    {
        fixed (byte* path = name)
        {
            int fd;
            do
            {
                fd = openat(Fd(directory), path, flags | O_CLOEXEC, mode);
                errno = fd < 0 ? Marshal.GetLastPInvokeError() : 0;
            }
            while (errno == EINTR);
            GC.KeepAlive(directory);
            return fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        }
    }

    public static int MakeDirectory(SafeFileHandle directory, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* path = name)
            return Errno(mkdirat(Fd(directory), path, mode), directory);
    }

    public static int MakeNode(SafeFileHandle directory, ReadOnlySpan<byte> name, uint mode, ulong device)
    {
        fixed (byte* path = name)
            return Errno(mknodat(Fd(directory), path, mode, device), directory);
    }

    public static int MakeSymlink(ReadOnlySpan<byte> target, SafeFileHandle directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* to = target, path = name)
            return Errno(symlinkat(to, Fd(directory), path), directory);
    }

    public static int MakeLink(SafeFileHandle fromDirectory, ReadOnlySpan<byte> from, SafeFileHandle directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* source = from, path = name)
        {
            var result = Errno(linkat(Fd(fromDirectory), source, Fd(directory), path, 0), directory);
            GC.KeepAlive(fromDirectory);
            return result;
        }
    }

    public static int Unlink(SafeFileHandle directory, ReadOnlySpan<byte> name, int flags)
    {
        fixed (byte* path = name)
            return Errno(unlinkat(Fd(directory), path, flags), directory);
    }

    public static int Rename(SafeFileHandle fromDirectory, ReadOnlySpan<byte> from, SafeFileHandle directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* source = from, path = name)
        {
            var result = Errno(renameat(Fd(fromDirectory), source, Fd(directory), path), directory);
            GC.KeepAlive(fromDirectory);
            return result;
        }
    }

    public static int ChangeOwner(SafeFileHandle directory, ReadOnlySpan<byte> name, uint uid, uint gid)
    {
        fixed (byte* path = name)
            return Errno(fchownat(Fd(directory), path, uid, gid, AT_SYMLINK_NOFOLLOW), directory);
    }

    public static int ChangeOwner(SafeFileHandle file, uint uid, uint gid) => Errno(fchown(Fd(file), uid, gid), file);

    public static int ChangeMode(SafeFileHandle file, uint mode) => Errno(fchmod(Fd(file), mode), file);

    /// <summary>Follows a symbolic link at the name: only for what was just made and is none.</summary>
    public static int ChangeMode(SafeFileHandle directory, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* path = name)
            return Errno(fchmodat(Fd(directory), path, mode, 0), directory);
    }

    public static int SetTime(SafeFileHandle directory, ReadOnlySpan<byte> name, FileTime time)
    {
        var times = stackalloc FileTime[] { time, time };
        fixed (byte* path = name)
            return Errno(utimensat(Fd(directory), path, times, AT_SYMLINK_NOFOLLOW), directory);
    }

    public static int SetTime(SafeFileHandle file, FileTime time)
    {
        var times = stackalloc FileTime[] { time, time };
        return Errno(futimens(Fd(file), times), file);
    }

    public static int Truncate(SafeFileHandle file, long size) => Errno(ftruncate(Fd(file), size), file);

    public static int SetAttribute(SafeFileHandle file, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        fixed (byte* key = name, data = value)
            return Errno(fsetxattr(Fd(file), key, data, (nuint)value.Length, 0), file);
    }

    /// <summary>By path, for what cannot be opened (links, devices); the last step is not followed.</summary>
    public static int SetAttribute(string path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        fixed (byte* at = System.Text.Encoding.UTF8.GetBytes(path + "\0"), key = name, data = value)
            return Errno(lsetxattr(at, key, data, (nuint)value.Length, 0), null);
    }

    /// <summary>Null when the file does not have the attribute.</summary>
    public static byte[]? GetAttribute(SafeFileHandle file, ReadOnlySpan<byte> name)
    {
        var buffer = new byte[65536]; // XATTR_SIZE_MAX
        fixed (byte* key = name, data = buffer)
        {
            var length = fgetxattr(Fd(file), key, data, (nuint)buffer.Length);
            GC.KeepAlive(file);
            return length < 0 ? null : buffer[..(int)length];
        }
    }

    /// <summary>Names of the attributes, each ended by a zero.</summary>
    public static byte[] ListAttributes(SafeFileHandle file)
    {
        var buffer = new byte[65536]; // XATTR_LIST_MAX
        fixed (byte* data = buffer)
        {
            var length = flistxattr(Fd(file), data, (nuint)buffer.Length);
            GC.KeepAlive(file);
            return length < 0 ? [] : buffer[..(int)length];
        }
    }

    /// <summary>Text of a symbolic link, null when the name is none.</summary>
    public static byte[]? ReadLink(SafeFileHandle directory, ReadOnlySpan<byte> name)
    {
        var buffer = stackalloc byte[4096];
        fixed (byte* path = name)
        {
            var length = readlinkat(Fd(directory), path, buffer, 4096);
            GC.KeepAlive(directory);
            return length < 0 ? null : new ReadOnlySpan<byte>(buffer, (int)length).ToArray();
        }
    }

    /// <summary>Status of a name without following it.</summary>
    public static int Status(SafeFileHandle? directory, ReadOnlySpan<byte> name, out FileStatus status)
    {
        fixed (byte* path = name)
        fixed (FileStatus* result = &status)
            return Errno(statx(Fd(directory), path, AT_SYMLINK_NOFOLLOW, StatxBasic, result), directory);
    }

    public static int Status(SafeFileHandle file, out FileStatus status)
    {
        const int AT_EMPTY_PATH = 0x1000;
        var empty = stackalloc byte[1];
        fixed (FileStatus* result = &status)
            return Errno(statx(Fd(file), empty, AT_EMPTY_PATH, StatxBasic, result), file);
    }

    /// <summary>Locks of open descriptions: they end with their last descriptor, so a killed process leaves none.</summary>
    public static bool TryLock(SafeFileHandle file, bool exclusive) =>
        Errno(flock(Fd(file), (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB), file) == 0;

    /// <summary>Waits until the lock is free. Only for locks that are held for moments.</summary>
    public static void Lock(SafeFileHandle file)
    {
        int errno;
        do
            errno = Errno(flock(Fd(file), LOCK_EX), file);
        while (errno == EINTR);
        if (errno != 0)
            throw Failure(errno, "lock image store");
    }

    public static int SyncFileSystem(SafeFileHandle any) => Errno(syncfs(Fd(any)), any);

    public static int Sync(SafeFileHandle file) => Errno(fsync(Fd(file)), file);

    /// <summary>Raw directory entries (struct linux_dirent64) into the buffer; 0 at the end, negative errno on failure.</summary>
    public static int ReadDirectory(SafeFileHandle directory, Span<byte> buffer)
    {
        fixed (byte* data = buffer)
        {
            var length = getdents64(Fd(directory), data, (nuint)buffer.Length);
            var errno = Marshal.GetLastPInvokeError();
            GC.KeepAlive(directory);
            return length < 0 ? -errno : (int)length;
        }
    }

    private const uint StatxBasic = 0x7ff;

    private static int Fd(SafeFileHandle? handle) => handle is null ? AT_FDCWD : (int)handle.DangerousGetHandle();

    private static int Errno(int result, SafeFileHandle? kept)
    {
        var errno = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        GC.KeepAlive(kept);
        return errno;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int openat(int directory, byte* path, int flags, uint mode);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int mkdirat(int directory, byte* path, uint mode);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int mknodat(int directory, byte* path, uint mode, ulong device);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int symlinkat(byte* target, int directory, byte* path);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int linkat(int fromDirectory, byte* from, int directory, byte* path, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int renameat(int fromDirectory, byte* from, int directory, byte* path);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int unlinkat(int directory, byte* path, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchownat(int directory, byte* path, uint uid, uint gid, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchown(int file, uint uid, uint gid);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(int file, uint mode);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmodat(int directory, byte* path, uint mode, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int utimensat(int directory, byte* path, FileTime* times, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int futimens(int file, FileTime* times);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(int file, long size);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsetxattr(int file, byte* name, byte* value, nuint size, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int lsetxattr(byte* path, byte* name, byte* value, nuint size, int flags);
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint fgetxattr(int file, byte* name, byte* value, nuint size);
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint flistxattr(int file, byte* list, nuint size);
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint readlinkat(int directory, byte* path, byte* buffer, nuint size);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int statx(int directory, byte* path, int flags, uint mask, FileStatus* status);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int file, int operation);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int syncfs(int file);
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int file);
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint getdents64(int directory, byte* buffer, nuint size);
}

/// <summary>struct timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FileTime(long Seconds, long Nanoseconds);

/// <summary>struct statx: the same on every processor, which struct stat is not.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct FileStatus
{
    [FieldOffset(0x10)] public uint LinkCount;
    [FieldOffset(0x14)] public uint Uid;
    [FieldOffset(0x18)] public uint Gid;
    [FieldOffset(0x1c)] public ushort Mode;
    [FieldOffset(0x20)] public ulong Inode;
    [FieldOffset(0x28)] public long Size;
    [FieldOffset(0x30)] public long Blocks;
    [FieldOffset(0x70)] public long ModifiedSeconds;
    [FieldOffset(0x78)] public uint ModifiedNanoseconds;
    [FieldOffset(0x80)] public uint RdevMajor;
    [FieldOffset(0x84)] public uint RdevMinor;
    [FieldOffset(0x88)] public uint DeviceMajor;
    [FieldOffset(0x8c)] public uint DeviceMinor;

    public readonly bool IsDirectory => (Mode & FileCalls.S_IFMT) == FileCalls.S_IFDIR;
    public readonly bool IsSymlink => (Mode & FileCalls.S_IFMT) == FileCalls.S_IFLNK;
    public readonly bool IsRegular => (Mode & FileCalls.S_IFMT) == FileCalls.S_IFREG;

    /// <summary>overlayfs' mark for "removed": a character device 0/0.</summary>
    public readonly bool IsWhiteout => (Mode & FileCalls.S_IFMT) == FileCalls.S_IFCHR && RdevMajor == 0 && RdevMinor == 0;
    public readonly uint Permissions => Mode & 0xFFFu;
    public readonly FileTime Modified => new(ModifiedSeconds, ModifiedNanoseconds);
}
