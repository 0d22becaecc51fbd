using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Api.Apidiscovery.V2;
using Minke.Api.Meta.V1;
using Minke.Server.Access.Credentials;
using Minke.Server.Aggregation;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Discovery;

/// <summary>What this server serves: group by group, or all at once in the aggregated form, which is kept as long as the catalogue stays as it is.</summary>
internal sealed class DiscoveryDocuments
{
    private const string AggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    private const string AggregatedBetaType = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

    private readonly ResourceCatalog _catalog;
    private readonly ServiceAccountTokens _tokens;
    private readonly Func<string> _address;
    private readonly string _version;
    private readonly RemoteApis _remotes;
    private AggregatedDocuments? _aggregated;
    private ServedGroups? _served;

    public DiscoveryDocuments(ResourceCatalog catalog, RemoteApis remotes, ServiceAccountTokens tokens, string version, Func<string> address)
    {
        (_catalog, _remotes, _tokens, _version, _address) = (catalog, remotes, tokens, version, address);
    }

    /// <summary>Both aggregated documents of one catalogue, with the hash clients remember them by.</summary>
    private sealed record AggregatedDocuments(ServedGroups Served, byte[] Core, byte[] Groups)
    {
        public string CoreTag { get; } = TagOf(Core);
        public string GroupsTag { get; } = TagOf(Groups);

        private static string TagOf(byte[] document) => $"\"{Convert.ToHexString(SHA512.HashData(document))}\"";
    }

    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var isAggregated = AggregatedAsked(http);
        switch (parts)
        {
            case ["api"] when isAggregated.Length > 0:
                await AggregatedAsync(http, isAggregated, Documents.Core, Documents.CoreTag);
                return true;
            case ["apis"] when isAggregated.Length > 0:
                await AggregatedAsync(http, isAggregated, Documents.Groups, Documents.GroupsTag);
                return true;
            case ["api"]:
                await UnversionedAsync(http, new APIVersions
                {
                    Versions = ["v1"],
                    ServerAddressByClientCIDRs = [new ServerAddressByClientCIDR { ClientCIDR = "0.0.0.0/0", ServerAddress = _address() }],
                });
                return true;
            case ["apis"]:
                await PlainAsync(http, new APIGroupList { Groups = Groups.Groups.Select(Group).ToApiList() });
                return true;
            case ["apis", var group] when Groups.Groups.Contains(group):
                await PlainAsync(http, Group(group));
                return true;
            case ["api", var version] when Catalog.HasGroupVersion("", version):
                await UnversionedAsync(http, Resources("", version));
                return true;
            case ["apis", var group, var version] when group.Length > 0 && Catalog.HasGroupVersion(group, version):
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
    private static ValueTask PlainAsync(HttpContext http, IJsonWritable value, bool isPretty = false) => Responses.JsonAsync(http, 200, Json.Write(value), MediaOf(http, isPretty));

    /// <summary>What is older than groups does not say its own version, as upstream.</summary>
    private static ValueTask UnversionedAsync(HttpContext http, IJsonWritable value)
    {
        var document = JsonNode.Parse(Json.Write(value))!.AsObject();
        document.Remove("apiVersion");
        return Responses.JsonAsync(http, 200, Encoding.UTF8.GetBytes(document.ToJsonString()), MediaOf(http, isPretty: false));
    }

    private static MediaType MediaOf(HttpContext http, bool isPretty) =>
        MediaType.Negotiate(http.Request.Headers.Accept.ToString()) with { Projection = Projection.None, IsPretty = isPretty || MediaType.IsForPeople(http.Request) };

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

    private CatalogSnapshot Catalog => _catalog.Current;

    /// <summary>Made when first asked for after a change, as the documents are.</summary>
    private ServedGroups Groups
    {
        get
        {
            var (catalog, registrations) = (Catalog, _remotes.Current);
            var known = Volatile.Read(ref _served);
            if (known is null || !ReferenceEquals(known.Catalog, catalog) || !ReferenceEquals(known.Registrations, registrations))
                Volatile.Write(ref _served, known = new(catalog, registrations));
            return known;
        }
    }

    /// <summary>Written when first asked for after a change; those who race write it twice.</summary>
    private AggregatedDocuments Documents
    {
        get
        {
            var served = Groups;
            var known = Volatile.Read(ref _aggregated);
            if (known is null || !ReferenceEquals(known.Served, served))
                Volatile.Write(ref _aggregated, known = new(served, Json.Write(Aggregated(served, isCore: true)), Json.Write(Aggregated(served, isCore: false))));
            return known;
        }
    }

    private static async ValueTask AggregatedAsync(HttpContext http, string contentType, byte[] document, string tag)
    {
        http.Response.Headers.ETag = tag;
        http.Response.Headers.Vary = "Accept";
        if (!http.Request.Headers.IfNoneMatch.ToString().Split(',', StringSplitOptions.TrimEntries).Contains(tag))
        {
            await Responses.BytesAsync(http, 200, contentType, document);
            return;
        }
        http.Response.StatusCode = StatusCodes.Status304NotModified;
    }

    private APIGroup Group(string group)
    {
        var versions = Groups.Versions(group).Select(version => new GroupVersionForDiscovery { GroupVersion = $"{group}/{version}", Version = version }).ToApiList();
        return new() { Name = group, Versions = versions, PreferredVersion = versions[0] };
    }

    private APIResourceList Resources(string group, string version)
    {
        var resources = new List<APIResource>();
        foreach (var resource in Catalog.Of(group, version))
        {
            var kind = resource.Kind;
            resources.Add(new()
            {
                Name = kind.Plural,
                SingularName = kind.Singular,
                Namespaced = kind.IsNamespaced,
                Kind = kind.Kind,
                Verbs = Verbs(resource),
                ShortNames = kind.ShortNames.ToApiList(),
                Categories = kind.Categories.ToApiList(),
                StorageVersionHash = StorageVersions.HashOf(resource),
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

    /// <summary>Of a definition on its way out nothing is written any more.</summary>
    private static ApiList<string> Verbs(Resource resource) => resource.Custom is { Definition.IsTerminating: true }
        ? ["delete", "deletecollection", "get", "list", "watch"] : resource.Kind.Verbs.ToApiList();

    private static APIGroupDiscoveryList Aggregated(ServedGroups served, bool isCore) => new()
    {
        Items = (isCore ? [""] : served.Groups).Select(group => new APIGroupDiscovery
        {
            Metadata = new() { Name = group },
            Versions = served.Versions(group).Select(version => served.Registrations.Find(group, version)?.Described ?? new APIVersionDiscovery
            {
                Version = version,
                Freshness = "Current",
                Resources = served.Catalog.Of(group, version).OrderBy(resource => resource.Kind.Plural, StringComparer.Ordinal).Select(Aggregated).ToApiList(),
            }).ToApiList(),
        }).ToApiList(),
    };

    private static APIResourceDiscovery Aggregated(Resource resource)
    {
        var kind = resource.Kind;
        return new()
        {
            Resource = kind.Plural,
            ResponseKind = ResponseKind(resource, kind.Group, kind.Version, kind.Kind),
            Scope = kind.IsNamespaced ? "Namespaced" : "Cluster",
            SingularResource = kind.Singular,
            Verbs = Verbs(resource),
            ShortNames = kind.ShortNames.ToApiList(),
            Categories = kind.Categories.ToApiList(),
            Subresources = Served(kind).OrderBy(sub => sub.Name, StringComparer.Ordinal).Select(sub =>
            {
                var (group, version, name) = Body(kind, sub);
                return new APISubresourceDiscovery { Subresource = sub.Name, ResponseKind = ResponseKind(resource, group, version, name), Verbs = sub.Verbs };
            }).ToApiList(),
        };
    }

    /// <summary>As upstream: the group and version of what is built in are said only where they are not those of the resource.</summary>
    private static GroupVersionKind ResponseKind(Resource resource, string group, string version, string kind) =>
        resource.Custom is null && (group, version) == (resource.Kind.Group, resource.Kind.Version)
            ? new() { Kind = kind } : new() { Group = group, Version = version, Kind = kind };

    /// <summary>Gated ones are off.</summary>
    public static IEnumerable<SubresourceInfo> Served(KindInfo kind) => kind.Subresources.Where(sub => sub.Gate.Length == 0);

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
        foreach (var group in Groups.Groups.Order(StringComparer.Ordinal))
        {
            paths.Add("/apis/" + group);
            paths.AddRange(Groups.Versions(group).Select(version => $"/apis/{group}/{version}"));
        }
        paths.AddRange(["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"]);
        return paths;
    }
}
