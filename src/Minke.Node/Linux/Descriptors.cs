using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Pipes, FIFOs and the plain calls on descriptors.</summary>
internal static partial class Descriptors
{
    private const int O_RDONLY = 0;
    private const int O_WRONLY = 1;
    private const int O_RDWR = 2;
    private const int O_NOCTTY = 0x100;
    private const int O_NONBLOCK = 0x800;
    private const int O_CLOEXEC = 0x80000;
    private const int F_SETFL = 4;
    private const short POLLIN = 1;

    /// <summary>A pipe; both ends are closed on exec.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        Span<int> ends = stackalloc int[2];
        LinuxException.Check(Pipe2(ends, O_CLOEXEC), "make a pipe");
        return (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true));
    }

    public static void SetNonBlocking(SafeHandle handle) => LinuxException.Check(Fcntl(handle, F_SETFL, O_NONBLOCK), "set non-blocking");

    /// <summary>Opens /dev/null or a FIFO for writing without waiting for a reader.</summary>
    public static SafeFileHandle OpenForWriting(string path) => Open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    /// <summary>Opens a terminal without making it ours.</summary>
    public static SafeFileHandle OpenTerminal(string path) => Open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    public static SafeFileHandle OpenReadWrite(string path) => Open(path, O_RDWR | O_CLOEXEC);

    public static SafeFileHandle OpenDirectory(string path) => Open(path, O_RDONLY | O_CLOEXEC);

    /// <summary>Writes a few bytes at once.</summary>
    public static void Write(SafeHandle handle, ReadOnlySpan<byte> bytes, string attempted)
    {
        nint written;
        do
            written = WriteNative(handle, bytes, (nuint)bytes.Length);
        while (written < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        if (written != bytes.Length)
            throw LinuxException.Last(attempted);
    }

    /// <summary>Reads to the end or to the first newline, waiting at most <paramref name="limit"/> for each piece.</summary>
    public static byte[] ReadLine(SafeFileHandle handle, TimeSpan limit, string attempted)
    {
        using var line = new MemoryStream();
        Span<byte> buffer = stackalloc byte[4096];
        while (true)
        {
            var poll = new PollFd { Descriptor = (int)handle.DangerousGetHandle(), Events = POLLIN };
            var ready = Poll(ref poll, 1, (int)limit.TotalMilliseconds);
            if (ready == 0)
                throw new TimeoutException($"{attempted}: no answer within {limit.TotalSeconds:0.#}s");
            var read = ready < 0 ? -1 : Read(handle, buffer, (nuint)buffer.Length);
            if (read < 0)
            {
                if (Marshal.GetLastPInvokeError() == Errno.EINTR)
                    continue;
                throw LinuxException.Last(attempted);
            }
            line.Write(buffer[..(int)read]);
            if (read == 0 || buffer[(int)read - 1] == (byte)'\n')
                return line.ToArray();
        }
    }

    /// <summary>Waits until one of the descriptors has something to read (or has ended): its index.</summary>
    public static int WaitReadable(params ReadOnlySpan<SafeHandle> handles)
    {
        Span<PollFd> polls = stackalloc PollFd[handles.Length];
        for (var i = 0; i < handles.Length; i++)
            polls[i] = new PollFd { Descriptor = (int)handles[i].DangerousGetHandle(), Events = POLLIN };
        while (true)
        {
            var ready = Poll(ref polls[0], (ulong)polls.Length, -1);
            if (ready < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
                throw LinuxException.Last("wait for a descriptor");
            for (var i = 0; ready > 0 && i < polls.Length; i++)
            {
                if (polls[i].Returned != 0)
                    return i;
            }
        }
    }

    /// <summary>The number of bytes, 0 at the end, or null when there is nothing yet.</summary>
    public static int? TryRead(SafeHandle handle, Span<byte> buffer)
    {
        while (true)
        {
            var read = Read(handle, buffer, (nuint)buffer.Length);
            if (read >= 0)
                return (int)read;
            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    return null;
                case Errno.EIO: // A terminal whose other side is closed.
                    return 0;
                default:
                    throw LinuxException.Last("read");
            }
        }
    }

    /// <summary>The number of bytes taken, or null when there is no room yet.</summary>
    public static int? TryWrite(SafeHandle handle, ReadOnlySpan<byte> bytes)
    {
        while (true)
        {
            var written = WriteNative(handle, bytes, (nuint)bytes.Length);
            if (written >= 0)
                return (int)written;
            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    return null;
                default:
                    throw LinuxException.Last("write");
            }
        }
    }

    private static SafeFileHandle Open(string path, int flags) =>
        new(LinuxException.Check(OpenNative(path, flags), $"open {path}"), ownsHandle: true);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollFd
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int Pipe2(Span<int> ends, int flags);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenNative(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Fcntl(SafeHandle handle, int command, int argument);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollFd poll, ulong count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(SafeHandle handle, Span<byte> buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteNative(SafeHandle handle, ReadOnlySpan<byte> bytes, nuint count);
}
