using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Control.Lifecycle.Ownership;

/// <summary>What the garbage collector remembers of one object.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Key">Where it is.</param>
/// <param name="Uid">Which it is.</param>
/// <param name="Owners">To whom it belongs.</param>
/// <param name="IsDeleting">It is on its way out.</param>
/// <param name="AwaitsDependents">Its own deletion waits until its dependents are gone (foreground).</param>
/// <param name="LeavesDependents">Its dependents are to be cut loose before it goes (orphan).</param>
internal sealed record OwnedObject(
    KindInfo Kind, ObjectKey Key, string Uid, ApiList<OwnerReference> Owners, bool IsDeleting, bool AwaitsDependents, bool LeavesDependents)
{
    public static OwnedObject Of(KindInfo kind, IKubeObject value)
    {
        var metadata = value.Metadata;
        var isDeleting = metadata.DeletionTimestamp is not null;
        return new(
            kind, ObjectKey.Of(value), metadata.Uid, metadata.OwnerReferences, isDeleting,
            isDeleting && metadata.Finalizers.Contains(Finalizers.Foreground), isDeleting && metadata.Finalizers.Contains(Finalizers.Orphan));
    }

    /// <summary>Only these are kept: an object without owners that is not waiting for dependents concerns nobody.</summary>
    public bool IsOfInterest => !Owners.IsEmpty || AwaitsDependents || LeavesDependents;

    public bool Blocks(string owner) => Owners.Any(reference => reference.Uid == owner && reference.BlockOwnerDeletion == true);
}

internal static class Finalizers
{
    public const string Foreground = "foregroundDeletion";
    public const string Orphan = "orphan";
}

/// <summary>Who belongs to whom, by uid. Thread-safe.</summary>
internal sealed class OwnerGraph
{
    // As upstream's cache of absent owners.
    private const int MaxLost = 500;

    private readonly Lock _lock = new();
    // All guarded by _lock. The owners that were seen going last are remembered, the oldest first.
    private readonly Dictionary<string, OwnedObject> _objects = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _dependents = new(StringComparer.Ordinal);
    private readonly Queue<string> _lost = new();

    public OwnedObject? Get(string uid)
    {
        lock (_lock)
            return _objects.GetValueOrDefault(uid);
    }

    public IReadOnlyList<OwnedObject> DependentsOf(string uid)
    {
        lock (_lock)
            return _dependents.TryGetValue(uid, out var dependents) ? [.. dependents.Select(dependent => _objects[dependent])] : [];
    }

    /// <summary>Whether an owner was seen going a short while ago.</summary>
    public bool WasLost(string uid)
    {
        lock (_lock)
            return _lost.Contains(uid);
    }

    /// <summary>Takes in an object as it is now. Gives the uids to look at because of it.</summary>
    public IReadOnlyList<string> Observe(OwnedObject now)
    {
        lock (_lock)
        {
            var before = _objects.GetValueOrDefault(now.Uid);
            if (before is null && !now.IsOfInterest)
                return [];
            var due = new List<string>();
            if (before is not null)
                Unlink(before, due);
            if (now.IsOfInterest)
                Link(now);
            var isNews = before is null || !before.Owners.SequenceEqual(now.Owners)
                || before.AwaitsDependents != now.AwaitsDependents || before.LeavesDependents != now.LeavesDependents;
            if (isNews && now.IsOfInterest)
                due.Add(now.Uid);
            return due;
        }
    }

    /// <summary>An object is gone. Gives the uids to look at because of it: what it owned, and owners that waited for it.</summary>
    public IReadOnlyList<string> Forget(string uid)
    {
        lock (_lock)
        {
            var due = new List<string>();
            if (_dependents.TryGetValue(uid, out var dependents))
            {
                due.AddRange(dependents);
                if (_lost.Count == MaxLost)
                    _lost.Dequeue();
                _lost.Enqueue(uid);
            }
            if (_objects.Remove(uid, out var gone))
                Unlink(gone, due);
            return due;
        }
    }

    /// <summary>Takes in everything there is of a kind; what was known and is not in the list is gone.</summary>
    public IReadOnlyList<string> Replace(KindInfo kind, IEnumerable<IKubeObject> values)
    {
        var due = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var value in values)
        {
            seen.Add(value.Metadata.Uid);
            due.AddRange(Observe(OwnedObject.Of(kind, value)));
        }
        List<string> gone;
        lock (_lock)
            gone = [.. _objects.Values.Where(one => one.Kind == kind && !seen.Contains(one.Uid)).Select(one => one.Uid)];
        foreach (var uid in gone)
            due.AddRange(Forget(uid));
        return due;
    }

    private void Link(OwnedObject value)
    {
        _objects[value.Uid] = value;
        foreach (var owner in value.Owners)
        {
            if (!_dependents.TryGetValue(owner.Uid, out var dependents))
                _dependents[owner.Uid] = dependents = new(StringComparer.Ordinal);
            dependents.Add(value.Uid);
        }
    }

    /// <param name="value">As it was.</param>
    /// <param name="due">Gets the owners whose deletion may have waited for it.</param>
    private void Unlink(OwnedObject value, List<string> due)
    {
        _objects.Remove(value.Uid);
        foreach (var owner in value.Owners)
        {
            if (_dependents.TryGetValue(owner.Uid, out var dependents) && dependents.Remove(value.Uid) && dependents.Count == 0)
                _dependents.Remove(owner.Uid);
            if (_objects.TryGetValue(owner.Uid, out var known) && known.AwaitsDependents)
                due.Add(owner.Uid);
        }
    }
}
