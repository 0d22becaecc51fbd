using System.Runtime.InteropServices;

namespace Minke.Store.Memory;

/// <summary>
/// The watches, by prefix. A change finds its groups by looking up its key's beginnings, so what one commit costs depends on the
/// watches it concerns and not on how many there are. Guarded by its owner's lock.
/// </summary>
internal sealed class WatchGroups
{
    private readonly Dictionary<string, WatchGroup> _groups = new(StringComparer.Ordinal);
    private int[] _lengths = []; // that the prefixes have, ascending
    private readonly List<WatchGroup> _touched = [];

    public MemoryWatch Join(string prefix, MissedChanges missed, StateMemory memory, TimeProvider time)
    {
        ref var group = ref CollectionsMarshal.GetValueRefOrAddDefault(_groups, prefix, out var isKnown);
        if (!isKnown)
        {
            group = new WatchGroup(prefix);
            NoteLengths();
        }
        var watch = new MemoryWatch(memory, group!, missed, time);
        group!.Watches.Add(watch);
        return watch;
    }

    public void Leave(MemoryWatch watch)
    {
        var group = watch.Group;
        if (!group.Watches.Remove(watch) || group.Watches.Count > 0)
            return;
        _groups.Remove(group.Prefix);
        NoteLengths();
    }

    /// <summary>Links the changes to the groups they concern.</summary>
    public void Append(IReadOnlyList<Change> changes)
    {
        if (_groups.Count == 0)
            return;
        var byPrefix = _groups.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var change in changes)
        {
            foreach (var length in _lengths)
            {
                if (length > change.Key.Length)
                    break;
                if (!byPrefix.TryGetValue(change.Key.AsSpan(0, length), out var group))
                    continue;
                if (group.Pending.Count == 0)
                    _touched.Add(group);
                group.Pending.Add(change);
            }
        }
        foreach (var group in _touched)
            group.Link();
    }

    /// <summary>The watches that the last <see cref="Append"/> has something for and that wait, in the order they came.</summary>
    public List<MemoryWatch> TakeWoken(StateStoreOptions options)
    {
        var woken = new List<MemoryWatch>();
        foreach (var group in _touched)
        {
            foreach (var watch in group.Watches)
            {
                if (watch.Advance(options))
                    woken.Add(watch);
            }
        }
        _touched.Clear();
        return woken;
    }

    public List<MemoryWatch> All() =>
        [.. _groups.Values.OrderBy(group => group.Prefix, StringComparer.Ordinal).SelectMany(group => group.Watches)];

    private void NoteLengths() => _lengths = [.. _groups.Keys.Select(prefix => prefix.Length).Distinct().Order()];
}

/// <summary>The watches of one prefix share one chain of changes; each remembers how far it has come on it.</summary>
internal sealed class WatchGroup(string prefix)
{
    public string Prefix { get; } = prefix;
    public List<MemoryWatch> Watches { get; } = [];
    public List<Change> Pending { get; } = [];

    /// <summary>The last link. Links that every watch has read are garbage.</summary>
    public ChangeLink Tail { get; private set; } = new([], default, 0, 0);

    public void Link()
    {
        var bytes = Tail.BytesBefore;
        foreach (var change in Pending)
            bytes += change.SizeBytes;
        var link = new ChangeLink([.. Pending], Pending[^1].Revision, Tail.ChangesBefore + Pending.Count, bytes);
        Pending.Clear();
        Tail.Next = link;
        Tail = link;
    }
}

/// <summary>The changes of one commit below one prefix.</summary>
/// <param name="changes">In order.</param>
/// <param name="revision">Of the last of them.</param>
/// <param name="changesBefore">In the chain, up to and with this link.</param>
/// <param name="bytesBefore">In the chain, up to and with this link.</param>
internal sealed class ChangeLink(Change[] changes, Revision revision, long changesBefore, long bytesBefore)
{
    private volatile ChangeLink? _next;

    public Change[] Changes { get; } = changes;
    public Revision Revision { get; } = revision;
    public long ChangesBefore { get; } = changesBefore;
    public long BytesBefore { get; } = bytesBefore;

    public ChangeLink? Next
    {
        get => _next;
        set => _next = value;
    }
}

/// <param name="Changes">What happened between the revision a watch resumes after and its start.</param>
/// <param name="Through">The store's revision at its start.</param>
internal readonly record struct MissedChanges(List<Change> Changes, Revision Through);
