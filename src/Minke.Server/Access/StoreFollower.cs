using Minke.Store;

namespace Minke.Server.Access;

/// <summary>
/// Keeps an index current with the store without a loop of its own: whoever is about to read the index asks first, and what has
/// changed below the prefixes since is told. So a decision never lags a write that was acknowledged, and an index nobody reads costs
/// nothing. Its owner's lock guards it.
/// </summary>
internal abstract class StoreFollower(IStateStore store, IReadOnlyList<string> prefixes)
{
    private readonly StateWatch?[] _watches = new StateWatch?[prefixes.Count];
    private long _complete = -1; // the revision up to which the index is; -1 before it is made

    /// <summary>Whether nothing at all was written since; cheap, and needs no lock.</summary>
    protected bool IsCurrent => Interlocked.Read(ref _complete) == store.CurrentRevision.Value;

    /// <summary>Brings the index up to date. Only under the owner's lock.</summary>
    protected void Follow()
    {
        if (IsCurrent)
            return;
        try
        {
            if (_complete < 0)
                Restart();
            var complete = long.MaxValue;
            foreach (var watch in _watches)
                complete = Math.Min(complete, Drain(watch!));
            if (_watches.Length > 0)
                Interlocked.Exchange(ref _complete, complete);
        }
        catch (WatchTooSlowException)
        {
            Restart(); // Nobody asked for long; from the beginning then.
        }
    }

    /// <summary>Makes the index anew.</summary>
    protected abstract void Load(Snapshot snapshot);

    protected abstract void Apply(in Change change);

    private long Drain(StateWatch watch)
    {
        while (true)
        {
            // Asked not to wait, it does not.
            var read = watch.ReadAsync(TimeSpan.Zero, CancellationToken.None);
            var batch = read.IsCompletedSuccessfully ? read.Result : read.AsTask().GetAwaiter().GetResult();
            foreach (var change in batch.Changes)
                Apply(change);
            if (batch.Changes.Count == 0)
                return batch.Revision.Value;
        }
    }

    private void Restart()
    {
        Snapshot snapshot;
        bool stands;
        do
        {
            snapshot = store.Snapshot();
            stands = true;
            for (var i = 0; i < _watches.Length; i++)
            {
                _watches[i]?.Dispose();
                _watches[i] = store.Watch(prefixes[i], snapshot.Revision);
                stands &= _watches[i] is not null;
            }
        }
        while (!stands); // Compacted between the two lines.
        Load(snapshot);
        Interlocked.Exchange(ref _complete, snapshot.Revision.Value);
    }
}
