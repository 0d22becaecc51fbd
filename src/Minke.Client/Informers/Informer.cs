using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Minke.Api;

namespace Minke.Client;

/// <summary>A change an informer saw: <see cref="Old"/> is null for a new object, <see cref="New"/> for one that is gone.</summary>
public readonly record struct Observed<T>(ObjectKey Key, T? Old, T? New) where T : class;

/// <summary>A cached, watched view of one kind: lists once, then follows; lists again when the watch was too far behind.</summary>
/// <remarks>
/// One loop (<see cref="RunAsync"/>) owns the cache; everybody else reads immutable snapshots of it. Handlers run on that loop, in
/// order, and must be quick: put a key into a queue. The cache may lag the caller's own last write.
/// </remarks>
public sealed partial class Informer<T>(IApiClient api, string? @namespace, Selection selection, TimeProvider time, ILogger logger)
    where T : class, IKubeObject<T>
{
    private static readonly TimeSpan MinRetryDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan MaxRetryDelay = TimeSpan.FromSeconds(30);

    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Action<Observed<T>>> _handlers = [];
    private volatile ImmutableSortedDictionary<ObjectKey, T> _cache = ImmutableSortedDictionary<ObjectKey, T>.Empty;

    /// <summary>All objects, in order of their keys.</summary>
    public IEnumerable<T> All => _cache.Values;
    public int Count => _cache.Count;

    public T? Get(ObjectKey key) => _cache.GetValueOrDefault(key);

    public T? Get(string @namespace, string name) => Get(new ObjectKey(@namespace, name));

    /// <summary>Adds a handler; only before <see cref="RunAsync"/>.</summary>
    public void OnChange(Action<Observed<T>> handler) => _handlers.Add(handler);

    /// <summary>Completes once the first list is in the cache and its handlers have run.</summary>
    public Task WaitForSyncAsync(CancellationToken cancellationToken) => _synced.Task.WaitAsync(cancellationToken);

    /// <summary>Follows the kind until cancelled. Started and awaited by the composition.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var delay = MinRetryDelay;
        string? position = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                position ??= await RelistAsync(cancellationToken);
                await foreach (var change in api.WatchAsync<T>(@namespace, selection, position, cancellationToken))
                {
                    if (change.Object is not null)
                        Apply(change.Type, change.Object);
                    position = change.ResourceVersion;
                    delay = MinRetryDelay;
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (StatusException e) when (e.Code == 410)
            {
                position = null;
            }
            catch (Exception e) when (e is StatusException or IOException or HttpRequestException or TimeoutException)
            {
                LogWatchFailed(T.KindInfo.Plural, delay.TotalMilliseconds, e.Message);
                await Task.Delay(delay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                delay = delay * 2 < MaxRetryDelay ? delay * 2 : MaxRetryDelay;
            }
        }
    }

    private async Task<string> RelistAsync(CancellationToken cancellationToken)
    {
        var list = await api.ListAsync<T>(@namespace, selection, cancellationToken);
        var before = _cache;
        var after = ImmutableSortedDictionary.CreateBuilder<ObjectKey, T>();
        foreach (var item in list.Items)
            after[ObjectKey.Of(item)] = item;
        _cache = after.ToImmutable();

        foreach (var (key, old) in before)
        {
            if (!_cache.ContainsKey(key))
                Tell(new(key, old, null));
        }
        foreach (var (key, item) in _cache)
        {
            var old = before.GetValueOrDefault(key);
            if (old?.Metadata.ResourceVersion != item.Metadata.ResourceVersion)
                Tell(new(key, old, item));
        }
        _synced.TrySetResult();
        return list.Metadata.ResourceVersion;
    }

    private void Apply(WatchEventType type, T value)
    {
        var key = ObjectKey.Of(value);
        var old = _cache.GetValueOrDefault(key);
        _cache = type == WatchEventType.Deleted ? _cache.Remove(key) : _cache.SetItem(key, value);
        Tell(new(key, type == WatchEventType.Deleted ? old ?? value : old, type == WatchEventType.Deleted ? null : value));
    }

    private void Tell(Observed<T> change)
    {
        foreach (var handler in _handlers)
            handler(change);
    }

    [LoggerMessage(LogLevel.Warning, "Watch of {Kind} failed, again in {DelayMilliseconds} ms: {Error}")]
    private partial void LogWatchFailed(string kind, double delayMilliseconds, string error);
}
