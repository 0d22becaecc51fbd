using System.Text;
using System.Text.Json;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>Credentials for pulls, from the pod's <c>imagePullSecrets</c> (a service account's are copied there by admission).</summary>
internal sealed class PullSecrets(IApiClient api, EventRecorder events)
{
    private const string DockerHub = "docker.io";

    /// <summary>Those that may match the image's registry and path, the most specific first.</summary>
    public async Task<IReadOnlyList<RegistryCredential>> ForAsync(Pod pod, string image, CancellationToken cancellationToken)
    {
        if (pod.Spec.ImagePullSecrets.IsEmpty)
            return [];
        var found = new List<(string Pattern, RegistryCredential Credential)>();
        var missing = new List<string>();
        foreach (var reference in pod.Spec.ImagePullSecrets)
        {
            if (reference.Name.Length == 0)
                continue;
            if (await api.TryGetAsync<Secret>(pod.Metadata.Namespace, reference.Name, cancellationToken) is { } secret)
                found.AddRange(Read(secret));
            else
                missing.Add(reference.Name);
        }
        if (missing.Count > 0)
            events.Record(pod, "Warning", "FailedToRetrieveImagePullSecret",
                $"Unable to retrieve some image pull secrets ({string.Join(", ", missing)}); attempting to pull the image may not succeed.");
        return
        [
            .. found.Where(entry => Matches(entry.Pattern, Normalized(image)))
                .OrderByDescending(entry => entry.Pattern.Length).Select(entry => entry.Credential),
        ];
    }

    internal static IEnumerable<(string Pattern, RegistryCredential Credential)> Read(Secret secret)
    {
        if (secret.Data.TryGetValue(".dockerconfigjson", out var config))
            return Read(config, isNested: true);
        return secret.Data.TryGetValue(".dockercfg", out var legacy) ? Read(legacy, isNested: false) : [];
    }

    /// <summary>Host and path below it as kubelets match them: <c>*.example.com</c> globs one part of the host name each.</summary>
    internal static bool Matches(string pattern, string image)
    {
        var target = WithoutScheme(pattern);
        var patternSlash = target.IndexOf('/', StringComparison.Ordinal);
        var imageSlash = image.IndexOf('/', StringComparison.Ordinal);
        var (host, path) = patternSlash < 0 ? (target, "") : (target[..patternSlash], target[patternSlash..]);
        if (host is "index.docker.io" or "registry-1.docker.io")
            host = DockerHub;
        if (path is "/v1/" or "/v2/" or "/v1" or "/v2")
            path = "";
        return HostMatches(host, image[..imageSlash]) && image[imageSlash..].StartsWith(path, StringComparison.Ordinal);
    }

    /// <summary><c>host/path</c>, with Docker Hub's host written out.</summary>
    internal static string Normalized(string image)
    {
        var slash = image.IndexOf('/', StringComparison.Ordinal);
        var hasHost = slash > 0 && (image.AsSpan(0, slash).ContainsAny('.', ':') || image[..slash] == "localhost");
        return hasHost ? image : slash < 0 ? $"{DockerHub}/library/{image}" : $"{DockerHub}/{image}";
    }

    private static bool HostMatches(string pattern, string host)
    {
        var (patternName, patternPort) = SplitPort(pattern);
        var (hostName, hostPort) = SplitPort(host);
        if (patternPort.Length > 0 && patternPort != hostPort)
            return false;
        var patternParts = patternName.Split('.');
        var hostParts = hostName.Split('.');
        return patternParts.Length == hostParts.Length
            && patternParts.Zip(hostParts).All(pair => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pair.First, pair.Second, ignoreCase: false));
    }

    private static (string Name, string Port) SplitPort(string host) =>
        host.LastIndexOf(':') is var colon and > 0 ? (host[..colon], host[(colon + 1)..]) : (host, "");

    private static string WithoutScheme(string pattern) =>
        pattern.IndexOf("://", StringComparison.Ordinal) is var scheme and >= 0 ? pattern[(scheme + 3)..] : pattern;

    private static List<(string, RegistryCredential)> Read(byte[] json, bool isNested)
    {
        var result = new List<(string, RegistryCredential)>();
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (isNested && !root.TryGetProperty("auths", out root))
                return result;
            foreach (var entry in root.EnumerateObject())
            {
                var (user, password) = (Text(entry.Value, "username"), Text(entry.Value, "password"));
                if (Text(entry.Value, "auth") is { Length: > 0 } auth
                    && Encoding.UTF8.GetString(Convert.FromBase64String(auth)).Split(':', 2) is [var first, var second])
                    (user, password) = (first, second.TrimEnd('\0'));
                result.Add((entry.Name, new RegistryCredential(user, password, Text(entry.Value, "identitytoken"), Text(entry.Value, "registrytoken"))));
            }
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            // A secret of another shape offers nothing; the pull itself says what was refused.
        }
        return result;
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
