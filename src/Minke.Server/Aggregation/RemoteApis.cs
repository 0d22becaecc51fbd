using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Apiregistration.V1;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Server.Access;
using Minke.Server.Proxying;
using Minke.Server.Registry;
using Minke.Server.Webhooks;
using Minke.Store;

namespace Minke.Server.Aggregation;

/// <summary>
/// Follows APIServices: publishes what they say, asks the servers behind them whether they answer and what they have, and writes that
/// into their conditions. (kube-aggregator/pkg/controllers/status)
/// </summary>
/// <remarks>
/// A change of an APIService, of its Service or of that one's endpoints is acted on at once. What no event tells, a server that hangs
/// or comes back, is found by asking every 30 seconds, sooner at first while one is not available. Without remote ones nothing is asked.
/// </remarks>
internal sealed partial class RemoteApis : IReconciler, IDisposable
{
    private static readonly TimeSpan RecheckInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(250);

    private readonly IStateStore _store;
    private readonly ObjectRegistry _registry;
    private readonly Func<APIServiceSpec, RemoteTransport> _connect;
    private readonly LocalApiServices _locals;
    private readonly RemoteDiscovery _discovery;
    private readonly IdSource _ids;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Resource? _resource;
    private readonly Resource _services;
    private readonly Resource _endpoints;
    private readonly ReconcileLoop _loop;
    private readonly Revision _loaded;
    private readonly Lock _lock = new();
    // All guarded by _lock.
    private readonly Dictionary<(string Group, string Version), (int Group, int Version)> _priorities = [];
    private readonly SortedDictionary<string, RemoteApi> _remotes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _failures = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ITimer> _rechecks = new(StringComparer.Ordinal);
    private volatile ApiRegistrations _current = ApiRegistrations.None;

    public RemoteApis(
        IStateStore store, ResourceCatalog catalog, ObjectRegistry registry, ServiceResolver services, Dialer dialer, Func<X509Certificate2?> identity,
        LocalApiServices locals, IdSource ids, TimeProvider clock, ILogger logger)
    {
        (_store, _registry, _locals, _ids, _clock, _logger) = (store, registry, locals, ids, clock, logger);
        _connect = spec => new RemoteTransport(spec, services, dialer, identity(), ids);
        _discovery = new RemoteDiscovery(clock);
        _resource = catalog.Find(APIService.KindInfo);
        _services = catalog.Find(Service.KindInfo)!;
        _endpoints = catalog.Find(Endpoints.KindInfo)!;
        _loop = new ReconcileLoop("api-services", this, clock, logger, workers: 2);
        var snapshot = store.Snapshot();
        _loaded = snapshot.Revision;
        if (_resource is null)
            return;
        foreach (var entry in snapshot.Range(_resource.Prefix))
            Observe(NameOf(_resource, entry.Key), Read(entry));
    }

    /// <summary>The same instance as long as nothing changes.</summary>
    public ApiRegistrations Current => _current;

    /// <summary>Follows until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_resource is null)
            return;
        await Task.WhenAll(
            _loop.RunAsync(cancellationToken),
            FollowAsync(_resource, change => Observe(NameOf(_resource, change.Key), change.Current is { } current ? Read(current) : null)),
            FollowAsync(_services, change => ObserveService(NameOf(_services, change.Key))),
            FollowAsync(_endpoints, change => ObserveService(NameOf(_endpoints, change.Key))));

        Task FollowAsync(Resource resource, Action<Change> observe) => _store.FollowAsync(resource.Prefix, _loaded, observe, cancellationToken);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var timer in _rechecks.Values)
                timer.Dispose();
            foreach (var remote in _remotes.Values)
                remote.Transport.Dispose();
        }
    }

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (_store.Snapshot().Get(_resource!.Key("", key.Name)) is not { } entry)
            return Requeue.Never;
        var service = Read(entry);
        RemoteApi? remote;
        lock (_lock)
            remote = _remotes.GetValueOrDefault(key.Name);
        if (service.Spec.Service is null)
        {
            await WriteAsync(service, ApiServiceConditions.Local, cancellationToken);
            return Requeue.Never;
        }
        if (remote is null || !Json.Same(remote.Service.Spec, service.Spec))
            return Requeue.Never; // The watch is about to bring it.
        var trouble = Examine(service.Spec.Service);
        var (condition, learnt) = trouble is null ? await AskAsync(remote, cancellationToken) : (trouble, remote with { IsAvailable = false });
        // First for requests, then for everybody to see: who reads that it is available may use it.
        Learn(remote, learnt);
        await WriteAsync(service, condition, cancellationToken);
        if (trouble is null)
            CheckAgain(key, learnt.IsAvailable); // Of a Service and its endpoints events tell.
        return Requeue.Never;
    }

    private async Task<(APIServiceCondition Condition, RemoteApi Learnt)> AskAsync(RemoteApi remote, CancellationToken cancellationToken)
    {
        var (found, why) = await _discovery.AskAsync(remote, cancellationToken);
        if (found is null)
            return (ApiServiceConditions.FailedDiscoveryCheck(why), remote with { IsAvailable = false });
        return (ApiServiceConditions.Passed, remote with { IsAvailable = true, Discovery = found, OpenApi = await _discovery.OpenApiAsync(remote, cancellationToken) });
    }

    /// <summary>What is wrong already with the Service; null when the server itself is to be asked.</summary>
    private APIServiceCondition? Examine(ServiceReference reference)
    {
        var snapshot = _store.Snapshot();
        if (snapshot.Get(_services.Key(reference.Namespace, reference.Name)) is not { } entry)
            return ApiServiceConditions.ServiceNotFound(reference);
        var service = (Service)StoredObject.Read(_services, entry);
        if (service.Spec.Type != ServiceType.ClusterIP)
            return null;
        if (service.Spec.Ports.FirstOrDefault(one => one.Port == reference.Port) is not { } port)
            return ApiServiceConditions.ServicePortError(reference);
        if (snapshot.Get(_endpoints.Key(reference.Namespace, reference.Name)) is not { } found)
            return ApiServiceConditions.EndpointsNotFound(reference);
        var endpoints = (Endpoints)StoredObject.Read(_endpoints, found);
        return endpoints.Subsets.Any(subset => !subset.Addresses.IsEmpty && subset.Ports.Any(one => one.Name == port.Name))
            ? null : ApiServiceConditions.MissingEndpoints(reference, port.Name);
    }

    private async Task WriteAsync(APIService seen, APIServiceCondition condition, CancellationToken cancellationToken)
    {
        var now = _clock.GetUtcNow();
        if (ReferenceEquals(ApiServiceConditions.With(seen.Status, condition, now), seen.Status))
            return;
        try
        {
            await _registry.UpdateAsync(_resource!, "status", "", seen.Metadata.Name,
                current => Json.Same(((APIService)current!).Spec, seen.Spec) ? (APIService)current with { Status = ApiServiceConditions.With(((APIService)current).Status, condition, now) } : current,
                isPatch: true, new WriteContext { User = UserInfo.InProcess, FieldManager = "kube-apiserver" }, cancellationToken);
            LogChanged(seen.Metadata.Name, condition.Status, condition.Reason, condition.Message);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone, or changed meanwhile: the watch brings it again.
        }
    }

    /// <summary>What it serves now; said of whatever record there is by now, if it is still of the same spec.</summary>
    private void Learn(RemoteApi asked, RemoteApi learnt)
    {
        var name = asked.Service.Metadata.Name;
        lock (_lock)
        {
            if (!_remotes.TryGetValue(name, out var now) || !ReferenceEquals(now.Transport, asked.Transport) || now.Says(learnt))
                return;
            _remotes[name] = learnt with { Service = now.Service };
            Publish();
        }
    }

    /// <summary>One timer a name, however often it was looked at meanwhile.</summary>
    private void CheckAgain(ObjectKey key, bool isAvailable)
    {
        lock (_lock)
        {
            if (!_remotes.ContainsKey(key.Name))
                return;
            var failures = isAvailable ? 0 : _failures.GetValueOrDefault(key.Name) + 1;
            _failures[key.Name] = failures;
            var backoff = FirstRetry * Math.Pow(2, Math.Min(failures - 1, 10));
            var delay = isAvailable || backoff > RecheckInterval ? RecheckInterval : backoff;
            delay *= 0.8 + (0.4 * _ids.NewFraction());
            if (_rechecks.TryGetValue(key.Name, out var timer))
                timer.Change(delay, Timeout.InfiniteTimeSpan);
            else
                _rechecks[key.Name] = _clock.CreateTimer(_ => _loop.Enqueue(key), null, delay, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>An APIService as it is now; null when it is gone.</summary>
    private void Observe(string name, APIService? service)
    {
        RemoteTransport? retired = null;
        lock (_lock)
        {
            var before = _remotes.GetValueOrDefault(name);
            if (service is not null)
                _priorities[(service.Spec.Group, service.Spec.Version)] = (service.Spec.GroupPriorityMinimum, service.Spec.VersionPriority);
            else if (name.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot)
                _priorities.Remove((name[(dot + 1)..], name[..dot]));
            if (service?.Spec.Service is null)
            {
                Forget(name);
                retired = before?.Transport;
            }
            else if (before is not null && Json.Same(before.Service.Spec, service.Spec))
            {
                _remotes[name] = before with { Service = service };
            }
            else
            {
                _remotes[name] = new RemoteApi { Service = service, Transport = _connect(service.Spec), IsAvailable = service.IsAvailable(), Discovery = before?.Discovery };
                _failures.Remove(name);
                retired = before?.Transport;
            }
            Publish();
            // Our own words about one that is as it was are no news.
            if (service is not null && (before is null || retired is not null))
                _loop.Enqueue(new ObjectKey("", name));
        }
        retired?.Dispose();
        _locals.Observe(name);
    }

    private void Forget(string name)
    {
        _remotes.Remove(name);
        _failures.Remove(name);
        if (_rechecks.Remove(name, out var timer))
            timer.Dispose();
    }

    /// <summary>A Service or its endpoints have changed.</summary>
    private void ObserveService(string key)
    {
        lock (_lock)
        {
            foreach (var (name, remote) in _remotes)
            {
                if (remote.Service.Spec.Service is { } service && $"{service.Namespace}/{service.Name}" == key)
                {
                    _failures.Remove(name);
                    _loop.Enqueue(new ObjectKey("", name));
                }
            }
        }
    }

    private void Publish() => _current = new ApiRegistrations(_priorities.ToDictionary(), [.. _remotes.Values]);

    private APIService Read(Entry entry) => (APIService)StoredObject.Read(_resource!, entry);

    private static string NameOf(Resource resource, string key) => key[resource.Prefix.Length..];

    [LoggerMessage(LogLevel.Information, "APIService {Name} is available: {Status} ({Reason}: {Message})")]
    private partial void LogChanged(string name, string status, string reason, string message);
}
