using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Node.Tests.Pods;

/// <summary>As much of the API as a node needs, in memory: revisions, conflicts, watches, graceful deletion of pods.</summary>
internal sealed class FakeApi(TimeProvider time) : IApiClient
{
    public IApiClient As(string component) => this;

    private readonly Lock _gate = new(); // guards all below
    private readonly SortedDictionary<string, IKubeObject> _objects = new(StringComparer.Ordinal);
    private readonly List<(long Revision, string Key, WatchEventType Type, IKubeObject Object)> _history = [];
    private readonly List<Channel<bool>> _watchers = [];
    private long _revision;

    /// <summary>Asked before each write: may throw.</summary>
    public Action<string, IKubeObject>? BeforeWrite { get; set; }

    /// <summary>Awaited after each write, before its answer goes out: answers may come later than what the watch shows.</summary>
    public Func<string, IKubeObject, Task> BeforeAnswer { get; set; } = (_, _) => Task.CompletedTask;

    public IReadOnlyList<T> All<T>() where T : class, IKubeObject<T>
    {
        lock (_gate)
            return [.. _objects.Values.OfType<T>()];
    }

    /// <summary>Every state a pod's status went through.</summary>
    public IReadOnlyList<Pod> HistoryOf(string name)
    {
        lock (_gate)
            return [.. _history.Where(entry => entry.Type != WatchEventType.Deleted).Select(entry => entry.Object).OfType<Pod>().Where(pod => pod.Metadata.Name == name)];
    }

    public IReadOnlyList<Event> EventsOf(string name) => [.. All<Event>().Where(e => e.InvolvedObject.Name == name)];

    /// <summary>Waits for a state, woken by each write.</summary>
    public async Task<T> UntilAsync<T>(Func<FakeApi, T?> state, CancellationToken cancellationToken) where T : class
    {
        var wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        lock (_gate)
            _watchers.Add(wake);
        try
        {
            while (true)
            {
                if (state(this) is { } found)
                    return found;
                await wake.Reader.ReadAsync(cancellationToken);
            }
        }
        finally
        {
            lock (_gate)
                _watchers.Remove(wake);
        }
    }

    public Task<T> GetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        lock (_gate)
            return Task.FromResult(_objects.TryGetValue(Key<T>(@namespace, name), out var found) ? (T)found : throw StatusException.NotFound(T.KindInfo, name));
    }

    public Task<T?> TryGetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        lock (_gate)
            return Task.FromResult(_objects.TryGetValue(Key<T>(@namespace, name), out var found) ? (T?)found : null);
    }

    public Task<ObjectList<T>> ListAsync<T>(string? @namespace, Selection selection, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        lock (_gate)
            return Task.FromResult(new ObjectList<T>(
                new ListMeta { ResourceVersion = Text(_revision) }, [.. _objects.Values.OfType<T>().Where(value => IsSelected(value, @namespace, selection))]));
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        string? @namespace, Selection selection, string resourceVersion, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubeObject<T>
    {
        var position = long.Parse(resourceVersion, CultureInfo.InvariantCulture);
        var wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        lock (_gate)
            _watchers.Add(wake);
        try
        {
            while (true)
            {
                List<(long Revision, string Key, WatchEventType Type, IKubeObject Object)> changes;
                lock (_gate)
                    changes = [.. _history.Where(entry => entry.Revision > position)];
                foreach (var change in changes)
                {
                    position = change.Revision;
                    if (change.Object is T value && IsSelected(value, @namespace, selection))
                        yield return new(change.Type, value, Text(position));
                }
                if (changes.Count == 0)
                    await wake.Reader.ReadAsync(cancellationToken);
            }
        }
        finally
        {
            lock (_gate)
                _watchers.Remove(wake);
        }
    }

    public async Task<T> CreateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        BeforeWrite?.Invoke("create", value);
        var created = Create(value);
        await BeforeAnswer("create", created);
        return created;
    }

    private T Create<T>(T value) where T : class, IKubeObject<T>
    {
        lock (_gate)
        {
            var key = Key<T>(value.Metadata.Namespace, value.Metadata.Name);
            if (_objects.ContainsKey(key))
                throw StatusException.AlreadyExists(T.KindInfo, value.Metadata.Name);
            return Put(key, WatchEventType.Added, value, value.Metadata with
            {
                Uid = value.Metadata.Uid.Length > 0 ? value.Metadata.Uid : string.Create(CultureInfo.InvariantCulture, $"00000000-0000-4000-8000-{_revision + 1:D12}"),
                CreationTimestamp = Time.From(time.GetUtcNow()),
            });
        }
    }

    public Task<T> UpdateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        BeforeWrite?.Invoke("update", value);
        lock (_gate)
        {
            var (key, _) = Current(value);
            return Task.FromResult(Put(key, WatchEventType.Modified, value, value.Metadata));
        }
    }

    public async Task<T> UpdateStatusAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        BeforeWrite?.Invoke("status", value);
        var written = UpdateStatus(value);
        await BeforeAnswer("status", written);
        return written;
    }

    private T UpdateStatus<T>(T value) where T : class, IKubeObject<T>
    {
        lock (_gate)
        {
            var (key, current) = Current(value);
            IKubeObject next = (current, value) switch
            {
                (Pod old, Pod pod) => old with { Status = pod.Status },
                (Minke.Api.Core.V1.Node old, Minke.Api.Core.V1.Node node) => old with { Status = node.Status },
                _ => value,
            };
            return Json.Same(current, next) ? current : Put(key, WatchEventType.Modified, (T)next, current.Metadata);
        }
    }

    public Task<T> PatchAsync<T>(string? @namespace, string name, ApiPatch patch, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        lock (_gate)
        {
            if (!_objects.TryGetValue(Key<T>(@namespace, name), out var found))
                throw StatusException.NotFound(T.KindInfo, name);
            if (found is not Event happened)
                throw new NotSupportedException();
            using var document = JsonDocument.Parse(patch.Body);
            IKubeObject next = happened with
            {
                Count = document.RootElement.GetProperty("count").GetInt32(),
                Message = document.RootElement.GetProperty("message").GetString()!,
            };
            return Task.FromResult(Put(Key<T>(@namespace, name), WatchEventType.Modified, (T)next, happened.Metadata));
        }
    }

    public Task DeleteAsync<T>(string? @namespace, string name, DeleteOptions options, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        lock (_gate)
        {
            var key = Key<T>(@namespace, name);
            if (!_objects.TryGetValue(key, out var found))
                throw StatusException.NotFound(T.KindInfo, name);
            if (options.Preconditions?.Uid is { } uid && uid != found.Metadata.Uid)
                throw StatusException.Conflict(T.KindInfo, name, "the UID in the precondition does not match");
            if (found is Pod { Spec.NodeName.Length: > 0 } pod && options.GracePeriodSeconds != 0 && !pod.Status.Phase.Equals("Failed", StringComparison.Ordinal))
            {
                var grace = options.GracePeriodSeconds ?? pod.Spec.TerminationGracePeriodSeconds ?? 30;
                Put(key, WatchEventType.Modified, (T)(IKubeObject)pod, pod.Metadata with
                {
                    DeletionTimestamp = Time.From(time.GetUtcNow() + TimeSpan.FromSeconds(grace)),
                    DeletionGracePeriodSeconds = grace,
                });
                return Task.CompletedTask;
            }
            _objects.Remove(key);
            _history.Add((++_revision, key, WatchEventType.Deleted, found.WithMetadata(found.Metadata with { ResourceVersion = Text(_revision) })));
            Wake();
            return Task.CompletedTask;
        }
    }

    public Task<IJsonWritable> CreateSubresourceAsync<T>(
        string? @namespace, string name, string subresource, IJsonWritable body, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        throw new NotSupportedException();

    public Task<T> UpdateSubresourceAsync<T>(T value, string subresource, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        throw new NotSupportedException();

    public Task<IKubeObject?> TryGetAsync(KindInfo kind, string? @namespace, string name, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public IAsyncEnumerable<WatchEvent<IKubeObject>> WatchAsync(
        KindInfo kind, string? @namespace, Selection selection, string resourceVersion, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<IKubeObject> PatchAsync(KindInfo kind, string? @namespace, string name, ApiPatch patch, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<ObjectList<IKubeObject>> ListAsync(KindInfo kind, string? @namespace, Selection selection, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task DeleteAsync(KindInfo kind, string? @namespace, string name, DeleteOptions options, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    private (string Key, T Current) Current<T>(T value) where T : class, IKubeObject<T>
    {
        var key = Key<T>(value.Metadata.Namespace, value.Metadata.Name);
        if (!_objects.TryGetValue(key, out var found))
            throw StatusException.NotFound(T.KindInfo, value.Metadata.Name);
        if (value.Metadata.ResourceVersion.Length > 0 && value.Metadata.ResourceVersion != found.Metadata.ResourceVersion)
            throw StatusException.Modified(T.KindInfo, value.Metadata.Name);
        return (key, (T)found);
    }

    private T Put<T>(string key, WatchEventType type, T value, ObjectMeta metadata) where T : class, IKubeObject<T>
    {
        var stored = (T)((IKubeObject)value).WithMetadata(metadata with { ResourceVersion = Text(++_revision) });
        _objects[key] = stored;
        _history.Add((_revision, key, type, stored));
        Wake();
        return stored;
    }

    private void Wake()
    {
        foreach (var watcher in _watchers)
            watcher.Writer.TryWrite(true);
    }

    private static bool IsSelected(IKubeObject value, string? @namespace, Selection selection) =>
        (@namespace is null || value.Metadata.Namespace == @namespace)
        && (!selection.Fields.StartsWith("spec.nodeName=", StringComparison.Ordinal) || value is Pod pod && pod.Spec.NodeName == selection.Fields["spec.nodeName=".Length..])
        && (!selection.Fields.StartsWith("metadata.name=", StringComparison.Ordinal) || value.Metadata.Name == selection.Fields["metadata.name=".Length..]);

    private static string Key<T>(string? @namespace, string name) where T : class, IKubeObject<T> => $"{T.KindInfo.Plural}/{@namespace}/{name}";

    private static string Text(long revision) => revision.ToString(CultureInfo.InvariantCulture);
}
