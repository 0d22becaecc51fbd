using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Api.Apidiscovery.V2;
using Minke.Api.Meta.V1;
using Minke.Server.Access.Credentials;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Discovery;

/// <summary>What this server serves: group by group, or all at once in the aggregated form. Made at start; nothing here changes.</summary>
internal sealed class DiscoveryDocuments
{
    private const string AggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    private const string AggregatedBetaType = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

    private readonly ResourceCatalog _catalog;
    private readonly ServiceAccountTokens _tokens;
    private readonly Func<string> _address;
    private readonly string _version;
    private readonly byte[] _coreAggregated;
    private readonly byte[] _groupsAggregated;

    public DiscoveryDocuments(ResourceCatalog catalog, ServiceAccountTokens tokens, string version, Func<string> address)
    {
        (_catalog, _tokens, _version, _address) = (catalog, tokens, version, address);
        _coreAggregated = Json.Write(Aggregated(isCore: true));
        _groupsAggregated = Json.Write(Aggregated(isCore: false));
    }

    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var isAggregated = AggregatedAsked(http);
        switch (parts)
        {
            case ["api"] when isAggregated.Length > 0:
                await Responses.BytesAsync(http, 200, isAggregated, _coreAggregated);
                return true;
            case ["apis"] when isAggregated.Length > 0:
                await Responses.BytesAsync(http, 200, isAggregated, _groupsAggregated);
                return true;
            case ["api"]:
                await PlainAsync(http, new APIVersions
                {
                    Versions = ["v1"],
                    ServerAddressByClientCIDRs = [new ServerAddressByClientCIDR { ClientCIDR = "0.0.0.0/0", ServerAddress = _address() }],
                });
                return true;
            case ["apis"]:
                await PlainAsync(http, new APIGroupList { Groups = Groups().Select(Group).ToApiList() });
                return true;
            case ["apis", var group] when Groups().Contains(group):
                await PlainAsync(http, Group(group));
                return true;
            case ["api", var version] when _catalog.HasGroupVersion("", version):
                await PlainAsync(http, Resources("", version));
                return true;
            case ["apis", var group, var version] when group.Length > 0 && _catalog.HasGroupVersion(group, version):
                await PlainAsync(http, Resources(group, version));
                return true;
            case ["version"]:
                await PlainAsync(http, Version(), isPretty: true);
                return true;
            case []:
                await PlainAsync(http, new RootPaths { Paths = Paths().ToApiList() }, isPretty: true);
                return true;
            case [".well-known", "openid-configuration"]:
                await Responses.TextAsync(http, 200, $$"""
                    {"issuer":"{{ServiceAccountTokens.Issuer}}","jwks_uri":"https://{{_address()}}/openid/v1/jwks","response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256","RS256"]}
                    """, "application/json");
                return true;
            case ["openid", "v1", "jwks"]:
                await Responses.TextAsync(http, 200, _tokens.KeySet(), "application/jwk-set+json");
                return true;
            default:
                return false;
        }
    }

    private Info Version() => new()
    {
        Major = "1",
        Minor = "32",
        GitVersion = _version,
        GitCommit = "",
        GitTreeState = "clean",
        BuildDate = "",
        GoVersion = "",
        Compiler = "dotnet",
        Platform = "linux/" + (System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "arm64" : "amd64"),
    };

    /// <param name="http">Of the request.</param>
    /// <param name="value">The document.</param>
    /// <param name="isPretty">Indented for everybody, as what upstream writes past its serializers.</param>
    private static ValueTask PlainAsync(HttpContext http, IJsonWritable value, bool isPretty = false)
    {
        var media = MediaType.Negotiate(http.Request.Headers.Accept.ToString());
        return Responses.PlainAsync(http, 200, value, media with { Projection = Projection.None, IsPretty = isPretty || MediaType.IsForPeople(http.Request) });
    }

    /// <summary>The content type of the aggregated form that was asked for first; empty when none was.</summary>
    private static string AggregatedAsked(HttpContext http)
    {
        foreach (var clause in http.Request.Headers.Accept.ToString().Split(',', StringSplitOptions.TrimEntries))
        {
            if (!clause.StartsWith("application/json", StringComparison.Ordinal))
                continue;
            if (!clause.Contains("as=APIGroupDiscoveryList", StringComparison.Ordinal))
                return "";
            return clause.Contains("v=v2beta1", StringComparison.Ordinal) ? AggregatedBetaType : AggregatedType;
        }
        return "";
    }

    private IEnumerable<string> Groups() => _catalog.All.Select(resource => resource.Kind.Group).Where(group => group.Length > 0).Distinct(StringComparer.Ordinal);

    private IEnumerable<string> Versions(string group) =>
        _catalog.All.Where(resource => resource.Kind.Group == group).Select(resource => resource.Kind.Version).Distinct(StringComparer.Ordinal)
            .OrderBy(version => version.Contains("beta", StringComparison.Ordinal)).ThenByDescending(version => version, StringComparer.Ordinal);

    private APIGroup Group(string group)
    {
        var versions = Versions(group).Select(version => new GroupVersionForDiscovery { GroupVersion = $"{group}/{version}", Version = version }).ToApiList();
        return new() { Name = group, Versions = versions, PreferredVersion = versions[0] };
    }

    private APIResourceList Resources(string group, string version)
    {
        var resources = new List<APIResource>();
        foreach (var resource in Of(group, version))
        {
            var kind = resource.Kind;
            resources.Add(new()
            {
                Name = kind.Plural,
                SingularName = kind.Singular,
                Namespaced = kind.IsNamespaced,
                Kind = kind.Kind,
                Verbs = kind.Verbs.ToApiList(),
                ShortNames = kind.ShortNames.ToApiList(),
                Categories = kind.Categories.ToApiList(),
            });
            foreach (var sub in Served(kind))
            {
                var (subGroup, subVersion, subKind) = Body(kind, sub);
                var isOther = sub.BodyKind.Length > 0 && (subGroup, subVersion) != (kind.Group, kind.Version);
                resources.Add(new()
                {
                    Name = $"{kind.Plural}/{sub.Name}",
                    Namespaced = kind.IsNamespaced,
                    Group = isOther ? subGroup : "",
                    Version = isOther ? subVersion : "",
                    Kind = subKind,
                    Verbs = sub.Verbs,
                });
            }
        }
        return new() { GroupVersion = group.Length == 0 ? version : $"{group}/{version}", Resources = resources.OrderBy(one => one.Name, StringComparer.Ordinal).ToApiList() };
    }

    private APIGroupDiscoveryList Aggregated(bool isCore) => new()
    {
        Items = (isCore ? [""] : Groups()).Select(group => new APIGroupDiscovery
        {
            Metadata = new() { Name = group },
            Versions = Versions(group).Select(version => new APIVersionDiscovery
            {
                Version = version,
                Freshness = "Current",
                Resources = Of(group, version).OrderBy(resource => resource.Kind.Plural, StringComparer.Ordinal).Select(resource => Aggregated(resource.Kind)).ToApiList(),
            }).ToApiList(),
        }).ToApiList(),
    };

    private static APIResourceDiscovery Aggregated(KindInfo kind) => new()
    {
        Resource = kind.Plural,
        ResponseKind = new() { Group = kind.Group, Version = kind.Version, Kind = kind.Kind },
        Scope = kind.IsNamespaced ? "Namespaced" : "Cluster",
        SingularResource = kind.Singular,
        Verbs = kind.Verbs.ToApiList(),
        ShortNames = kind.ShortNames.ToApiList(),
        Categories = kind.Categories.ToApiList(),
        Subresources = Served(kind).OrderBy(sub => sub.Name, StringComparer.Ordinal).Select(sub =>
        {
            var (group, version, name) = Body(kind, sub);
            return new APISubresourceDiscovery
            {
                Subresource = sub.Name,
                ResponseKind = new() { Group = group, Version = version, Kind = name },
                Verbs = sub.Verbs,
            };
        }).ToApiList(),
    };

    private IEnumerable<Resource> Of(string group, string version) =>
        _catalog.All.Where(resource => resource.Kind.Group == group && resource.Kind.Version == version);

    /// <summary>Gated ones are off; proxy is served once there is something behind it.</summary>
    public static IEnumerable<SubresourceInfo> Served(KindInfo kind) => kind.Subresources.Where(sub => sub.Gate.Length == 0 && sub.Name != "proxy");

    private static (string Group, string Version, string Kind) Body(KindInfo kind, SubresourceInfo sub)
    {
        if (sub.IsConnect)
            return (kind.Group, kind.Version, kind.Kind + (sub.Name == "portforward" ? "PortForward" : char.ToUpperInvariant(sub.Name[0]) + sub.Name[1..]) + "Options");
        if (sub.BodyKind.Length == 0)
            return (kind.Group, kind.Version, kind.Kind);
        var slash = sub.BodyApiVersion.IndexOf('/', StringComparison.Ordinal);
        return (slash < 0 ? "" : sub.BodyApiVersion[..slash], sub.BodyApiVersion[(slash + 1)..], sub.BodyKind);
    }

    private List<string> Paths()
    {
        var paths = new List<string> { "/.well-known/openid-configuration", "/api", "/api/v1", "/apis" };
        foreach (var group in Groups().Order(StringComparer.Ordinal))
        {
            paths.Add("/apis/" + group);
            paths.AddRange(Versions(group).Select(version => $"/apis/{group}/{version}"));
        }
        paths.AddRange(["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"]);
        return paths;
    }
}
