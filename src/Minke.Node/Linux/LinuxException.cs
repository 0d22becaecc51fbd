using System.Runtime.InteropServices;

namespace Minke.Node.Linux;

/// <summary>A system call the kernel refused. The message says what was tried, on what, and why not.</summary>
public sealed class LinuxException : IOException
{
    /// <param name="errno">Positive error number.</param>
    /// <param name="attempted">What was tried, on what: <c>mount overlay on /run/x</c>.</param>
    public LinuxException(int errno, string attempted)
        : base($"{attempted}: {Marshal.GetPInvokeErrorMessage(errno)}") => Errno = errno;

    /// <param name="errno">Positive error number.</param>
    /// <param name="attempted">What was tried, on what.</param>
    /// <param name="detail">What the kernel said beyond the number, e.g. netlink's extended acknowledgement.</param>
    public LinuxException(int errno, string attempted, string detail)
        : base($"{attempted}: {Marshal.GetPInvokeErrorMessage(errno)}: {detail}") => Errno = errno;

    /// <summary>The kernel's error number, positive; see <see cref="Linux.Errno"/>.</summary>
    public int Errno { get; }

    /// <summary>From the error number the last <c>SetLastError</c> P/Invoke on this thread left.</summary>
    public static LinuxException Last(string attempted) => new(Marshal.GetLastPInvokeError(), attempted);

    /// <summary>Throws when a call returned -1.</summary>
    public static int Check(int result, string attempted) => result == -1 ? throw Last(attempted) : result;
}

/// <summary>Error numbers the code decides by, with the kernel's names (asm-generic/errno.h).</summary>
internal static class Errno
{
    internal const int EPERM = 1;
    internal const int ENOENT = 2;
    internal const int ESRCH = 3;
    internal const int EINTR = 4;
    internal const int EIO = 5;
    internal const int EAGAIN = 11;
    internal const int ENOMEM = 12;
    internal const int EACCES = 13;
    internal const int EBUSY = 16;
    internal const int EEXIST = 17;
    internal const int ENODEV = 19;
    internal const int EINVAL = 22;
    internal const int ENOSPC = 28;
    internal const int EROFS = 30;
    internal const int ENOSYS = 38;
    internal const int ENOTEMPTY = 39;
    internal const int ENOBUFS = 105;
    internal const int EOPNOTSUPP = 95;
    internal const int EADDRNOTAVAIL = 99;
}
