using Microsoft.AspNetCore.Http;
using Minke.Server.Access;
using Minke.Server.Aggregation;
using Minke.Server.Discovery;
using Minke.Server.Flow;
using Minke.Server.Health;
using Minke.Server.OpenApi;
using Minke.Server.Upkeep;

namespace Minke.Server.Requests;

/// <summary>Paths that name no resource: what the server says of itself, and what is done to it as a whole.</summary>
internal sealed class PathRequests(
    StoreEndpoints upkeep, RemoteRequests remotes, HealthEndpoints health, DiscoveryDocuments discovery, OpenApiDocuments openApi, FlowDump flowDump,
    ServerMetrics metrics)
{
    public async ValueTask HandleAsync(RequestInfo info, UserInfo user, CancellationToken cancelled)
    {
        var (http, path) = (info.Http, info.Path);
        if (await upkeep.TryHandleAsync(http, path, cancelled))
            return;
        if (remotes.Find(path) is { } remote)
        {
            await remotes.ForwardAsync(http, user, remote, cancelled);
            return;
        }
        if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
            throw ResourceRequests.MethodNotAllowed();
        if (await health.TryHandleAsync(http, path) || await discovery.TryHandleAsync(http, path) || await openApi.TryHandleAsync(http, path)
            || await flowDump.TryHandleAsync(http, path))
            return;
        if (path == "/metrics")
        {
            await Responses.TextAsync(http, 200, metrics.ToText(), "text/plain; version=0.0.4; charset=utf-8");
            return;
        }
        await Responses.TextAsync(http, 404, "404 page not found\n");
    }
}
