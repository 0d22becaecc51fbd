namespace Minke.Store;

/// <summary>
/// The state of a cluster: keys and bytes with etcd's semantics. One revision counter, compare-and-swap per key, consistent reads,
/// ordered watch, compaction.
/// </summary>
/// <remarks>
/// Reads come from memory and never wait. A write is acknowledged once it is on disk; nothing uncommitted is ever visible. Keys are
/// ordered by ordinal comparison; the server's look like <c>/pods/shop/web-0</c>, and a range is a prefix.
/// </remarks>
public interface IStateStore : IAsyncDisposable
{
    /// <summary>The revision of the last committed write.</summary>
    Revision CurrentRevision { get; }

    /// <summary>The oldest revision a watch may start after and a snapshot may be asked at.</summary>
    Revision CompactedRevision { get; }

    /// <summary>Everything as of now: immutable, consistent, cheap to take and to keep.</summary>
    Snapshot Snapshot();

    /// <summary>Everything as of an earlier revision; null once compacted. For <c>continue</c> tokens and exact lists.</summary>
    /// <exception cref="FutureRevisionException">The revision has not been reached.</exception>
    Snapshot? SnapshotAt(Revision revision);

    /// <summary>
    /// Writes one key. <paramref name="expected"/> is the revision the key must be at: <see cref="Revision.None"/> for "must not exist".
    /// </summary>
    /// <param name="value">Kept as it is, not copied: it must not change any more.</param>
    /// <param name="cancellationToken">Gives up a write whose turn has not come; one that has begun is waited for.</param>
    /// <param name="decode">
    /// For a writer that has at hand what the bytes decode to: what <see cref="Entry.Decoded"/> of the new entry gives. Called at most
    /// once or by racing readers, and only if somebody asks.
    /// </param>
    /// <returns>The entry as committed, or the conflict: what is there instead.</returns>
    /// <exception cref="StoreUnavailableException">The disk is full, read-only or failing; nothing was written. Reads go on.</exception>
    ValueTask<WriteResult> PutAsync(
        string key, ReadOnlyMemory<byte> value, Revision expected, CancellationToken cancellationToken, Func<Entry, object>? decode = null);

    /// <summary>Removes one key if it is at <paramref name="expected"/>. Removing what is not there is a conflict with nothing.</summary>
    /// <exception cref="StoreUnavailableException">The disk is full, read-only or failing; nothing was written. Reads go on.</exception>
    ValueTask<WriteResult> DeleteAsync(string key, Revision expected, CancellationToken cancellationToken);

    /// <summary>
    /// A watch of the changes below a prefix after a revision, in order, without gaps or repeats. Null when that revision is
    /// compacted. Whatever is committed after this call returns reaches the watch.
    /// </summary>
    /// <exception cref="FutureRevisionException">The revision has not been reached.</exception>
    StateWatch? Watch(string prefix, Revision after);

    /// <summary>Writes a copy of everything as of now, which <see cref="Backups.StateRestore"/> reads. Writers do not wait for it.</summary>
    Task BackupAsync(Stream output, CancellationToken cancellationToken);

    /// <summary>Forgets the past, and gives the disk back what it freed. Open watches miss nothing; one that resumes from before lists again.</summary>
    /// <exception cref="StoreUnavailableException">The disk does not take writes; the past is forgotten all the same.</exception>
    Task<Compaction> CompactAsync(CancellationToken cancellationToken);

    /// <summary>Reads the disk once more, and compares it with memory. Writes wait while it is read: some milliseconds for each megabyte.</summary>
    /// <exception cref="StoreUnavailableException">The disk cannot be read.</exception>
    Task<StateCheck> CheckAsync(CancellationToken cancellationToken);

    /// <summary>Why writes fail at the moment, for health checks; null while the disk takes them.</summary>
    string? Trouble { get; }
}

/// <summary>The store's counter. Starts at 1 in an empty store and never repeats, not even after a crash.</summary>
public readonly record struct Revision(long Value) : IComparable<Revision>
{
    public static Revision None => default;
    public int CompareTo(Revision other) => Value.CompareTo(other.Value);
    public static bool operator <(Revision a, Revision b) => a.Value < b.Value;
    public static bool operator >(Revision a, Revision b) => a.Value > b.Value;
    public static bool operator <=(Revision a, Revision b) => a.Value <= b.Value;
    public static bool operator >=(Revision a, Revision b) => a.Value >= b.Value;
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>One version of one key. Immutable, shared by everybody who reads it.</summary>
/// <param name="decode">What <see cref="Decoded"/> gives, where the writer knows it without decoding.</param>
public sealed class Entry(string key, ReadOnlyMemory<byte> value, Revision created, Revision modified, Func<Entry, object>? decode = null)
{
    private object? _decoded = decode is null ? null : new Recipe(decode);

    public string Key { get; } = key;
    public ReadOnlyMemory<byte> Value { get; } = value;
    public Revision Created { get; } = created;
    public Revision Modified { get; } = modified;

    /// <summary>The bytes decoded, once, by whoever needs it first. Racing readers agree on one instance.</summary>
    public T Decoded<T>(Func<Entry, T> decode) where T : class
    {
        var known = Volatile.Read(ref _decoded);
        if (known is not (null or Recipe))
            return (T)known;
        var made = known is Recipe recipe ? (T)recipe.Make(this) : decode(this);
        var first = Interlocked.CompareExchange(ref _decoded, made, known);
        return ReferenceEquals(first, known) ? made : (T)first!;
    }

    private sealed record Recipe(Func<Entry, object> Make);
}

public enum WriteOutcome { Committed, Conflict }

/// <param name="Outcome">Whether it was written.</param>
/// <param name="Entry">Committed put: the new entry. Committed delete: the entry that was removed. Conflict: what is there, or null for nothing.</param>
/// <param name="Revision">Committed: the revision of this write. Conflict: the store's revision that was compared against.</param>
public readonly record struct WriteResult(WriteOutcome Outcome, Entry? Entry, Revision Revision);

/// <param name="Previous">What the key held before, null for a new key.</param>
/// <param name="Current">What it holds now, null when deleted.</param>
public readonly record struct Change(Revision Revision, string Key, Entry? Previous, Entry? Current)
{
    /// <summary>What it weighs while it waits: key, new value and the objects around them, in bytes.</summary>
    internal long SizeBytes => 128 + (2 * Key.Length) + (Current?.Value.Length ?? 0);
}

/// <param name="Changes">In order of revision; may be empty.</param>
/// <param name="Revision">The watch is complete up to here: no earlier change will follow. What a bookmark says.</param>
public readonly record struct ChangeBatch(IReadOnlyList<Change> Changes, Revision Revision);

/// <summary>The disk will not take writes; the message says why and what to do.</summary>
public sealed class StoreUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>What is on the disk is not a state Minke wrote, or it is damaged; the message says what to do.</summary>
public sealed class StoreCorruptException(string message) : Exception(message);

/// <summary>Another process holds the data directory.</summary>
public sealed class StoreInUseException(string message) : Exception(message);

public sealed class FutureRevisionException(Revision asked, Revision current)
    : Exception($"revision {asked} is later than the current one, {current}")
{
    public Revision Current { get; } = current;
}

/// <summary>A watch was not read while more changes than the store keeps for one reader went by: list again and watch from there.</summary>
public sealed class WatchTooSlowException(string message) : Exception(message);
