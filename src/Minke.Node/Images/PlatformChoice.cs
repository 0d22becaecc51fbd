namespace Minke.Node.Images;

/// <summary>Picks from an index the image that runs best here.</summary>
internal static class PlatformChoice
{
    /// <summary>Null when none runs here. Of equals the first wins, as the maker of the index meant it.</summary>
    public static Descriptor? Choose(IEnumerable<Descriptor> candidates, Platform host) => candidates
        .Where(candidate => MediaTypes.IsManifest(candidate.MediaType) || MediaTypes.IsIndex(candidate.MediaType) || string.IsNullOrEmpty(candidate.MediaType))
        .Select(candidate => (Candidate: candidate, Fit: host.Fit(candidate.Platform)))
        .Where(choice => choice.Fit is not null)
        .OrderByDescending(choice => choice.Fit)
        .Select(choice => choice.Candidate)
        .FirstOrDefault();

    /// <summary>Upstream's words, and then what they mean and what to do.</summary>
    public static string NoMatch(string name, IEnumerable<Platform?> offered, Platform host)
    {
        var platforms = offered.Select(platform => platform?.ToString()).Where(text => text is { Length: > 1 } && !text.StartsWith("unknown", StringComparison.Ordinal))
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        var made = platforms.Count == 0 ? "no platform" : string.Join(", ", platforms);
        return $"no match for platform in manifest: not found: {name} is made for {made}; containers share the host's kernel and processor, "
            + $"so this node needs an image for {host.Os}/{host.Architecture}";
    }
}
