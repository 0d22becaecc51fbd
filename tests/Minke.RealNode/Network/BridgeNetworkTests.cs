using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Node.Linux;
using Minke.Node.Network;
using Minke.Node.Runtime;

namespace Minke.RealNode.Network;

public sealed class BridgeNetworkTests
{
    /// <summary>How long a connection that must not come about is waited for.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromMilliseconds(300);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    internal static SandboxNetworkRequest Request(string id, params PortMapping[] ports) =>
        new() { Sandbox = new SandboxId(id), Namespace = "test", Name = id, Uid = id, PortMappings = ports };

    internal static Task<BridgeNetwork> OpenAsync(NetworkOptions options) =>
        BridgeNetwork.OpenAsync(options, TimeProvider.System, NullLogger<BridgeNetwork>.Instance, Cancellation);

    private static PortMapping Tcp(int port, int hostPort, string hostIp = "") => new("TCP", port, hostPort, hostIp);

    /// <summary>Hosts with containers of others often have bridged packets pass the IP rules too; it must not matter.</summary>
    private static Task FilterBridgedPacketsAsync(TestMachine machine, string value) => machine.RunAsync(() =>
    {
        if (Directory.Exists("/proc/sys/net/bridge"))
            NetworkSysctls.Write("net.bridge.bridge-nf-call-iptables", value);
    });

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    public async Task Pods_and_the_machine_reach_each_other_by_their_own_addresses(string filterBridged)
    {
        await using var machine = await TestMachine.CreateAsync();
        await FilterBridgedPacketsAsync(machine, filterBridged);
        await using var network = await OpenAsync(machine.Options());
        var web = await network.AttachAsync(Request("web"), Cancellation);
        var client = await network.AttachAsync(Request("client"), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(web, 80);
        await using var onMachine = await machine.ServePeerAddressAsync(null, 81);

        Assert.Equal(client.Ips[0], await machine.AskAsync(client, web.Ips[0], 80));
        Assert.Equal(network.Gateway.ToString(), await machine.AskAsync(null, web.Ips[0], 80));
        Assert.Equal(web.Ips[0], await machine.AskAsync(web, network.Gateway.ToString(), 81));
        Assert.Equal("127.0.0.1", await machine.AskAsync(web, "127.0.0.1", 80));
        await Assert.ThrowsAsync<SocketException>(() => machine.AskAsync(client, web.Ips[0], 82));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    public async Task A_host_port_leads_to_its_pod_from_everywhere(string filterBridged)
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var neighbour = await TestMachine.CreateAsync();
        await FilterBridgedPacketsAsync(machine, filterBridged);
        await machine.ConnectAsync(neighbour, "cable", Ipv4.Parse("192.0.2.1"), Ipv4.Parse("192.0.2.2"));
        await using var network = await OpenAsync(machine.Options());
        var web = await network.AttachAsync(Request("web", Tcp(80, 8080)), Cancellation);
        var client = await network.AttachAsync(Request("client"), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(web, 80);

        // Only where the answer would not find back does the pod see another source than the client's.
        Assert.Equal("192.0.2.2", await neighbour.AskAsync(null, "192.0.2.1", 8080));
        Assert.Equal("192.0.2.1", await machine.AskAsync(null, "192.0.2.1", 8080));
        Assert.Equal(network.Gateway.ToString(), await machine.AskAsync(null, "127.0.0.1", 8080));
        Assert.Equal(client.Ips[0], await machine.AskAsync(client, "192.0.2.1", 8080));
        Assert.Equal(client.Ips[0], await machine.AskAsync(client, network.Gateway.ToString(), 8080));
        Assert.Equal(network.Gateway.ToString(), await machine.AskAsync(web, "192.0.2.1", 8080));
    }

    [Fact]
    public async Task A_host_port_with_an_address_is_open_there_alone()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var neighbour = await TestMachine.CreateAsync();
        await machine.ConnectAsync(neighbour, "cable", Ipv4.Parse("192.0.2.1"), Ipv4.Parse("192.0.2.2"));
        await using var network = await OpenAsync(machine.Options());
        var web = await network.AttachAsync(Request("web", Tcp(80, 8080, "127.0.0.1"), Tcp(80, 8081, "192.0.2.1")), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(web, 80);

        await machine.AskAsync(null, "127.0.0.1", 8080);
        await neighbour.AskAsync(null, "192.0.2.1", 8081);
        await Assert.ThrowsAsync<SocketException>(() => neighbour.AskAsync(null, "192.0.2.1", 8080));
        await Assert.ThrowsAsync<SocketException>(() => machine.AskAsync(null, "127.0.0.1", 8081));
    }

    [Fact]
    public async Task A_host_port_turns_to_the_pod_that_came_last_and_closes_with_it()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options());
        var before = await network.AttachAsync(Request("before", Tcp(80, 8080)), Cancellation);
        await using (await machine.ServePeerAddressAsync(before, 80))
            await machine.AskAsync(null, "127.0.0.1", 8080);

        var after = await network.AttachAsync(Request("after", Tcp(80, 8080)), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(after, 80);
        await machine.AskAsync(null, "127.0.0.1", 8080);
        await network.DetachAsync(before.Sandbox, Cancellation);
        await machine.AskAsync(null, "127.0.0.1", 8080);
        await network.DetachAsync(after.Sandbox, Cancellation);
        await Assert.ThrowsAsync<SocketException>(() => machine.AskAsync(null, "127.0.0.1", 8080));
        var rules = await machine.RulesetAsync();
        Assert.DoesNotContain("8080", rules, StringComparison.Ordinal);
        Assert.DoesNotContain(after.Ips[0], rules, StringComparison.Ordinal);
        Assert.DoesNotContain(before.Ips[0], rules, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Datagrams_of_one_client_follow_a_host_port_to_the_pod_that_has_it_now()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var neighbour = await TestMachine.CreateAsync();
        await machine.ConnectAsync(neighbour, "cable", Ipv4.Parse("192.0.2.1"), Ipv4.Parse("192.0.2.2"));
        await using var network = await OpenAsync(machine.Options());

        // One client socket all along: to the kernel's connection tracking it is one connection.
        using var client = await neighbour.SocketAsync(null, ProtocolType.Udp);
        await client.ConnectAsync(IPAddress.Parse("192.0.2.1"), 53, Cancellation);
        await client.SendAsync("nobody"u8.ToArray(), Cancellation);
        await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1], Cancellation).AsTask());
        for (var round = 0; round < 3; round++)
        {
            var pod = await network.AttachAsync(Request($"dns-{round}", new PortMapping("UDP", 5353, 53, "")), Cancellation);
            using var server = await machine.SocketAsync(pod, ProtocolType.Udp);
            server.Bind(new IPEndPoint(IPAddress.Any, 5353));
            Assert.Equal("hello", await ExchangeAsync(client, server));
            await network.DetachAsync(pod.Sandbox, Cancellation);
        }

        static async Task<string> ExchangeAsync(Socket client, Socket server)
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            timeout.CancelAfter(TimeSpan.FromSeconds(5));
            var buffer = new byte[64];
            try
            {
                await client.SendAsync("hello"u8.ToArray(), timeout.Token);
            }
            catch (SocketException)
            {
                // The answer to an earlier datagram: nobody listened then.
                await client.SendAsync("hello"u8.ToArray(), timeout.Token);
            }
            var received = await server.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), timeout.Token);
            return System.Text.Encoding.ASCII.GetString(buffer, 0, received.ReceivedBytes);
        }
    }

    [Fact]
    public async Task What_leaves_the_cluster_has_the_machines_address_and_what_stays_has_the_pods()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var outside = await TestMachine.CreateAsync();
        await using var inside = await TestMachine.CreateAsync();
        await machine.ConnectAsync(outside, "out", Ipv4.Parse("192.0.2.1"), Ipv4.Parse("192.0.2.2"), mtu: 1400);
        await machine.ConnectAsync(inside, "in", Ipv4.Parse("198.51.100.1"), Ipv4.Parse("198.51.100.2"));
        await machine.AddDefaultRouteAsync("out", Ipv4.Parse("192.0.2.2"));
        await inside.AddDefaultRouteAsync("in", Ipv4.Parse("198.51.100.1"));
        await using var network = await OpenAsync(machine.Options() with { NoMasquerade = [Ipv4Range.Parse("198.51.100.0/24")] });
        var pod = await network.AttachAsync(Request("pod"), Cancellation);
        await using var far = await outside.ServePeerAddressAsync(null, 80);
        await using var near = await inside.ServePeerAddressAsync(null, 80);

        Assert.Equal("192.0.2.1", await machine.AskAsync(pod, "192.0.2.2", 80));
        Assert.Equal(pod.Ips[0], await machine.AskAsync(pod, "198.51.100.2", 80));
        Assert.Equal(1400, await machine.RunInAsync(pod, () =>
        {
            using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
            return socket.FindLink(PodNamespaces.PodInterface)!.Mtu;
        }));
    }

    [Fact]
    public async Task A_pod_does_not_reach_what_listens_on_the_machines_loopback()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options());
        var pod = await network.AttachAsync(Request("pod"), Cancellation);
        await using var secret = await machine.ServePeerAddressAsync(null, 2379);
        await machine.AskAsync(null, "127.0.0.1", 2379);

        // Root in the pod sends packets for 127.0.0.2 to the machine: its own loopback no longer has that address.
        await machine.RunInAsync(pod, () =>
        {
            const ushort deleteAddress = 21; // RTM_DELADDR
            NetworkSysctls.Write("net.ipv4.conf.eth0.route_localnet", "1");
            using var socket = NetlinkSocket.Open(Netlink.NETLINK_ROUTE);
            var index = socket.FindLink(PodNamespaces.PodInterface)!.Index;
            socket.Execute(
                new NetlinkBatch("loopback")
                    .Begin("delete address", deleteAddress, 0, new NetlinkRoute.AddressMessage { Family = Netlink.AF_INET, PrefixLength = 8, Index = 1 })
                    .Attribute(Netlink.IFA_LOCAL, Ipv4.Parse("127.0.0.1").ToBytes())
                    .AddRoute(index, Ipv4Range.Parse("127.0.0.0/8"), network.Gateway));
            return true;
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => machine.AskAsync(pod, "127.0.0.2", 2379, Silence));
    }

    [Fact]
    public async Task Two_instances_on_one_machine_do_not_meet()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var one = await OpenAsync(machine.Options("one"));
        await using var two = await OpenAsync(machine.Options("two"));
        Assert.NotEqual(one.BridgeName, two.BridgeName);
        Assert.False(one.Range.Overlaps(two.Range));
        var here = await one.AttachAsync(Request("pod"), Cancellation);
        var there = await two.AttachAsync(Request("pod", Tcp(80, 8080)), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(there, 80);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => machine.AskAsync(here, there.Ips[0], 80, Silence));
        await machine.AskAsync(here, one.Gateway.ToString(), 8080);

        await one.DisposeAsync();
        await BridgeNetwork.DestroyAsync(machine.Options("one"), Cancellation);
        Assert.Equal("1", await machine.SysctlAsync(NetworkSysctls.IpForward));
        await machine.AskAsync(null, there.Ips[0], 80);
        await two.DisposeAsync();
        await BridgeNetwork.DestroyAsync(machine.Options("two"), Cancellation);
        Assert.Equal("0", await machine.SysctlAsync(NetworkSysctls.IpForward));
    }

    [Fact]
    public async Task Taken_down_it_leaves_nothing()
    {
        await using var machine = await TestMachine.CreateAsync();
        var before = (await machine.LinksAsync()).Select(link => link.Name);
        var options = machine.Options();
        await using (var network = await OpenAsync(options))
        {
            var pods = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => network.AttachAsync(Request($"pod-{i}", Tcp(80, 9000 + i)), Cancellation)));
            Assert.Equal(30, pods.Select(pod => pod.Ips[0]).Distinct().Count());
            foreach (var pod in pods.Take(10))
                await network.DetachAsync(pod.Sandbox, Cancellation);
        }
        await BridgeNetwork.DestroyAsync(options, Cancellation);
        await BridgeNetwork.DestroyAsync(options, Cancellation);

        Assert.Equal(before, (await machine.LinksAsync()).Select(link => link.Name));
        Assert.Equal("", await machine.RulesetAsync());
        Assert.Equal("0", await machine.SysctlAsync(NetworkSysctls.IpForward));
        Assert.False(Directory.Exists(options.StateDirectory));
        Assert.DoesNotContain(options.StateDirectory, await File.ReadAllTextAsync("/proc/self/mountinfo", Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restart_finds_every_sandbox_where_it_was_and_frees_those_that_are_gone()
    {
        await using var machine = await TestMachine.CreateAsync();
        var options = machine.Options();
        NetworkAttachment kept, gone;
        await using (var network = await OpenAsync(options))
        {
            kept = await network.AttachAsync(Request("kept", Tcp(80, 8080)), Cancellation);
            gone = await network.AttachAsync(Request("gone", Tcp(80, 8081)), Cancellation);
        }
        await using var server = await machine.ServePeerAddressAsync(kept, 80);

        // Somebody flushed the rules meanwhile; a start brings them back.
        await NftAsync(machine, "flush ruleset");
        await using var next = await OpenAsync(options);
        await next.RecoverAsync(new HashSet<SandboxId> { kept.Sandbox }, Cancellation);
        var listed = Assert.Single(await next.ListAsync(Cancellation));
        Assert.Equal((kept.Sandbox, kept.NamespacePath, kept.Ips[0]), (listed.Sandbox, listed.NamespacePath, listed.Ips[0]));
        Assert.Equal(kept.Ips[0], (await next.AttachAsync(Request("kept"), Cancellation)).Ips[0]);
        await machine.AskAsync(null, "127.0.0.1", 8080);
        await machine.AskAsync(null, kept.Ips[0], 80);
        Assert.NotEqual(gone.Ips[0], (await next.AttachAsync(Request("new"), Cancellation)).Ips[0]);
        await next.DisposeAsync();

        var ports = (await machine.LinksAsync()).Where(link => InstanceNames.Of(options.Instance).IsPort(link.Name));
        Assert.Equal(2, ports.Count());
        Assert.Equal(2, Directory.GetFiles(Path.Combine(options.StateDirectory, "netns")).Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_firewall_that_drops_forwarded_packets_lets_pods_through_and_is_left_as_it_was(bool isThereFirst)
    {
        const string foreign = "table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; iifname \"docker0\" accept; }; }";
        await using var machine = await TestMachine.CreateAsync();
        if (isThereFirst)
            await NftAsync(machine, foreign);
        await using var network = await OpenAsync(machine.Options());
        var web = await network.AttachAsync(Request("web"), Cancellation);
        var client = await network.AttachAsync(Request("client"), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(web, 80);
        if (!isThereFirst)
            await NftAsync(machine, foreign);
        await WaitForRulesAsync(machine, rules => rules.Contains($"oifname \"{network.BridgeName}\" accept", StringComparison.Ordinal));
        Assert.Equal(client.Ips[0], await machine.AskAsync(client, web.Ips[0], 80));

        await network.DisposeAsync();
        await BridgeNetwork.DestroyAsync(machine.Options(), Cancellation);
        var rules = await machine.RulesetAsync();
        Assert.Contains("docker0", rules, StringComparison.Ordinal);
        Assert.DoesNotContain("minke", rules, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rules_that_somebody_flushed_come_back()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options());
        var web = await network.AttachAsync(Request("web", Tcp(80, 8080)), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(web, 80);
        for (var round = 0; round < 3; round++)
        {
            await NftAsync(machine, "flush ruleset");
            await WaitForRulesAsync(machine, rules => rules.Contains("tcp . 8080", StringComparison.Ordinal));
            await machine.AskAsync(null, "127.0.0.1", 8080);
        }
    }

    private static Task NftAsync(TestMachine machine, string script) => machine.RunAsync(() =>
    {
        using var nftables = Nftables.Open();
        nftables.Run(script, script);
    });

    private static async Task WaitForRulesAsync(TestMachine machine, Func<string, bool> areThere)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        timeout.CancelAfter(TimeSpan.FromSeconds(10));
        while (!areThere(await machine.RulesetAsync()))
            await Task.Delay(5, timeout.Token);
    }

    [Fact]
    public async Task A_process_left_in_a_sandbox_neither_keeps_its_address_nor_its_interface()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options(poolSize: 1) with { PodRange = Ipv4Range.Parse("10.42.9.0/29") });
        for (var round = 0; round < 12; round++)
        {
            var pod = await AttachWhenFreeAsync(network, $"pod-{round}");
            await using var left = await machine.ServePeerAddressAsync(pod, 80);
            await network.DetachAsync(pod.Sandbox, Cancellation);
        }
    }

    [Fact]
    public async Task A_full_range_says_so_and_goes_on_when_an_address_is_free()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options() with { PodRange = Ipv4Range.Parse("10.42.9.0/29") });
        for (var i = 0; i < 5; i++)
            await network.AttachAsync(Request($"pod-{i}"), Cancellation);
        var failure = await Assert.ThrowsAsync<RuntimeException>(() => network.AttachAsync(Request("one-more"), Cancellation));
        Assert.Equal("setup network for pod test/one-more: no IP addresses available in range 10.42.9.0/29", failure.Message);
        await network.DetachAsync(new SandboxId("pod-3"), Cancellation);
        Assert.Equal("10.42.9.5", (await AttachWhenFreeAsync(network, "one-more")).Ips[0]);
    }

    [Fact]
    public async Task Sysctls_are_set_in_the_pod_and_a_wrong_one_leaves_nothing()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options());
        var pod = await network.AttachAsync(
            Request("pod") with
            {
                Sysctls = new Dictionary<string, string> { ["net.ipv4.ip_local_port_range"] = "20000 20010", ["kernel.shm_rmid_forced"] = "1" },
            },
            Cancellation);
        Assert.Equal("20000\t20010", await machine.RunInAsync(pod, () => NetworkSysctls.Read("net.ipv4.ip_local_port_range")));
        Assert.Equal("0", await machine.RunInAsync(pod, () => NetworkSysctls.Read("net.ipv4.ip_unprivileged_port_start")));
        Assert.NotEqual("20000\t20010", await machine.SysctlAsync("net.ipv4.ip_local_port_range"));

        var failure = await Assert.ThrowsAsync<RuntimeException>(() => network.AttachAsync(
            Request("wrong") with { Sysctls = new Dictionary<string, string> { ["net.ipv4.no_such"] = "1" } }, Cancellation));
        Assert.Equal("setup network for pod test/wrong: set sysctl net.ipv4.no_such to \"1\": No such file or directory", failure.Message);
        failure = await Assert.ThrowsAsync<RuntimeException>(() => network.AttachAsync(
            Request("wrong") with { Sysctls = new Dictionary<string, string> { ["net.ipv4.ip_forward"] = "maybe" } }, Cancellation));
        Assert.Equal("setup network for pod test/wrong: set sysctl net.ipv4.ip_forward to \"maybe\": Invalid argument", failure.Message);
        Assert.Single(await network.ListAsync(Cancellation));
    }

    [Fact]
    public async Task A_range_in_use_on_the_machine_is_avoided()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var neighbour = await TestMachine.CreateAsync();
        await machine.ConnectAsync(neighbour, "cable", Ipv4.Parse("10.42.0.77"), Ipv4.Parse("10.42.0.78"));
        await using var network = await OpenAsync(machine.Options());
        Assert.Equal("10.42.4.0/22", network.Range.ToString());
    }

    [Fact]
    public async Task A_range_does_not_change_under_attached_sandboxes()
    {
        await using var machine = await TestMachine.CreateAsync();
        var options = machine.Options() with { PodRange = Ipv4Range.Parse("10.42.0.0/24") };
        await using (var network = await OpenAsync(options))
            await network.AttachAsync(Request("pod"), Cancellation);
        var other = options with { PodRange = Ipv4Range.Parse("10.42.1.0/24") };
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => OpenAsync(other));
        Assert.StartsWith("the pod range was 10.42.0.0/24 and is now to be 10.42.1.0/24", failure.Message, StringComparison.Ordinal);
        await using (var network = await OpenAsync(options))
            await network.DetachAsync(new SandboxId("pod"), Cancellation);
        await using var moved = await OpenAsync(other);
        Assert.Equal("10.42.1.2", (await moved.AttachAsync(Request("pod"), Cancellation)).Ips[0]);
    }

    [Fact]
    public async Task A_hundred_pods_at_once_are_all_reachable()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options(poolSize: 16));
        var pods = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => network.AttachAsync(Request($"pod-{i}"), Cancellation)));
        foreach (var pod in pods.Where((_, i) => i % 10 == 0))
        {
            await using var server = await machine.ServePeerAddressAsync(pod, 80);
            Assert.Equal(network.Gateway.ToString(), await machine.AskAsync(null, pod.Ips[0], 80));
        }
        await Task.WhenAll(pods.Select(pod => network.DetachAsync(pod.Sandbox, Cancellation)));
        Assert.Empty(await network.ListAsync(Cancellation));
    }

    /// <summary>Detaching returns before the sweeper has given the address back.</summary>
    private static async Task<NetworkAttachment> AttachWhenFreeAsync(BridgeNetwork network, string id)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        timeout.CancelAfter(TimeSpan.FromSeconds(10));
        while (true)
        {
            try
            {
                return await network.AttachAsync(Request(id), timeout.Token);
            }
            catch (RuntimeException) when (!timeout.IsCancellationRequested)
            {
                await Task.Delay(10, timeout.Token);
            }
        }
    }
}
