using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Minke.Node.Linux.Netlink;

namespace Minke.Node.Linux;

/// <summary>
/// A netlink socket. It belongs for life to the network namespace of the thread that opened it, and may be used from any thread.
/// </summary>
internal sealed partial class NetlinkSocket : IDisposable
{
    private const int AF_NETLINK = 16;
    private const int SOCK_RAW = 3;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int SOL_SOCKET = 1;
    private const int SO_RCVTIMEO = 20;
    private const int SOL_NETLINK = 270;
    private const int NETLINK_CAP_ACK = 10;
    private const int NETLINK_EXT_ACK = 11;

    // The kernel fills dumps with up to 32 KiB a datagram.
    private const int BufferSize = 64 * 1024;

    // rtnetlink answers from within the send; only the kernel's big lock, held by somebody tearing down many links, delays it.
    private const long AnswerSeconds = 30;

    private const int DumpAttempts = 5;

    private readonly SafeFileHandle _handle;

    /// <summary>One conversation at a time; guards the socket and the buffer.</summary>
    private readonly Lock _gate = new();
    private readonly byte[] _buffer = new byte[BufferSize];

    private NetlinkSocket(SafeFileHandle handle) => _handle = handle;

    /// <summary>Receives each message that is neither an acknowledgement nor the end of a dump.</summary>
    internal delegate void Receiver(NetlinkMessage message);

    internal static NetlinkSocket Open(int protocol)
    {
        var descriptor = LinuxException.Check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "open netlink socket");
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            LinuxException.Check(setsockopt(handle, SOL_NETLINK, NETLINK_CAP_ACK, 1, sizeof(int)), "set NETLINK_CAP_ACK");
            LinuxException.Check(setsockopt(handle, SOL_NETLINK, NETLINK_EXT_ACK, 1, sizeof(int)), "set NETLINK_EXT_ACK");
            LinuxException.Check(
                setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, new TimeValue(AnswerSeconds, 0), Marshal.SizeOf<TimeValue>()), "set SO_RCVTIMEO");
            return new NetlinkSocket(handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>A socket that only listens to a multicast group; the event loop of sockets waits for it.</summary>
    internal static Socket OpenForNotifications(int protocol, int group)
    {
        var descriptor = LinuxException.Check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "open netlink socket");
        using var handle = new SafeFileHandle(descriptor, ownsHandle: false);
        var owner = new SafeSocketHandle(descriptor, ownsHandle: true);
        try
        {
            var address = new NetlinkAddress { Family = AF_NETLINK, Groups = 1u << (group - 1) };
            LinuxException.Check(bind(handle, address, Marshal.SizeOf<NetlinkAddress>()), $"join netlink group {group}");
            return new Socket(owner);
        }
        catch
        {
            owner.Dispose();
            throw;
        }
    }

    /// <summary>Sends the requests and waits for every acknowledgement.</summary>
    /// <exception cref="LinuxException">The first request that failed. Those after it were tried all the same.</exception>
    internal void Execute(NetlinkBatch batch, Receiver? receive = null)
    {
        if (TryExecute(batch, receive) is { } failure)
            throw failure;
    }

    /// <summary>As <see cref="Execute"/>, but gives the first failure back.</summary>
    internal LinuxException? TryExecute(NetlinkBatch batch, Receiver? receive = null)
    {
        batch.Close();
        LinuxException? failure = null;
        lock (_gate)
        {
            Send(batch);
            for (var acknowledged = 0; acknowledged < batch.Count;)
            {
                var reader = new NetlinkReader(Receive(batch));
                while (reader.MoveNext())
                {
                    var message = reader.Current;
                    if (message.Type == NLMSG_ERROR)
                    {
                        acknowledged++;
                        var (errno, detail) = message.ReadAcknowledgement();
                        if (errno != 0 && failure is null)
                        {
                            var attempt = batch.Attempt(message.Sequence);
                            failure = detail.Length > 0 ? new LinuxException(errno, attempt, detail) : new LinuxException(errno, attempt);
                        }
                    }
                    else
                    {
                        receive?.Invoke(message);
                    }
                }
            }
        }
        return failure;
    }

    /// <summary>Sends one request for a list and hands on its entries. A list that changed while it was read is read again, after <paramref name="restart"/>.</summary>
    internal void Dump(NetlinkBatch batch, Receiver receive, Action restart)
    {
        batch.Close();
        lock (_gate)
        {
            for (var attempt = 1; ; attempt++)
            {
                Send(batch);
                if (ReceiveDump(batch, receive) || attempt == DumpAttempts)
                    return;
                restart();
            }
        }
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>False when the kernel says that the list changed meanwhile.</summary>
    private bool ReceiveDump(NetlinkBatch batch, Receiver receive)
    {
        var isConsistent = true;
        while (true)
        {
            var reader = new NetlinkReader(Receive(batch));
            while (reader.MoveNext())
            {
                var message = reader.Current;
                isConsistent &= (message.Flags & NLM_F_DUMP_INTR) == 0;
                if (message.Type is NLMSG_DONE or NLMSG_ERROR)
                {
                    var (errno, detail) = message.ReadAcknowledgement();
                    if (errno > 0)
                        throw new LinuxException(errno, batch.Attempt(message.Sequence), detail);
                    return isConsistent;
                }
                receive(message);
            }
        }
    }

    private unsafe void Send(NetlinkBatch batch)
    {
        fixed (byte* bytes = batch.Bytes)
        {
            while (send(_handle, bytes, (nuint)batch.Bytes.Length, 0) < 0)
            {
                if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                    throw LinuxException.Last($"send netlink request: {batch.Attempt(1)}");
            }
        }
    }

    private unsafe ReadOnlySpan<byte> Receive(NetlinkBatch batch)
    {
        fixed (byte* bytes = _buffer)
        {
            while (true)
            {
                var length = recv(_handle, bytes, BufferSize, 0);
                if (length >= 0)
                    return _buffer.AsSpan(0, (int)length);
                if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                    throw LinuxException.Last($"receive netlink answer: {batch.Attempt(1)}");
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct TimeValue(long Seconds, long Microseconds);

    /// <summary>struct sockaddr_nl; port 0 lets the kernel choose.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private record struct NetlinkAddress
    {
        public ushort Family;
        private readonly ushort _padding;
        private readonly uint _port;
        public uint Groups;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(SafeFileHandle socket, in NetlinkAddress address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(SafeFileHandle socket, int level, int option, in int value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(SafeFileHandle socket, int level, int option, in TimeValue value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint send(SafeFileHandle socket, byte* bytes, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial nint recv(SafeFileHandle socket, byte* bytes, nuint length, int flags);
}
