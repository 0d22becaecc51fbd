using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Minke.Bench;

/// <summary>A program was executed, or a process ended, at a time of the kernel's own (CLOCK_MONOTONIC, as <see cref="System.Diagnostics.Stopwatch"/>).</summary>
internal readonly record struct ProcessEvent(long Timestamp, bool IsExit, OwnProcess Process);

/// <summary>
/// Which programs run when, from the kernel's process connector (CONFIG_PROC_EVENTS): exact to the microsecond, and those observed do
/// nothing for it.
/// </summary>
/// <remarks>
/// A message is a nlmsghdr (16 bytes), a cn_msg (20) and a proc_event: what, cpu, time in nanoseconds, then process and thread group
/// (linux/cn_proc.h). The connector speaks only in the first network namespace, so the socket is made by a thread that visits it.
/// </remarks>
internal sealed partial class ProcessEvents : IDisposable
{
    private const int AF_NETLINK = 16, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x80000, NETLINK_CONNECTOR = 11, CLONE_NEWNET = 0x40000000;
    private const int SOL_SOCKET = 1, SO_RCVBUFFORCE = 33;
    private const short POLLIN = 1;
    private const uint Exec = 2, Exit = 0x80000000;
    private const int EventOffset = 36, TimeOffset = 44, PidOffset = 52, GroupOffset = 56;

    private readonly int _socket;
    private readonly Thread _reader;
    private readonly Func<OwnProcess, bool> _isWanted;
    private readonly Action<ProcessEvent> _happened;
    private volatile bool _isStopping;

    /// <exception cref="Win32Exception">The kernel has no process connector, or we may not listen to it.</exception>
    public ProcessEvents(string outside, Func<OwnProcess, bool> isWanted, Action<ProcessEvent> happened)
    {
        (_isWanted, _happened) = (isWanted, happened);
        _socket = Listen(outside);
        _reader = new(Read);
        _reader.Start();
    }

    public void Dispose()
    {
        _isStopping = true;
        _reader.Join();
        _ = close(_socket);
    }

    private static int Listen(string outside)
    {
        var (result, error) = (-1, 0);
        var visitor = new Thread(() =>
        {
            var first = open(outside, SOCK_CLOEXEC);
            result = first < 0 ? -1 : setns(first, CLONE_NEWNET);
            if (result == 0)
                result = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
            error = Marshal.GetLastPInvokeError();
            if (first >= 0)
                _ = close(first);
        });
        visitor.Start();
        visitor.Join();
        if (result < 0)
            throw new Win32Exception(error, "open the process connector: " + Marshal.GetPInvokeErrorMessage(error));

        var size = 4 << 20;
        _ = setsockopt(result, SOL_SOCKET, SO_RCVBUFFORCE, in size, sizeof(int));
        // sockaddr_nl with group CN_IDX_PROC; then a message that says PROC_CN_MCAST_LISTEN.
        Check(bind(result, [AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 12), result);
        Span<byte> listen = stackalloc byte[40];
        listen[0] = 40; // length
        listen[4] = 3; // NLMSG_DONE
        listen[16] = 1; // CN_IDX_PROC
        listen[20] = 1; // CN_VAL_PROC
        listen[32] = 4; // length of what follows
        listen[36] = 1; // PROC_CN_MCAST_LISTEN
        Check((int)send(result, listen, listen.Length, 0), result);
        return result;
    }

    private static void Check(int result, int socket)
    {
        if (result >= 0)
            return;
        var error = Marshal.GetLastPInvokeError();
        _ = close(socket);
        throw new Win32Exception(error, "listen to the process connector: " + Marshal.GetPInvokeErrorMessage(error));
    }

    private void Read()
    {
        var known = new Dictionary<int, OwnProcess>();
        Span<byte> message = stackalloc byte[256];
        while (!_isStopping)
        {
            var wait = new PollDescriptor { Descriptor = _socket, Events = POLLIN };
            if (poll(ref wait, 1, 100) <= 0 || recv(_socket, message, message.Length, 0) < GroupOffset + sizeof(int))
                continue;
            var what = BinaryPrimitives.ReadUInt32LittleEndian(message[EventOffset..]);
            var time = BinaryPrimitives.ReadInt64LittleEndian(message[TimeOffset..]);
            var pid = BinaryPrimitives.ReadInt32LittleEndian(message[PidOffset..]);
            if (pid != BinaryPrimitives.ReadInt32LittleEndian(message[GroupOffset..]))
                continue; // one thread of many
            if (what == Exec && OwnProcess.TryRead(pid) is { } process && _isWanted(process))
                _happened(new(time, IsExit: false, known[pid] = process));
            else if (what == Exit && known.Remove(pid, out var ended))
                _happened(new(time, IsExit: true, ended));
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

#pragma warning disable IDE1006, SYSLIB1054 // the kernel's names
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int descriptor, int kind);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int socket, int level, int name, in int value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(int socket, ReadOnlySpan<byte> address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int socket, ReadOnlySpan<byte> data, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int socket, Span<byte> data, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollDescriptor descriptors, nuint count, int timeoutMilliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);
#pragma warning restore IDE1006, SYSLIB1054
}
