namespace Minke.Store.Memory;

/// <summary>
/// The recent changes in order: what watches resume from and earlier snapshots are rebuilt from. Kept by age, number and size; the
/// oldest go first.
/// </summary>
/// <remarks>
/// A list of segments. Each knows the map before its first change, so the state at any kept revision is that map with at most one
/// segment's changes done again. Not thread-safe but for <see cref="Segment"/>: changes below a count that was read stay as they are.
/// </remarks>
internal sealed class History
{
    private const int SegmentChanges = 256;
    // A segment is dropped whole: a slow trickle of changes must still age out in small steps.
    private static readonly TimeSpan SegmentAge = TimeSpan.FromSeconds(10);

    private readonly StateStoreOptions _options;
    private readonly TimeProvider _time;
    private readonly List<Segment> _segments = []; // the last one is being filled; there is always one
    private int _changes;
    private long _bytes;

    public History(MemorySnapshot start, StateStoreOptions options, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _segments.Add(new Segment(start, time.GetTimestamp()));
    }

    /// <summary>Changes after this revision are all here.</summary>
    public Revision Start => _segments[0].Before.Revision;

    public void Append(MemorySnapshot before, IReadOnlyList<Change> changes)
    {
        var last = _segments[^1];
        if (last.Count >= SegmentChanges || (last.Count > 0 && _time.GetElapsedTime(last.Began) >= SegmentAge))
            _segments.Add(last = new Segment(before, _time.GetTimestamp()));
        var bytes = 0L;
        foreach (var change in changes)
            bytes += change.SizeBytes;
        last.Append(changes, bytes);
        _changes += changes.Count;
        _bytes += bytes;
        Compact();
    }

    /// <summary>The segments that hold the changes after a revision, for reading without a lock.</summary>
    public List<SegmentView> After(Revision revision)
    {
        var views = new List<SegmentView>();
        for (var i = IndexFor(revision); i < _segments.Count; i++)
            views.Add(new SegmentView(_segments[i], _segments[i].Count));
        return views;
    }

    /// <summary>The state at a revision that is not before <see cref="Start"/>.</summary>
    public SegmentView At(Revision revision)
    {
        var segment = _segments[IndexFor(revision)];
        return new SegmentView(segment, segment.Count);
    }

    private void Compact()
    {
        var drop = 0;
        while (drop < _segments.Count - 1)
        {
            var oldest = _segments[drop];
            // A segment is as old as its youngest change, which is not younger than the segment after it.
            var isOld = _time.GetElapsedTime(_segments[drop + 1].Began) >= _options.HistoryAge;
            var isTooMuch = _changes > _options.HistoryAtMost || _bytes > _options.HistoryBytes;
            if (!isTooMuch && !(isOld && _changes - oldest.Count >= _options.HistoryAtLeast))
                break;
            _changes -= oldest.Count;
            _bytes -= oldest.Bytes;
            drop++;
        }
        _segments.RemoveRange(0, drop);
    }

    /// <summary>Begins anew. Whoever reads a segment still has it.</summary>
    /// <returns>How many changes are gone.</returns>
    public int Forget(MemorySnapshot now)
    {
        var forgotten = _changes;
        _segments.Clear();
        _segments.Add(new Segment(now, _time.GetTimestamp()));
        (_changes, _bytes) = (0, 0);
        return forgotten;
    }

    /// <summary>The segment that holds the first change after a revision.</summary>
    private int IndexFor(Revision revision)
    {
        var (low, high) = (1, _segments.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (_segments[middle].Before.Revision <= revision)
                low = middle + 1;
            else
                high = middle - 1;
        }
        return low - 1;
    }

    /// <summary>Consecutive changes, and the state before the first of them.</summary>
    internal sealed class Segment(MemorySnapshot before, long began)
    {
        private Change[] _changes = new Change[16];

        public MemorySnapshot Before { get; } = before;
        public long Began { get; } = began;
        public int Count { get; private set; }
        public long Bytes { get; private set; }

        // A grown array is a new one: whoever reads the old one still finds what was there.
        public Change[] Changes => _changes;

        public void Append(IReadOnlyList<Change> changes, long bytes)
        {
            var needed = Count + changes.Count;
            if (needed > _changes.Length)
                Array.Resize(ref _changes, Math.Max(needed, Math.Min(_changes.Length * 4, SegmentChanges)));
            for (var i = 0; i < changes.Count; i++)
                _changes[Count + i] = changes[i];
            Count = needed;
            Bytes += bytes;
        }
    }

    /// <summary>A segment as far as it was filled at one moment.</summary>
    internal readonly struct SegmentView(Segment segment, int count)
    {
        private readonly Change[] _changes = segment.Changes;

        public ReadOnlySpan<Change> Changes => _changes.AsSpan(0, count);

        /// <summary>The state before the first change, with the changes up to a revision done again.</summary>
        public MemorySnapshot At(Revision revision)
        {
            var map = segment.Before.Map;
            foreach (var change in Changes)
            {
                if (change.Revision > revision)
                    break;
                map = change.Current is { } entry ? map.With(entry) : map.Without(change.Key);
            }
            return new MemorySnapshot(revision, map);
        }
    }
}
