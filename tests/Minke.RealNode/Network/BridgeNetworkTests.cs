using Microsoft.Extensions.Logging.Abstractions;
using Minke.Node.Network;
using Minke.Node.Runtime;

namespace Minke.RealNode.Network;

public sealed class BridgeNetworkTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    internal static SandboxNetworkRequest Request(string id, params PortMapping[] ports) =>
        new() { Sandbox = new SandboxId(id), Namespace = "test", Name = id, Uid = id, PortMappings = ports };

    internal static Task<BridgeNetwork> OpenAsync(NetworkOptions options) =>
        BridgeNetwork.OpenAsync(options, TimeProvider.System, NullLogger<BridgeNetwork>.Instance, Cancellation);

    [Fact]
    public async Task Pods_and_the_machine_reach_each_other_by_their_own_addresses()
    {
        await using var machine = await TestMachine.CreateAsync();
        await using var network = await OpenAsync(machine.Options());
        var web = await network.AttachAsync(Request("web"), Cancellation);
        var client = await network.AttachAsync(Request("client"), Cancellation);
        await using var server = await machine.ServePeerAddressAsync(web, 80);
        await using var onMachine = await machine.ServePeerAddressAsync(null, 81);

        Assert.Equal(client.Ips[0], await machine.AskAsync(client, web.Ips[0], 80));
        Assert.Equal(network.Gateway.ToString(), await machine.AskAsync(null, web.Ips[0], 80));
        Assert.Equal(web.Ips[0], await machine.AskAsync(web, network.Gateway.ToString(), 81));
        Assert.Equal("127.0.0.1", await machine.AskAsync(web, "127.0.0.1", 80));
        await network.DisposeAsync();
        await BridgeNetwork.DestroyAsync(machine.Options(), Cancellation);
    }
}
