using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apidiscovery.V2;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Proxying;

namespace Minke.Server.Aggregation;

/// <summary>Asks another server what it has: that it answers is what makes it available.</summary>
internal sealed class RemoteDiscovery(TimeProvider clock)
{
    // May ask everything: that it is let in is not what is to be found out.
    private static readonly UserInfo Aggregator = new("system:kube-aggregator", [UserInfo.Masters]);

    private const int Attempts = 5;
    private const int MaxBytes = 16 * 1024 * 1024;
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    /// <returns>Its resources, or why they are not known.</returns>
    public async Task<(APIVersionDiscovery? Found, string Why)> AskAsync(RemoteApi remote, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(AnswerWithin, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var address = $"https://{remote.Transport.Authority}{remote.Path}";
        var why = "";
        // One bad endpoint of several is no reason to give up: each attempt may meet another.
        for (var attempt = 0; attempt < Attempts && !deadline.IsCancellationRequested; attempt++)
        {
            try
            {
                var (code, body) = await GetAsync(remote, remote.Path, either.Token);
                if (code is >= 200 and < 300)
                    return (Read(body, remote.Version), "");
                why = $"bad status from {address}: {code}";
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                why = $"Get \"{address}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                why = $"Get \"{address}\": {NetworkErrors.Cause(e)}";
            }
        }
        return (null, $"failing or missing response from {address}: {why}");
    }

    /// <summary>Where its OpenAPI document of the group and version lies; empty when it has none.</summary>
    public async Task<string> OpenApiAsync(RemoteApi remote, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(AnswerWithin, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var (code, body) = await GetAsync(remote, "/openapi/v3", either.Token);
            return code == 200 ? JsonNode.Parse(body)?["paths"]?[remote.Path.TrimStart('/')]?["serverRelativeURL"]?.ToString() ?? "" : "";
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or InvalidOperationException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return ""; // It is described by its resources alone then.
        }
    }

    private static async Task<(int Code, byte[] Body)> GetAsync(RemoteApi remote, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"https://{remote.Transport.Authority}{path}")
        {
            Version = System.Net.HttpVersion.Version11,
        };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        foreach (var (name, value) in RemoteUser.Headers(Aggregator, remote.Transport.Repeated))
            request.Headers.TryAddWithoutValidation(name, value);
        using var answer = await remote.Transport.Unverified.SendAsync(request, cancellationToken);
        await answer.Content.LoadIntoBufferAsync(MaxBytes, cancellationToken);
        return ((int)answer.StatusCode, await answer.Content.ReadAsByteArrayAsync(cancellationToken));
    }

    /// <summary>A list of resources as the aggregated form has it; a version without resources when it cannot be read.</summary>
    private static APIVersionDiscovery Read(byte[] json, string version)
    {
        APIResourceList list;
        try
        {
            list = Json.Read(json, APIResourceList.ReadJson);
        }
        catch (Exception e) when (e is JsonException or JsonReadException)
        {
            return new() { Version = version };
        }
        var resources = new List<APIResourceDiscovery>();
        foreach (var one in list.Resources)
        {
            var slash = one.Name.IndexOf('/', StringComparison.Ordinal);
            var name = slash < 0 ? one.Name : one.Name[..slash];
            var kind = new GroupVersionKind { Group = one.Group, Version = one.Version, Kind = one.Kind };
            var at = resources.FindIndex(resource => resource.Resource == name);
            if (at < 0)
            {
                at = resources.Count;
                resources.Add(new() { Resource = name, Scope = one.Namespaced ? "Namespaced" : "Cluster" });
            }
            resources[at] = slash < 0
                ? resources[at] with
                {
                    ResponseKind = kind,
                    SingularResource = one.SingularName,
                    Verbs = one.Verbs,
                    ShortNames = one.ShortNames,
                    Categories = one.Categories,
                }
                : resources[at] with
                {
                    Subresources = [.. resources[at].Subresources, new APISubresourceDiscovery { Subresource = one.Name[(slash + 1)..], ResponseKind = kind, Verbs = one.Verbs }],
                };
        }
        return new() { Version = version, Resources = resources.ToApiList() };
    }
}
