using System.Net;
using System.Net.Sockets;
using Minke.Node.Linux;
using Minke.Node.Network;

namespace Minke.RealNode.Network;

/// <summary>
/// A machine as far as the network is concerned: a network namespace of its own, without an uplink. What is opened through it
/// belongs to it, so a test can be many machines and pods at once without a process for any.
/// </summary>
internal sealed class TestMachine : IAsyncDisposable
{
    private readonly NamespaceThread _thread;

    private TestMachine(string directory, NamespaceThread thread) => (Directory, _thread) = (directory, thread);

    internal string Directory { get; }
    internal string NamespacePath => Path.Combine(Directory, "net");

    internal static async Task<TestMachine> CreateAsync()
    {
        var directory = System.IO.Directory.CreateTempSubdirectory("minke-net-").FullName;
        var path = Path.Combine(directory, "net");
        await using (var maker = new NamespaceThread("test-machine"))
        {
            await maker.RunAsync(() =>
            {
                NetworkNamespace.EnterNew();
                NetworkNamespace.PinCurrent(path);
                using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
                socket.Execute(new NetlinkBatch("loopback").SetUp(NetlinkRoute.LoopbackIndex));
            });
        }
        return new TestMachine(directory, new NamespaceThread("test-machine", path));
    }

    /// <summary>Options for an instance on this machine.</summary>
    internal NetworkOptions Options(string instance = "test", int poolSize = 4) => new()
    {
        Instance = instance,
        StateDirectory = Path.Combine(Directory, instance),
        HostNamespacePath = NamespacePath,
        PoolSize = poolSize,
    };

    /// <summary>Runs work inside the machine.</summary>
    internal Task<T> RunAsync<T>(Func<T> work) => _thread.RunAsync(work);

    internal Task RunAsync(Action work) => _thread.RunAsync(work);

    /// <summary>Runs work inside a pod of the machine.</summary>
    internal Task<T> RunInAsync<T>(NetworkAttachment pod, Func<T> work) => _thread.RunInAsync(pod.NamespacePath, work);

    internal Task<Socket> SocketAsync(NetworkAttachment? pod = null, ProtocolType protocol = ProtocolType.Tcp)
    {
        Socket Make() => new(AddressFamily.InterNetwork, protocol == ProtocolType.Tcp ? SocketType.Stream : SocketType.Dgram, protocol);
        return pod is null ? RunAsync(Make) : RunInAsync(pod, Make);
    }

    /// <summary>Joins two machines by a cable, with an address at either end.</summary>
    internal async Task ConnectAsync(TestMachine other, string name, Ipv4 own, Ipv4 others, int mtu = 1500)
    {
        using var otherNamespace = NetworkNamespace.Open(other.NamespacePath);
        await RunAsync(() => Configure(name, own, socket => socket.Execute(
            new NetlinkBatch(name).AddPair(name, MacAddress.OfPort(own), 0, 0, mtu, name, MacAddress.OfPort(others), otherNamespace))));
        await other.RunAsync(() => Configure(name, others, _ => { }));

        static void Configure(string name, Ipv4 address, Action<NetlinkSocket> first)
        {
            using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
            first(socket);
            socket.Execute(new NetlinkBatch(name).SetUp(name).AddAddress(socket.FindLink(name)!.Index, address, 24));
        }
    }

    internal Task AddDefaultRouteAsync(string link, Ipv4 gateway) => RunAsync(() =>
    {
        using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
        socket.Execute(new NetlinkBatch(link).AddRoute(socket.FindLink(link)!.Index, new Ipv4Range(default, 0), gateway));
    });

    internal Task<List<LinkInfo>> LinksAsync() => RunAsync(() =>
    {
        using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
        return socket.ListLinks();
    });

    internal Task<string> RulesetAsync() => RunAsync(() =>
    {
        using var nftables = Nftables.Open();
        return nftables.TryList("list ruleset") ?? "";
    });

    internal Task<string> SysctlAsync(string name) => RunAsync(() => NetworkSysctls.Read(name));

    public async ValueTask DisposeAsync()
    {
        await _thread.DisposeAsync();
        NetworkNamespace.Unpin(NamespacePath);
        foreach (var pins in System.IO.Directory.GetDirectories(Directory).Select(instance => Path.Combine(instance, "netns")).Where(System.IO.Directory.Exists))
        {
            foreach (var pin in System.IO.Directory.GetFiles(pins))
                NetworkNamespace.Unpin(pin);
            NetworkNamespace.RemovePinDirectory(pins);
        }
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}

/// <summary>Small conversations over sockets of <see cref="TestMachine"/>.</summary>
internal static class Conversation
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>A server that answers each TCP connection with the address it came from, as it sees it.</summary>
    internal static async Task<IAsyncDisposable> ServePeerAddressAsync(this TestMachine machine, NetworkAttachment? pod, int port)
    {
        var listener = await machine.SocketAsync(pod);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Any, port));
        listener.Listen(128);
        return new Server(listener, Serve(listener));

        static async Task Serve(Socket listener)
        {
            try
            {
                while (true)
                {
                    using var connection = await listener.AcceptAsync();
                    await connection.SendAsync(((IPEndPoint)connection.RemoteEndPoint!).Address.ToString().Select(c => (byte)c).ToArray());
                }
            }
            catch (SocketException)
            {
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }

    /// <summary>Connects and reads what the server says; throws when it does not answer in time.</summary>
    internal static async Task<string> AskAsync(
        this TestMachine machine, NetworkAttachment? pod, string address, int port, TimeSpan? deadline = null)
    {
        using var socket = await machine.SocketAsync(pod);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(deadline ?? Deadline);
        await socket.ConnectAsync(IPAddress.Parse(address), port, timeout.Token);
        var buffer = new byte[64];
        var length = await socket.ReceiveAsync(buffer, timeout.Token);
        return System.Text.Encoding.ASCII.GetString(buffer, 0, length);
    }

    private sealed class Server(Socket listener, Task serving) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            listener.Dispose();
            await serving;
        }
    }
}
