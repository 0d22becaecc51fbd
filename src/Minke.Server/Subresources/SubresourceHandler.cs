using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary>What is behind an object's name: its status and the like as stored, the others by code of their own.</summary>
internal sealed class SubresourceHandler(ResourceHandler resources, PodOperations pods, PodStreams streams, TokenRequests tokens, ScaleHandler scales, CustomScale customScales, ProxyHandler proxies)
{
    public ValueTask HandleAsync(ApiRequest request)
    {
        var subresource = request.Target.Subresource;
        var info = request.Resource.Kind.Subresources.FirstOrDefault(one => one.Name == subresource);
        if (info is null || info.Gate.Length > 0)
            throw request.Resource.Custom is null ? StatusException.NoResource() : StatusException.NotFound(request.Resource.Kind, request.Name);
        // A proxy passes methods on that are no verb of ours.
        if (!info.Verbs.Contains(request.Verb) && subresource != "proxy")
            throw StatusException.Of(405, StatusReason.MethodNotAllowed, "the server does not allow this method on the requested resource", StatusDetails.Empty);
        return (request.Resource.Kind.Plural, subresource) switch
        {
            (_, "status") or ("namespaces", "finalize") or ("pods", "ephemeralcontainers") or ("certificatesigningrequests", "approval") => StoredAsync(request),
            (_, "scale") when request.Resource.Custom is not null => customScales.HandleAsync(request),
            ("pods", "binding") => pods.BindAsync(request),
            ("pods", "eviction") => pods.EvictAsync(request),
            ("pods", "log") => streams.LogsAsync(request),
            ("pods", "exec") => streams.ExecAsync(request),
            ("pods", "attach") => streams.AttachAsync(request),
            ("pods", "portforward") => streams.PortForwardAsync(request),
            (_, "proxy") => proxies.HandleAsync(request),
            (_, "scale") => scales.HandleAsync(request),
            ("serviceaccounts", "token") => tokens.CreateAsync(request),
            _ => throw StatusException.NoResource(),
        };
    }

    private ValueTask StoredAsync(ApiRequest request) => request.Verb switch
    {
        "get" => resources.GetAsync(request),
        "patch" => resources.PatchAsync(request),
        _ => resources.UpdateAsync(request),
    };
}
