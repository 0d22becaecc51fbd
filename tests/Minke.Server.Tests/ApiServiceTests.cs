using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Control;
using Minke.Control.Services;

namespace Minke.Server.Tests;

/// <summary>The Service of the API server itself.</summary>
public sealed class ApiServiceTests
{
    [Fact]
    public async Task The_service_kubernetes_is_there_and_comes_back()
    {
        await using var server = await TestServer.StartAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        stop.CancelAfter(TimeSpan.FromSeconds(60));
        var control = new ControlPlane(server.Server.Client, "root", server.Pki.SignRequest, server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance)
        {
            ApiServer = new ApiServerAddress(IPAddress.Parse("10.96.0.1"), IPAddress.Parse("192.0.2.7"), 6443),
        };
        var running = control.RunAsync(stop.Token);
        var first = await SeenAsync(server, null, stop.Token);
        Assert.Equal("10.96.0.1", first.Spec.ClusterIP);
        Assert.Equal("apiserver", first.Metadata.Labels["component"]);
        Assert.Equal((443, 6443, "https"), (first.Spec.Ports[0].Port, first.Spec.Ports[0].TargetPort.Number, first.Spec.Ports[0].Name));
        (await server.DeleteAsync("/api/v1/namespaces/default/services/kubernetes")).Expect(200);
        Assert.Equal("10.96.0.1", (await SeenAsync(server, first.Metadata.Uid, stop.Token)).Spec.ClusterIP);
        await foreach (var change in server.Server.Client.WatchAsync<Minke.Api.Discovery.V1.EndpointSlice>("default", new(Fields: "metadata.name=kubernetes"), "0", stop.Token))
        {
            if (change.Object is null)
                continue;
            Assert.Equal(["192.0.2.7"], change.Object.Endpoints[0].Addresses);
            break;
        }
        var subsets = (await server.GetAsync("/api/v1/namespaces/default/endpoints/kubernetes")).Expect(200).Json["subsets"]!;
        Assert.Equal("""[{"addresses":[{"ip":"192.0.2.7"}],"ports":[{"name":"https","port":6443,"protocol":"TCP"}]}]""", subsets.ToJsonString());
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled).ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    private static async Task<Service> SeenAsync(TestServer server, string? otherThan, CancellationToken cancellationToken)
    {
        await foreach (var change in server.Server.Client.WatchAsync<Service>("default", new(Fields: "metadata.name=kubernetes"), "0", cancellationToken))
        {
            if (change is { Type: not WatchEventType.Deleted, Object: { } service } && service.Metadata.Uid != otherThan)
                return service;
        }
        throw new InvalidOperationException("the watch ended");
    }
}
