namespace Minke.Node.Runtime.Embedded;

/// <summary>Bytes below a container's writable layer. Counting walks the tree, so an answer is kept for a while.</summary>
internal sealed class LayerUsage
{
    /// <summary>How often the kubelet looks at file systems by default.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(10);
    private readonly Lock _gate = new(); // guards the two below
    private DateTimeOffset _countedAt = DateTimeOffset.MinValue;
    private long _bytes;

    public long Read(string directory, TimeProvider time)
    {
        lock (_gate)
        {
            if (time.GetUtcNow() - _countedAt < Kept)
                return _bytes;
        }
        long bytes = 0;
        try
        {
            var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
            foreach (var file in new DirectoryInfo(directory).EnumerateFiles("*", options))
                bytes += file.Length;
        }
        catch (IOException)
        {
            // It changes while it is walked.
        }
        lock (_gate)
        {
            (_bytes, _countedAt) = (bytes, time.GetUtcNow());
            return bytes;
        }
    }
}
