namespace Minke.Store;

/// <summary>The keys and entries of one revision. Immutable.</summary>
public abstract class Snapshot
{
    public abstract Revision Revision { get; }

    public abstract Entry? Get(string key);

    /// <summary>Entries below a prefix in key order, from the first key after <paramref name="startAfter"/>.</summary>
    public abstract IEnumerable<Entry> Range(string prefix, string? startAfter = null);

    /// <summary>How many entries <see cref="Range"/> would give.</summary>
    public abstract int Count(string prefix, string? startAfter = null);
}
