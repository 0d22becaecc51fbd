namespace Minke.Store.Memory;

/// <summary>
/// The committed state: the current snapshot, the recent past and the watches. Whoever decides the order of changes (the writer over
/// a local log; with etcd, its watch stream) applies them here, and every read is answered from here.
/// </summary>
internal sealed class StateMemory
{
    private readonly StateStoreOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new(); // guards all that follows, but for the two volatile fields' readers
    private readonly History _history;
    private readonly WatchGroups _groups = new();
    // Paging through a list asks for one revision again and again; each answer is kept until others push it out.
    private readonly Queue<MemorySnapshot> _rebuilt = new();
    private const int RebuiltAtMost = 8;
    private bool _isClosed;

    private volatile MemorySnapshot _head;
    private long _published;

    public StateMemory(MemorySnapshot start, StateStoreOptions options, TimeProvider time)
    {
        (_head, _published) = (start, start.Revision.Value);
        (_options, _time) = (options, time);
        _history = new History(start, options, time);
    }

    public MemorySnapshot Head => _head;

    /// <summary>Changes up to here have reached their watches, though these may not have been read yet.</summary>
    public Revision Published => new(Volatile.Read(ref _published));

    public Revision CompactedRevision
    {
        get
        {
            lock (_gate)
                return _history.Start;
        }
    }

    /// <summary>Makes committed changes visible: first to reads, then to watches, so that who sees a change can read it too.</summary>
    public void Apply(EntryMap map, IReadOnlyList<Change> changes)
    {
        List<MemoryWatch> woken;
        lock (_gate)
        {
            var head = new MemorySnapshot(changes[^1].Revision, map);
            _history.Append(_head, changes);
            while (_rebuilt.TryPeek(out var oldest) && oldest.Revision < _history.Start)
                _rebuilt.Dequeue();
            _head = head;
            _groups.Append(changes);
            Volatile.Write(ref _published, head.Revision.Value);
            woken = _groups.TakeWoken(_options);
        }
        foreach (var watch in woken)
            watch.Wake();
    }

    public MemorySnapshot? SnapshotAt(Revision revision)
    {
        History.SegmentView segment;
        lock (_gate)
        {
            var head = _head;
            if (revision == head.Revision)
                return head;
            if (revision > head.Revision)
                throw new FutureRevisionException(revision, head.Revision);
            if (revision < _history.Start)
                return null;
            if (_rebuilt.FirstOrDefault(snapshot => snapshot.Revision == revision) is { } known)
                return known;
            segment = _history.At(revision);
        }
        var rebuilt = segment.At(revision);
        lock (_gate)
        {
            _rebuilt.Enqueue(rebuilt);
            if (_rebuilt.Count > RebuiltAtMost)
                _rebuilt.Dequeue();
        }
        return rebuilt;
    }

    public MemoryWatch? Watch(string prefix, Revision after)
    {
        // Most of a long history is gone through outside the lock, the few changes that come meanwhile inside.
        var missed = new List<Change>();
        List<History.SegmentView> segments;
        Revision seen;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(IStateStore));
            if (after > _head.Revision)
                throw new FutureRevisionException(after, _head.Revision);
            if (after < _history.Start)
                return null;
            segments = _history.After(after);
            seen = _head.Revision;
        }
        Collect(segments, after);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(IStateStore));
            if (seen < _head.Revision)
            {
                if (seen < _history.Start)
                    return null;
                Collect(_history.After(seen), seen);
            }
            return _groups.Join(prefix, new MissedChanges(missed, _head.Revision), this, _time);
        }

        void Collect(List<History.SegmentView> views, Revision from)
        {
            foreach (var view in views)
            {
                foreach (var change in view.Changes)
                {
                    if (change.Revision > from && change.Key.StartsWith(prefix, StringComparison.Ordinal))
                        missed.Add(change);
                }
            }
        }
    }

    /// <summary>Forgets the past: what watches that are open have still to read stays theirs.</summary>
    /// <returns>The oldest revision there is now, and how many changes are gone.</returns>
    public (Revision Start, int Forgotten) Compact()
    {
        lock (_gate)
        {
            _rebuilt.Clear();
            return (_head.Revision, _history.Forget(_head));
        }
    }

    public void Leave(MemoryWatch watch)
    {
        lock (_gate)
            _groups.Leave(watch);
    }

    /// <summary>Ends every watch.</summary>
    public void Close()
    {
        List<MemoryWatch> watches;
        lock (_gate)
        {
            _isClosed = true;
            watches = _groups.All();
        }
        foreach (var watch in watches)
            watch.Dispose();
    }
}
