namespace Minke.Node.Images.Store;

/// <summary>
/// Which layers are in use, asked of the one who knows: the kernel. Every overlay mount names its lower directories in mountinfo,
/// a bind mount of a single layer its directory, and every container has its root mount in its own mount namespace. So no
/// bookkeeping can be out of date.
/// </summary>
internal static class MountedLayers
{
    /// <summary>Those of the directory names that some mount on this machine uses.</summary>
    public static IReadOnlySet<string> Among(IReadOnlyCollection<string> names)
    {
        var mounted = new HashSet<string>(StringComparer.Ordinal);
        if (names.Count == 0)
            return mounted;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (!char.IsAsciiDigit(Path.GetFileName(process)[0]))
                continue;
            try
            {
                if (File.ResolveLinkTarget($"{process}/ns/mnt", returnFinalTarget: false)?.Name is not { } space || seen.Contains(space))
                    continue;
                foreach (var line in File.ReadLines($"{process}/mountinfo"))
                    mounted.UnionWith(names.Where(name => line.Contains(name, StringComparison.Ordinal)));
                seen.Add(space);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // The process ended while it was looked at; its namespace, if still used, has others in it.
            }
        }
        return mounted;
    }
}
