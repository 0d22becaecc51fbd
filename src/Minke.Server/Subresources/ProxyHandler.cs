using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client.Nodes;
using Minke.Server.Admission;
using Minke.Server.Proxying;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary><c>proxy</c> of pods, services and nodes: whatever is asked below it is asked of them.</summary>
internal sealed class ProxyHandler(ObjectRegistry registry, ConnectAdmission admission, ProxyPlaces places, INodeDirectory nodes, ReverseProxy proxy, Dialer dialer) : IDisposable
{
    // Where a kubelet listens when it says nothing else.
    private const string KubeletPort = "10250";

    // Pods and nodes are known by their addresses, not by certificates.
    private readonly HttpMessageInvoker _transport = BackendTransport.Create(dialer, ServerTrust.Blind, BackendTransport.Plain);

    public async ValueTask HandleAsync(ApiRequest request)
    {
        var asked = PathOf(request.Http);
        switch (request.Resource.Kind.Plural)
        {
            case "pods":
                var pod = await AdmitAsync(request, AdmittedBody.PodProxyOptions, new PodProxyOptions { Path = asked }, PodProxyOptions.FromQuery, static options => options.Path);
                await ForwardAsync(request, places.Pod(request.Namespace, request.Name), pod);
                break;
            case "services":
                var service = await AdmitAsync(request, AdmittedBody.ServiceProxyOptions, new ServiceProxyOptions { Path = asked }, ServiceProxyOptions.FromQuery, static options => options.Path);
                await ForwardAsync(request, places.Service(request.Namespace, request.Name), service);
                break;
            default:
                var node = await AdmitAsync(request, AdmittedBody.NodeProxyOptions, new NodeProxyOptions { Path = asked }, NodeProxyOptions.FromQuery, static options => options.Path);
                await NodeAsync(request, node);
                break;
        }
    }

    public void Dispose() => _transport.Dispose();

    private async Task<string> AdmitAsync<T>(ApiRequest request, KindInfo kind, T options, Func<QueryReader, T> read, Func<T, string> path) =>
        GoPath.JoinKeepingSlash("", path(await admission.AdmitAsync(request, kind, options, read, options => new JsonObject { ["path"] = ConnectAdmission.Text(path(options)) })));

    /// <summary>What stands behind the subresource, its escapes resolved.</summary>
    private static string PathOf(HttpContext http) => RequestTarget.Parse(ReverseProxy.PathOf(http)).Rest;

    private Task ForwardAsync(ApiRequest request, ProxyPlace place, string path) => proxy.ForwardAsync(request.Http, new Backend
    {
        Transport = _transport,
        Scheme = place.Scheme.Length > 0 ? place.Scheme : "http",
        Authority = place.Authority,
        Path = path,
        Query = request.Http.Request.QueryString.Value ?? "",
    }, request.Cancelled);

    /// <summary>The node agent answers in this process; other ports of the machine are dialled.</summary>
    private async Task NodeAsync(ApiRequest request, string path)
    {
        var asked = ProxiedName.Parse(request.Name, "node");
        var node = (Node)StoredObject.Read(request.Resource, registry.GetEntry(request.Resource, "", asked.Name));
        if (asked.Port.Length > 0 && asked.Port != KubeletPort)
        {
            await ForwardAsync(request, ProxyPlaces.Node(node, asked), path);
            return;
        }
        if (ReverseProxy.TryLeadToSlash(request.Http, path))
            return;
        var endpoint = nodes.Find(asked.Name) ?? throw StatusException.ServiceUnavailable($"error trying to reach service: node {FieldErrors.Quote(asked.Name)} cannot be reached");
        if (request.Verb != "get")
            await Responses.TextAsync(request.Http, StatusCodes.Status405MethodNotAllowed, "405: Method Not Allowed");
        else if (await endpoint.ReadAsync(path, request.Cancelled) is { } document)
            await Responses.BytesAsync(request.Http, StatusCodes.Status200OK, document.ContentType, document.Body);
        else
            await Responses.TextAsync(request.Http, StatusCodes.Status404NotFound, "404 page not found\n");
    }
}
