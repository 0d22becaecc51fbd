using System.Text.RegularExpressions;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>
/// The name of an image as Docker and Kubernetes read it (distribution/reference): <c>nginx</c> means
/// <c>docker.io/library/nginx:latest</c>.
/// </summary>
public sealed partial record ImageReference
{
    private const string DefaultDomain = "docker.io";
    private const int MaximumPathLength = 255;

    private ImageReference(string domain, string path, string tag, Digest? digest) =>
        (Domain, Path, Tag, Digest) = (domain, path, tag, digest);

    /// <summary>Host and optional port: <c>docker.io</c>, <c>localhost:5000</c>.</summary>
    public string Domain { get; }

    /// <summary>Repository on the registry: <c>library/nginx</c>.</summary>
    public string Path { get; }

    /// <summary>Empty when only a digest is given.</summary>
    public string Tag { get; }

    public Digest? Digest { get; }

    /// <summary>Domain and path: <c>docker.io/library/nginx</c>.</summary>
    public string Repository => $"{Domain}/{Path}";

    /// <summary>What identifies the manifest on the registry: the digest when there is one, else the tag.</summary>
    public string Target => Digest?.ToString() ?? Tag;

    /// <summary>The canonical name. A digest outweighs a tag, which is dropped then, as containerd does.</summary>
    public override string ToString() => Digest is { } digest ? $"{Repository}@{digest}" : $"{Repository}:{Tag}";

    /// <summary>Parses and normalises; a name with neither tag nor digest gets <c>latest</c>.</summary>
    /// <exception cref="ImageException">Reason <c>InvalidImageName</c>, with upstream's message.</exception>
    public static ImageReference Parse(string text) => TryParse(text, out var reference, out var error)
        ? reference! : throw new ImageException("InvalidImageName", $"couldn't parse image name \"{text}\": {error}");

    public static bool TryParse(string text, out ImageReference? reference, out string error)
    {
        ArgumentNullException.ThrowIfNull(text);
        reference = null;
        error = "invalid reference format";
        if (Identifier().IsMatch(text))
        {
            error = $"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings";
            return false;
        }

        var (domain, remainder) = SplitDomain(text);
        var colon = remainder.IndexOf(':', StringComparison.Ordinal);
        var remote = colon < 0 ? remainder : remainder[..colon];
        if (HasUpperCase(remote))
        {
            error = $"invalid reference format: repository name ({remote}) must be lowercase";
            return false;
        }
        if (Grammar().Match($"{domain}/{remainder}") is not { Success: true } match)
            return false;
        if (match.Groups["path"].Length > MaximumPathLength)
        {
            error = "repository name must not be more than 255 characters";
            return false;
        }

        Digest? digest = null;
        if (match.Groups["digest"] is { Success: true, Value: var digestText })
        {
            if (!Images.Digest.TryParse(digestText, out var parsed, out error))
                return false;
            digest = parsed;
        }
        var tag = match.Groups["tag"] is { Success: true, Value: var given } ? given : "";
        reference = new ImageReference(match.Groups["domain"].Value, match.Groups["path"].Value, digest is null && tag.Length == 0 ? "latest" : tag, digest);
        error = "";
        return true;
    }

    /// <summary>The first part is a host only when it looks like one: has a dot, a colon or an upper case letter, or is localhost.</summary>
    private static (string Domain, string Remainder) SplitDomain(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
            return (DefaultDomain, $"library/{name}");
        var first = name[..slash];
        var (domain, remainder) = first switch
        {
            "localhost" => (first, name[(slash + 1)..]),
            "index.docker.io" => (DefaultDomain, name[(slash + 1)..]),
            _ when first.AsSpan().ContainsAny('.', ':') || HasUpperCase(first) => (first, name[(slash + 1)..]),
            _ => (DefaultDomain, name),
        };
        return domain == DefaultDomain && !remainder.Contains('/', StringComparison.Ordinal)
            ? (domain, $"library/{remainder}") : (domain, remainder);
    }

    private static bool HasUpperCase(string text) => text.Any(char.IsUpper);

    [GeneratedRegex(@"\A[a-f0-9]{64}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Identifier();

    [GeneratedRegex(
        @"\A(?<domain>(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?)/" +
        @"(?<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)" +
        @"(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?" +
        @"(?:@(?<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?\z",
        RegexOptions.CultureInvariant)]
    private static partial Regex Grammar();
}
