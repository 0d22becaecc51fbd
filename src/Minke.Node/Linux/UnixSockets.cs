using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Unix sockets beyond what System.Net.Sockets does: packets, descriptors in messages, paths of any length.</summary>
internal static unsafe partial class UnixSockets
{
    private const int AF_UNIX = 1;
    private const int SOCK_STREAM = 1;
    private const int SOCK_SEQPACKET = 5;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;
    private const int SHUT_WR = 1;
    private const int MaxPathBytes = 107;

    /// <summary>Connects to a socket that keeps the borders of what is written (SOCK_SEQPACKET).</summary>
    public static SafeFileHandle ConnectPackets(string path)
    {
        var socket = Make(SOCK_SEQPACKET, path);
        try
        {
            // A socket's path is short by ABI; a directory's descriptor stands in for a long one.
            using var directory = Descriptors.OpenDirectory(Path.GetDirectoryName(path)!);
            Span<byte> address = stackalloc byte[MaxPathBytes + 3];
            var length = Address(address, $"/proc/self/fd/{directory.DangerousGetHandle()}/{Path.GetFileName(path)}");
            LinuxException.Check(Connect(socket, address, length), $"connect to {path}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Waits on a new socket at <paramref name="path"/> for the one connection that brings a descriptor.</summary>
    public static SafeFileHandle Listen(string path)
    {
        var socket = Make(SOCK_STREAM, path);
        try
        {
            using var directory = Descriptors.OpenDirectory(Path.GetDirectoryName(path)!);
            Span<byte> address = stackalloc byte[MaxPathBytes + 3];
            var length = Address(address, $"/proc/self/fd/{directory.DangerousGetHandle()}/{Path.GetFileName(path)}");
            LinuxException.Check(BindNative(socket, address, length), $"bind {path}");
            LinuxException.Check(ListenNative(socket, 1), $"listen on {path}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static SafeFileHandle Accept(SafeFileHandle listener) =>
        new(LinuxException.Check(Accept4(listener, 0, 0, SOCK_CLOEXEC), "accept a connection"), ownsHandle: true);

    /// <summary>Takes the descriptor that comes with the next message.</summary>
    public static SafeFileHandle ReceiveDescriptor(SafeFileHandle socket)
    {
        var payload = stackalloc byte[4096];
        var control = stackalloc byte[64];
        var vector = new IoVector { Base = payload, Length = 4096 };
        var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = 64 };
        var received = ReceiveMessage(socket, ref message, MSG_CMSG_CLOEXEC);
        LinuxException.Check((int)received, "receive a descriptor");
        // struct cmsghdr { size_t len; int level; int type; } and then the descriptors.
        if (message.ControlLength < 20 || *(int*)(control + 8) != SOL_SOCKET || *(int*)(control + 12) != SCM_RIGHTS)
            throw new IOException("receive a descriptor: the message has none");
        return new SafeFileHandle(*(int*)(control + 16), ownsHandle: true);
    }

    public static void ShutdownWrite(SafeHandle socket) => Shutdown(socket, SHUT_WR);

    private static SafeFileHandle Make(int type, string path) =>
        new(LinuxException.Check(SocketNative(AF_UNIX, type | SOCK_CLOEXEC, 0), $"make a socket for {path}"), ownsHandle: true);

    private static int Address(Span<byte> address, string path)
    {
        address.Clear();
        BitConverter.TryWriteBytes(address, (ushort)AF_UNIX);
        return 2 + Encoding.UTF8.GetBytes(path, address[2..]) + 1;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public byte* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int SocketNative(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static partial int Connect(SafeFileHandle socket, Span<byte> address, int length);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int BindNative(SafeFileHandle socket, Span<byte> address, int length);

    [LibraryImport("libc", EntryPoint = "listen", SetLastError = true)]
    private static partial int ListenNative(SafeFileHandle socket, int backlog);

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    private static partial int Accept4(SafeFileHandle socket, nint address, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint ReceiveMessage(SafeFileHandle socket, ref MessageHeader message, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    private static partial int Shutdown(SafeHandle socket, int how);
}
