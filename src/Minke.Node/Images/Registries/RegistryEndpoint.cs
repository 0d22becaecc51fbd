using System.Net;

namespace Minke.Node.Images.Registries;

/// <summary>One place to ask for an image.</summary>
internal sealed record RegistryEndpoint
{
    /// <summary>Everything before the repository: <c>https://registry-1.docker.io/v2</c>.</summary>
    public required string BaseAddress { get; init; }

    /// <summary>Path of the repository there.</summary>
    public required string Repository { get; init; }

    /// <summary>Registry a mirror answers for; containerd's <c>ns</c> parameter. Empty for the registry itself.</summary>
    public string MirrorOf { get; init; } = "";

    /// <summary>HTTPS on this machine: only when plain HTTP is not what the registry speaks.</summary>
    public bool IsFallback { get; init; }

    public string Host => new Uri(BaseAddress).Authority;

    public Uri Manifest(string target) => At($"manifests/{target}");

    public Uri Blob(Digest digest) => At($"blobs/{digest}");

    private Uri At(string path) => new($"{BaseAddress}/{Repository}/{path}{(MirrorOf.Length > 0 ? $"?ns={Uri.EscapeDataString(MirrorOf)}" : "")}");

    /// <summary>Mirrors first, the registry itself last.</summary>
    public static IReadOnlyList<RegistryEndpoint> For(ImageReference reference, RegistriesConfig config)
    {
        var endpoints = new List<RegistryEndpoint>();
        if (config.Mirrors.TryGetValue(reference.Domain, out var mirrors) || config.Mirrors.TryGetValue("*", out mirrors))
            foreach (var mirror in mirrors.Endpoints)
            {
                var path = mirror.AbsolutePath.TrimEnd('/');
                // A path is the operator's word for the whole base; without one it is the API's root.
                endpoints.Add(new RegistryEndpoint
                {
                    BaseAddress = $"{mirror.Scheme}://{mirror.Authority}{(path.Length == 0 ? "/v2" : path)}",
                    Repository = mirrors.Rewrite(reference.Path),
                    MirrorOf = mirror.Authority == reference.Domain ? "" : reference.Domain,
                });
            }

        var host = reference.Domain == DockerHub.Domain ? DockerHub.RegistryHost : reference.Domain;
        var settings = config.ConfigOf(host);
        // On this machine people run registries without TLS; with TLS settings, or when plain HTTP finds TLS, it is HTTPS.
        foreach (var scheme in IsLoopback(host) && !settings.HasTls ? ["http", "https"] : (string[])["https"])
        {
            var address = $"{scheme}://{host}/v2";
            if (!endpoints.Exists(endpoint => endpoint.BaseAddress == address && endpoint.Repository == reference.Path))
                endpoints.Add(new RegistryEndpoint { BaseAddress = address, Repository = reference.Path, IsFallback = scheme == "https" && IsLoopback(host) && !settings.HasTls });
        }
        return endpoints;
    }

    private static bool IsLoopback(string host)
    {
        var name = host.StartsWith('[') ? host[1..Math.Max(1, host.IndexOf(']', StringComparison.Ordinal))] : host.Split(':')[0];
        return name == "localhost" || IPAddress.TryParse(name, out var address) && IPAddress.IsLoopback(address);
    }
}
