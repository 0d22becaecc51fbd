using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using Minke.Node.Pods.Environment;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Volumes;

namespace Minke.Node.Pods;

/// <summary>
/// All pods of the node: starts a <see cref="PodLoop"/> for each one seen, admits or rejects it, hands out what happens, and takes
/// up again, after a restart, what the runtime still has.
/// </summary>
internal sealed partial class PodLoops(
    NodeSettings settings, Func<PodPlace> place, Func<Minke.Api.Core.V1.Node?> nodeObject, IContainerRuntime runtime, PodImages images, IPodVolumes volumes,
    ContainerEnvironment environment, SourceWatches sources, IProber prober, IApiClient api, EventRecorder events, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan ResubscribeDelay = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<SandboxId, PodLoop> _bySandbox = new();
    private readonly Lock _gate = new(); // guards _loops, _adoptable and _mirrors
    private readonly Dictionary<string, (PodLoop Loop, Task Task)> _loops = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PodView> _adoptable = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Namespace, string Name), Pod> _mirrors = [];
    private CancellationToken _lifetime;

    /// <summary>The pod of a uid, else of a namespace and name; null when this node has none.</summary>
    public PodLoop? Find(string @namespace, string name, string uid)
    {
        lock (_gate)
        {
            if (uid.Length > 0 && _loops.TryGetValue(uid, out var found))
                return found.Loop;
            return _loops.Values.Select(entry => entry.Loop).Where(loop => loop.Pod.Metadata.Name == name && loop.Pod.Metadata.Namespace == @namespace)
                .OrderByDescending(loop => loop.Pod.Metadata.CreationTimestamp).FirstOrDefault();
        }
    }

    /// <summary>A ConfigMap or Secret that the pod of a uid waits for has come or changed.</summary>
    public void SourceChanged(string uid)
    {
        lock (_gate)
        {
            if (_loops.TryGetValue(uid, out var found))
                found.Loop.SourceChanged();
        }
    }

    public IReadOnlyList<PodLoop> All
    {
        get
        {
            lock (_gate)
                return [.. _loops.Values.Select(entry => entry.Loop)];
        }
    }

    /// <summary>Learns what the runtime has from before. Called once, before the first pod is seen.</summary>
    public async Task AdoptAsync(CancellationToken cancellationToken)
    {
        _lifetime = cancellationToken;
        var sandboxes = await runtime.ListSandboxesAsync(cancellationToken);
        var containers = (await runtime.ListContainersAsync(cancellationToken)).ToLookup(container => container.Sandbox);
        lock (_gate)
        {
            foreach (var ofPod in sandboxes.GroupBy(PodLabels.PodUidOf))
                _adoptable[ofPod.Key] = PodView.Of(ofPod, ofPod.SelectMany(sandbox => containers[sandbox.Id]));
        }
        volumes.LimitExceeded = (uid, message) =>
        {
            lock (_gate)
            {
                if (_loops.TryGetValue(uid, out var entry))
                    entry.Loop.Evict(new("Evicted", message));
            }
        };
    }

    /// <summary>A change of a pod of this node.</summary>
    public void Observe(Observed<Pod> change)
    {
        if ((change.New ?? change.Old)!.IsMirror)
        {
            ObserveMirror(change);
            return;
        }
        // Deleted and made anew under the same name while nobody watched: two pods.
        if (change.Old is { } old && change.New?.Metadata.Uid != old.Metadata.Uid)
            Removed(old.Metadata.Uid);
        // Where a pod comes from is the node's to say: one of the API cannot claim to be a static one.
        if (change.New is { } pod)
            Seen(!pod.IsStatic ? pod : pod with { Metadata = pod.Metadata with { Annotations = pod.Metadata.Annotations.Without(PodLabels.ConfigSource) } });
    }

    /// <summary>A pod is there, or has changed.</summary>
    public void Seen(Pod pod)
    {
        lock (_gate)
        {
            if (_loops.TryGetValue(pod.Uid, out var known))
            {
                known.Loop.Update(pod);
                return;
            }
            // The loops end one by one when the node stops: what the watch still brings then must not begin one anew.
            if (_lifetime.IsCancellationRequested)
                return;
            var isAdopted = _adoptable.Remove(pod.Uid, out var view);
            var loop = Start(pod, view ?? PodView.Empty, isAdopted || pod.IsTerminal || pod.IsDeleting ? null : Admit(pod));
            if (pod.IsStatic && _mirrors.TryGetValue((pod.Metadata.Namespace, pod.Metadata.Name), out var mirror))
                loop.SeeMirror(mirror);
        }
    }

    public void Removed(string uid)
    {
        lock (_gate)
        {
            if (_loops.TryGetValue(uid, out var known))
                known.Loop.Remove();
        }
    }

    /// <summary>All pods of the API have been seen: what is left over belongs to pods that were deleted while we were away.</summary>
    public async Task RemoveOrphansAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            foreach (var (uid, view) in _adoptable.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            {
                LogOrphan(uid);
                Start(OrphanOf(uid, view), view, null).Remove();
            }
            _adoptable.Clear();
        }
        await RemoveOrphanMirrorsAsync(cancellationToken);
        foreach (var uid in await volumes.ListAsync(cancellationToken))
        {
            lock (_gate)
            {
                if (_loops.ContainsKey(uid))
                    continue;
            }
            try
            {
                await volumes.TearDownAsync(uid, cancellationToken);
            }
            catch (Exception e) when (e is IOException or AggregateException or Linux.LinuxException)
            {
                LogOrphanVolumes(uid, e.Message);
            }
        }
        RemoveOrphanDirectories();
    }

    /// <summary>Mirrors of static pods whose files went while we were away.</summary>
    private async Task RemoveOrphanMirrorsAsync(CancellationToken cancellationToken)
    {
        List<Pod> orphans;
        lock (_gate)
        {
            var owned = _loops.Values.Where(entry => entry.Loop.Pod.IsStatic).Select(entry => (entry.Loop.Pod.Metadata.Namespace, entry.Loop.Pod.Metadata.Name)).ToHashSet();
            orphans = [.. _mirrors.Where(entry => !owned.Contains(entry.Key)).Select(entry => entry.Value)];
        }
        foreach (var orphan in orphans)
        {
            try
            {
                await api.DeleteAsync<Pod>(orphan.Metadata.Namespace, orphan.Metadata.Name, new DeleteOptions { GracePeriodSeconds = 0 }, cancellationToken);
            }
            catch (StatusException e) when (e.Code is 404 or 409)
            {
                // Gone already.
            }
        }
    }

    /// <summary>Hands the runtime's events to the pods they are about, until cancelled.</summary>
    public async Task RouteEventsAsync(IAsyncEnumerable<RuntimeEvent> first, CancellationToken cancellationToken)
    {
        var stream = first;
        while (true)
        {
            try
            {
                await foreach (var happened in stream.WithCancellation(cancellationToken))
                {
                    if (_bySandbox.TryGetValue(happened.Sandbox, out var loop))
                        loop.Notice(happened);
                }
                return;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (RuntimeException e)
            {
                // Events were missed: everybody looks again.
                LogEventsLost(e.Message);
                await Task.Delay(ResubscribeDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                stream = runtime.EventsAsync(cancellationToken);
                foreach (var loop in All)
                {
                    foreach (var container in loop.View.Containers)
                        loop.Notice(new(RuntimeEventKind.Exited, container.Sandbox, container.Id));
                    foreach (var sandbox in loop.View.Sandboxes)
                        loop.Notice(new(RuntimeEventKind.Exited, sandbox.Id, null));
                }
            }
        }
    }

    /// <summary>Waits for every loop; they end by their own token.</summary>
    public async Task StoppedAsync()
    {
        while (true)
        {
            List<Task> tasks;
            lock (_gate)
                tasks = [.. _loops.Values.Select(entry => entry.Task)];
            if (tasks.Count == 0)
                return;
            await Task.WhenAll(tasks);
        }
    }

    // Called under _gate.
    private PodLoop Start(Pod pod, PodView adopted, PodVerdict? rejection)
    {
        if (rejection is not null)
            events.Record(pod, "Warning", rejection.Reason, rejection.Message);
        var loop = new PodLoop(
            pod, adopted, settings, place, runtime, images, volumes, environment, sources, prober, api, events, time, logger,
            (sandbox, owner) => _bySandbox[sandbox] = owner, rejection);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _loops[pod.Uid] = (loop, RunAsync(loop, started.Task));
        started.SetResult();
        return loop;
    }

    private async Task RunAsync(PodLoop loop, Task started)
    {
        // Not on the caller's stack: that is the watch's, and the gate is held.
        await started;
        await loop.RunAsync(_lifetime);
        foreach (var (sandbox, owner) in _bySandbox)
        {
            if (ReferenceEquals(owner, loop))
                _bySandbox.TryRemove(sandbox, out _);
        }
        lock (_gate)
            _loops.Remove(loop.Uid);
    }

    // Called under _gate.
    private PodVerdict? Admit(Pod pod) =>
        nodeObject() is { } node
            ? NodeAdmission.Check(pod, [.. _loops.Values.Where(entry => !entry.Loop.HasEnded).Select(entry => entry.Loop.Pod)], node, settings.AllowedUnsafeSysctls)
            : null;

    private void ObserveMirror(Observed<Pod> change)
    {
        lock (_gate)
        {
            var about = (change.New ?? change.Old)!;
            if (change.New is null)
                _mirrors.Remove((about.Metadata.Namespace, about.Metadata.Name));
            else
                _mirrors[(about.Metadata.Namespace, about.Metadata.Name)] = change.New;
            // All of the name: one whose manifest was replaced may still be ending beside its successor.
            foreach (var loop in _loops.Values.Select(entry => entry.Loop).Where(loop =>
                loop.Pod.IsStatic && loop.Pod.Metadata.Name == about.Metadata.Name && loop.Pod.Metadata.Namespace == about.Metadata.Namespace))
            {
                if (change.Old is { } old && old.Metadata.Uid != change.New?.Metadata.Uid)
                    loop.LoseMirror(old.Metadata.Uid);
                if (change.New is { } mirror)
                    loop.SeeMirror(mirror);
            }
        }
    }

    /// <summary>As much of a deleted pod as its end needs, from what its containers carry.</summary>
    private static Pod OrphanOf(string uid, PodView view)
    {
        var sandbox = view.NewestSandbox!.Config;
        var grace = long.TryParse(sandbox.Annotations.GetValueOrDefault(PodLabels.TerminationGracePeriod), out var seconds) ? seconds : 30;
        return new Pod
        {
            Metadata = new ObjectMeta { Name = sandbox.Name, Namespace = sandbox.Namespace, Uid = uid },
            Spec = new PodSpec
            {
                TerminationGracePeriodSeconds = grace,
                RestartPolicy = RestartPolicy.Never,
                HostNetwork = sandbox.Network == NamespaceMode.Node,
                Containers = view.Containers.Select(container => container.Config.Name).Distinct(StringComparer.Ordinal)
                    .Select(name => new Container { Name = name }).ToApiList(),
            },
        };
    }

    private void RemoveOrphanDirectories()
    {
        var known = All.Select(loop => loop.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var (root, uidOf) in new (string, Func<string, string>)[]
        {
            (settings.Paths.Pods, name => name),
            (settings.Paths.PodLogs, name => name[(name.LastIndexOf('_') + 1)..]),
        })
        {
            if (!Directory.Exists(root))
                continue;
            foreach (var directory in Directory.EnumerateDirectories(root))
            {
                if (known.Contains(uidOf(Path.GetFileName(directory))))
                    continue;
                try
                {
                    NodePaths.RemoveTree(directory);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    LogOrphanVolumes(Path.GetFileName(directory), e.Message);
                }
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Pod {Uid} was deleted while this node was away: its containers are stopped and removed")]
    private partial void LogOrphan(string uid);

    [LoggerMessage(LogLevel.Warning, "Remains of deleted pod {Uid} not removed: {Error}")]
    private partial void LogOrphanVolumes(string uid, string error);

    [LoggerMessage(LogLevel.Warning, "Runtime events were lost, looking at every pod again: {Error}")]
    private partial void LogEventsLost(string error);
}
