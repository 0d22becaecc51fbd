namespace Minke.Store.Log;

/// <summary>
/// Where the state is durable: below the memory index, above the disk. It keeps what is current, one row an entry, and the counter;
/// the past is memory's affair.
/// </summary>
/// <remarks>Used by one caller, one call at a time.</remarks>
public interface IStateLog : IAsyncDisposable
{
    /// <summary>Everything that is current. The first call, made once.</summary>
    /// <exception cref="StoreUnavailableException">The disk cannot be read.</exception>
    /// <exception cref="StoreCorruptException">What is on the disk is not a state.</exception>
    ValueTask<LogContents> LoadAsync();

    /// <summary>
    /// Makes changes durable, all or none; the last one's revision becomes the counter. Returns when they are on disk. Without
    /// changes it only proves that the disk takes writes.
    /// </summary>
    /// <exception cref="StoreUnavailableException">Nothing was written. The next call tries anew, with whatever reopening it takes.</exception>
    ValueTask AppendAsync(IReadOnlyList<Change> changes);

    /// <summary>Stores other bytes for entries that are current; their revisions stay. All or none.</summary>
    /// <param name="entries">The values as they are to be stored.</param>
    /// <param name="leavesNoTrace">Whether what was there before must not be found on the disk any more.</param>
    /// <exception cref="StoreUnavailableException">Nothing was written.</exception>
    ValueTask RewriteAsync(IReadOnlyList<Entry> entries, bool leavesNoTrace);

    /// <summary>Whether there is space to give back.</summary>
    CompactionNeed CompactionNeed { get; }

    /// <summary>Gives back some space: a short step, so that writes need not wait long. There may be more to do afterwards.</summary>
    /// <exception cref="StoreUnavailableException">The disk does not take writes.</exception>
    ValueTask CompactAsync();

    /// <summary>A short step of giving back all space there is. Whether there is more to do.</summary>
    /// <exception cref="StoreUnavailableException">The disk does not take writes.</exception>
    ValueTask<bool> ShrinkAsync();

    /// <summary>What it takes on the disk.</summary>
    long SizeBytes { get; }

    /// <summary>An entry as it is to lie outside memory. From any thread.</summary>
    Entry AsStored(Entry entry);

    /// <summary>Reads everything once more, from the disk. Damage is what is asked for, so it is an answer and not an error.</summary>
    /// <exception cref="StoreUnavailableException">The disk cannot be read.</exception>
    ValueTask<LogCheck> CheckAsync();
}

/// <param name="Revision">The counter: no revision up to here may be given out again.</param>
/// <param name="Entries">In any order.</param>
public readonly record struct LogContents(Revision Revision, List<Entry> Entries);

/// <param name="Contents">As far as it can be read.</param>
/// <param name="Problems">What is wrong with it, in words.</param>
public readonly record struct LogCheck(LogContents Contents, IReadOnlyList<string> Problems);

public enum CompactionNeed
{
    None,

    /// <summary>Worth doing once no write is waiting for a while.</summary>
    WhenQuiet,

    /// <summary>Overdue: between two commits, even under load.</summary>
    Now,
}
