using System.Net;
using System.Net.Sockets;
using Minke.Node.Images;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>Connects to a port on a sandbox's own loopback. A socket belongs to the namespace it was made in, whoever uses it later.</summary>
internal static class PortForward
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    public static async Task<Stream> ConnectAsync(SandboxRecord sandbox, int port, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ConnectLimit);
        var failures = new List<Exception>();
        foreach (var address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            Socket? socket = null;
            try
            {
                socket = MakeSocket(sandbox.NetworkNamespace, address.AddressFamily);
                await socket.ConnectAsync(new IPEndPoint(address, port), limit.Token);
                socket.NoDelay = true;
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                socket?.Dispose();
                failures.Add(e);
            }
            catch
            {
                socket?.Dispose();
                throw;
            }
        }
        // containerd's words, with the pod's instead of the namespace's name.
        throw new RuntimeException(
            $"failed to execute portforward in network namespace of pod {sandbox.Config.Namespace}/{sandbox.Config.Name}: "
            + $"failed to connect to localhost:{port} inside namespace \"{sandbox.Id}\", "
            + $"IPv4: dial tcp4 127.0.0.1:{port}: {Said(failures[0])} IPv6 dial tcp6 [::1]:{port}: {Said(failures[1])}", failures[0]);
    }

    private static string Said(Exception failure) => failure is OperationCanceledException ? "i/o timeout" : Words.For(failure);

    private static Socket MakeSocket(string networkNamespace, AddressFamily family)
    {
        if (networkNamespace.Length == 0)
            return new Socket(family, SocketType.Stream, ProtocolType.Tcp);
        Socket? socket = null;
        Namespaces.OnOwnThread(() =>
        {
            Namespaces.Enter(networkNamespace);
            socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp);
        });
        return socket!;
    }
}
