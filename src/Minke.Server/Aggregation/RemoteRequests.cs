using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Server.Access;
using Minke.Server.Proxying;
using Minke.Server.Requests;
using Minke.Server.Webhooks;

namespace Minke.Server.Aggregation;

/// <summary>Sends a request that has been let in on to the server its group and version belong to. (kube-aggregator/pkg/apiserver/handler_proxy.go)</summary>
internal sealed class RemoteRequests(RemoteApis apis, ReverseProxy proxy, TimeProvider clock)
{
    // Discovery is asked of everybody by everybody: nobody holds it up.
    private static readonly TimeSpan DiscoveryWithin = TimeSpan.FromSeconds(5);

    public RemoteApi? Find(string group, string version) => apis.Current.Find(group, version);

    /// <summary>Who serves what a path below <c>/api</c>, <c>/apis</c> or <c>/openapi/v3</c> is of; null for this server.</summary>
    public RemoteApi? Find(string path)
    {
        var registrations = apis.Current;
        if (registrations.Remotes.Count == 0)
            return null;
        const string OpenApi = "/openapi/v3/";
        if (path.StartsWith(OpenApi, StringComparison.Ordinal))
            path = path[(OpenApi.Length - 1)..];
        return path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
        {
            ["api", var version, ..] => registrations.Find("", version),
            ["apis", var group, var version, ..] => registrations.Find(group, version),
            _ => null,
        };
    }

    public async ValueTask ForwardAsync(HttpContext http, UserInfo user, RemoteApi remote, CancellationToken cancelled)
    {
        if (!remote.IsAvailable || !IsThere(remote))
        {
            await FailAsync(http, StatusCodes.Status503ServiceUnavailable, "service unavailable");
            return;
        }
        if (remote.Transport.Trouble.Length > 0)
        {
            await FailAsync(http, StatusCodes.Status500InternalServerError, remote.Transport.Trouble);
            return;
        }
        // As rights were asked about it: a slash or dots that are escaped mean nothing more there than they did here.
        var path = http.Request.Path.Value ?? "/";
        using var deadline = path.Trim('/') == remote.Path.Trim('/') ? new CancellationTokenSource(DiscoveryWithin, clock) : new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancelled);
        try
        {
            await proxy.ForwardAsync(http, new Backend
            {
                Transport = remote.Transport.Verified,
                Scheme = "https",
                Authority = remote.Transport.Authority,
                Host = remote.Transport.Authority,
                Path = path,
                Query = http.Request.QueryString.Value ?? "",
                IsPartOfApi = true,
                Headers = RemoteUser.Headers(user, remote.Transport.Repeated),
            }, either.Token);
        }
        catch (StatusException e)
        {
            await FailAsync(http, StatusCodes.Status503ServiceUnavailable, e.Message);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancelled.IsCancellationRequested && !http.Response.HasStarted)
        {
            await FailAsync(http, StatusCodes.Status503ServiceUnavailable, "error trying to reach service: context deadline exceeded");
        }
    }

    private static bool IsThere(RemoteApi remote)
    {
        try
        {
            remote.Transport.Resolve();
            return true;
        }
        catch (WebhookException)
        {
            return false;
        }
    }

    /// <summary>As Go's <c>http.Error</c>: no Status, for it is not this server's answer.</summary>
    private static ValueTask FailAsync(HttpContext http, int code, string text)
    {
        http.Response.Headers.XContentTypeOptions = "nosniff";
        return Responses.TextAsync(http, code, text + "\n");
    }
}
