using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Runtime;
using Minke.Node.Volumes;
using ContainerState = Minke.Node.Runtime.ContainerState;
using ContainerStatus = Minke.Node.Runtime.ContainerStatus;

namespace Minke.Node.Pods;

/// <summary>Bringing a pod up: volumes, sandbox and images side by side, then containers one after the other.</summary>
internal sealed partial class PodLoop
{
    private const string VolumesWork = "volumes";
    private const string SandboxWork = "sandbox";
    private const string StartWork = "start";

    private static readonly TimeSpan FirstVolumeRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastVolumeRetry = TimeSpan.FromSeconds(122);

    private readonly Dictionary<string, ImageOutcome> _imageOutcomes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _toldBackOff = new(StringComparer.Ordinal);

    /// <summary>By container, what its start failed for want of. It has no timer: the watch of the source wakes the pod.</summary>
    private readonly Dictionary<string, (KindInfo Kind, string Name)> _missingSources = new(StringComparer.Ordinal);
    private bool _areSourcesWatched;
    private bool _areVolumesReady;
    private uint? _toldSandboxChanged;

    /// <summary>The instance that is being started: it does not show until its postStart hook is through.</summary>
    private (string Name, uint Attempt)? _inStart;

    private bool IsSandboxReady => View.NewestSandbox is { State: SandboxState.Ready } sandbox && (_pod.Spec.HostNetwork || sandbox.Ips.Count > 0);

    private PodPlace Place => _place() with
    {
        PodIps = _pod.Spec.HostNetwork ? [.. _place().HostIps.Take(1)] : [.. View.NewestSandbox?.Ips ?? []],
        Hostname = SandboxSpec.HostnameOf(_pod, _node.ClusterDomain).Hostname,
    };

    private void BeginVolumes()
    {
        var (pod, place) = (_pod, Place);
        Begin(VolumesWork, async cancellationToken =>
        {
            try
            {
                Directory.CreateDirectory(_node.Paths.Logs(pod.Metadata.Namespace, pod.Metadata.Name, pod.Uid));
                await _volumes.PrepareAsync(pod, place, cancellationToken);
                return () =>
                {
                    _areVolumesReady = true;
                    Succeeded(VolumesWork);
                };
            }
            catch (VolumeException e)
            {
                foreach (var failure in e.Failures)
                    _events.Record(pod, "Warning", failure.Reason, failure.Message);
                return () => RetryLater(VolumesWork, FirstVolumeRetry, LastVolumeRetry);
            }
        }, _starting.Token);
    }

    private void BeginSandbox(PodPlan plan)
    {
        if (plan.Sandbox is not null && _toldSandboxChanged != plan.Attempt)
        {
            _toldSandboxChanged = plan.Attempt;
            _events.Record(_pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
        }
        var pod = _pod;
        Begin(SandboxWork, async cancellationToken =>
        {
            try
            {
                var handler = await RuntimeHandlerAsync(pod, cancellationToken);
                var host = File.Exists(_node.ResolvConf) ? Resolver.Parse(await File.ReadAllTextAsync(_node.ResolvConf, cancellationToken)) : Resolver.Empty;
                var config = SandboxSpec.For(pod, plan.Attempt, _node, handler, host,
                    message => _events.Record(pod, "Warning", "DNSConfigForming", message));
                Directory.CreateDirectory(config.LogDirectory);
                var id = await _runtime.RunSandboxAsync(config, _lifetime);
                _registerSandbox(id, this);
                var status = await _runtime.SandboxStatusAsync(id, _lifetime);
                return () =>
                {
                    Learn(id, status);
                    Succeeded(SandboxWork);
                };
            }
            catch (Exception e) when (e is RuntimeException or SandboxConfigException or IOException)
            {
                _events.Record(pod, "Warning", "FailedCreatePodSandBox", $"Failed to create pod sandbox: {e.Message}");
                return () => RetryLater(SandboxWork);
            }
        }, _starting.Token);
    }

    private async Task<string> RuntimeHandlerAsync(Pod pod, CancellationToken cancellationToken)
    {
        if (pod.Spec.RuntimeClassName is not { Length: > 0 } name)
            return "";
        var found = await _api.TryGetAsync<Minke.Api.Node.V1.RuntimeClass>(null, name, cancellationToken);
        return found?.Handler ?? throw new SandboxConfigException($"failed to get RuntimeClass \"{name}\": runtimeclass.node.k8s.io \"{name}\" not found");
    }

    private void StartContainers(PodPlan plan)
    {
        foreach (var (container, kind) in InOrder(plan))
        {
            var latest = View.Latest(container.Name);
            if (latest is not null && (_work.ContainsKey(KillKey(latest.Id)) || latest.State == ContainerState.Running))
                continue;
            if (IsBackingOff(container, kind, latest))
                continue;
            if (ImageFor(container, kind) is not { } image)
            {
                // A container after one with a postStart hook starts after that hook: upstream starts them one by one.
                if (container.Lifecycle?.PostStart is not null && _work.ContainsKey(ImageKey(container.Name)))
                    return;
                continue;
            }
            if (!_areVolumesReady || !IsSandboxReady || plan.CreatesSandbox || _work.ContainsKey(StartWork)
                || _missingSources.ContainsKey(container.Name) || IsWaitingToRetry(StartKey(container.Name)))
                continue;
            if (latest is { State: ContainerState.Exited })
                _crashes.Next(CrashKey(container), latest.FinishedAt ?? latest.CreatedAt);
            BeginStart(container, kind, image, NextAttempt(container, latest));
        }
    }

    private IEnumerable<(Container, ContainerKind)> InOrder(PodPlan plan) =>
        plan.EphemeralContainersToStart.Select(index => (_pod.Spec.EphemeralContainers[index].AsContainer, ContainerKind.Ephemeral))
            .Concat(plan.InitContainersToStart.Select(index => (_pod.Spec.InitContainers[index], ContainerKind.Init)))
            .Concat(plan.ContainersToStart.Select(index => (_pod.Spec.Containers[index], ContainerKind.Main)));

    private uint NextAttempt(Container container, ContainerStatus? latest)
    {
        if (latest is not null)
            return (uint)PodLabels.RestartCountOf(latest) + 1;
        // Its remains are gone: the status still knows how often it was restarted, and counts the loss once it has told of it.
        var counted = _pod.StatusOf(container.Name) switch
        {
            { ContainerID.Length: > 0 } old => (uint)old.RestartCount + 1,
            { LastState.Terminated: not null } told => (uint)told.RestartCount,
            _ => 0u,
        };
        // Where no status survived, as a static pod's may not, the logs tell (kuberuntime: calcRestartCountByLogDir).
        return Math.Max(counted, Logs.LogFiles.NextAttempt(Path.Combine(_node.Paths.Logs(_pod.Metadata.Namespace, _pod.Metadata.Name, Uid), container.Name)));
    }

    private bool IsBackingOff(Container container, ContainerKind kind, ContainerStatus? latest)
    {
        if (latest is not { State: ContainerState.Exited } || _crashes.WaitsUntil(CrashKey(container), latest.FinishedAt ?? latest.CreatedAt) is not { } until)
            return false;
        WakeAt(until);
        _waiting[container.Name] = new("CrashLoopBackOff",
            $"back-off {Duration.From(_crashes.Get(CrashKey(container)))} restarting failed container={container.Name} pod={_pod.Described}");
        if (_toldBackOff.Add(latest.Id.Value))
            _events.Record(_pod, "Warning", "BackOff", $"Back-off restarting failed container {container.Name} in pod {_pod.Described}", FieldPath(container.Name, kind));
        return true;
    }

    private ImageInfo? ImageFor(Container container, ContainerKind kind)
    {
        if (_imageOutcomes.TryGetValue(container.Name, out var outcome))
        {
            if (outcome.Image is not null)
                return outcome.Image;
            _waiting[container.Name] = outcome.Waiting!;
            if (outcome.RetryAt > _time.GetUtcNow())
            {
                WakeAt(outcome.RetryAt.Value);
                return null;
            }
        }
        var pod = _pod;
        Begin(ImageKey(container.Name), async cancellationToken =>
        {
            var found = await _images.EnsureAsync(pod, container.Image, PodImages.PolicyOf(container), FieldPath(container.Name, kind),
                text => Post(() => _waiting[container.Name] = new("", text)), cancellationToken);
            return () =>
            {
                _imageOutcomes[container.Name] = found;
                if (_waiting.GetValueOrDefault(container.Name) is { Reason: "" })
                    _waiting.Remove(container.Name);
            };
        }, _starting.Token);
        return null;
    }

    private bool IsWaitingToRetry(string key)
    {
        if (!_retries.TryGetValue(key, out var retry) || retry.At <= _time.GetUtcNow())
            return false;
        WakeAt(retry.At);
        return true;
    }

    private void BeginStart(Container container, ContainerKind kind, ImageInfo image, uint attempt)
    {
        var (pod, sandbox, place) = (_pod, View.NewestSandbox!, Place);
        var target = kind == ContainerKind.Ephemeral
            ? pod.Spec.EphemeralContainers.First(other => other.Name == container.Name).TargetContainerName : "";
        var targetId = target.Length > 0 ? View.Latest(target)?.Id : null;
        var began = Begin(StartWork, cancellationToken =>
            StartAsync(new(pod, container, kind, image, sandbox, attempt, place, targetId), cancellationToken), _starting.Token);
        if (began)
            _inStart = (container.Name, attempt);
    }

    private sealed record ContainerStart(
        Pod Pod, Container Container, ContainerKind Kind, ImageInfo Image, SandboxStatus Sandbox, uint Attempt, PodPlace Place, ContainerId? Target)
    {
        public string FieldPath => PodLoop.FieldPath(Container.Name, Kind);
    }

    private async Task<Action> StartAsync(ContainerStart start, CancellationToken cancellationToken)
    {
        var name = start.Container.Name;
        ContainerConfig config;
        ContainerId id;
        try
        {
            config = await ConfigureAsync(start, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return () => _inStart = null;
        }
        catch (ImageVolumeException e)
        {
            return StartFailed(start, e.Waiting.Reason, e.Waiting.Message, null);
        }
        catch (Exception e) when (e is ContainerConfigException or StatusException or IOException or UnauthorizedAccessException)
        {
            _events.Record(start.Pod, "Warning", "Failed", $"Error: {e.Message}", start.FieldPath);
            var reason = (e as ContainerConfigException)?.Reason ?? "CreateContainerConfigError";
            return (e as ContainerConfigException)?.Missing is { } missing
                ? () => StartLacksSource(start, reason, e.Message, missing)
                : StartFailed(start, reason, e.Message, null);
        }
        try
        {
            id = await _runtime.CreateContainerAsync(start.Sandbox.Id, config, _lifetime);
        }
        catch (RuntimeException e)
        {
            _events.Record(start.Pod, "Warning", "Failed", $"Error: {e.Message}", start.FieldPath);
            return StartFailed(start, e.Reason ?? "CreateContainerError", e.Message, null);
        }
        _events.Record(start.Pod, "Normal", "Created", $"Created container: {name}", start.FieldPath);
        try
        {
            await _runtime.StartContainerAsync(id, _lifetime);
        }
        catch (RuntimeException e)
        {
            _events.Record(start.Pod, "Warning", "Failed", $"Error: {e.Message}", start.FieldPath);
            return StartFailed(start, e.Reason ?? "RunContainerError", e.Message, (id, await _runtime.ContainerStatusAsync(id, _lifetime)));
        }
        _events.Record(start.Pod, "Normal", "Started", $"Started container {name}", start.FieldPath);

        if (start.Container.Lifecycle?.PostStart is { } hook
            && await RunPostStartAsync(start, id, hook, cancellationToken) is { } error)
            return StartFailed(start, "PostStartHookError", error, (id, await _runtime.ContainerStatusAsync(id, _lifetime)));

        var status = await _runtime.ContainerStatusAsync(id, _lifetime);
        return () =>
        {
            Learn(id, status);
            _inStart = null;
            _waiting.Remove(name);
            _imageOutcomes.Remove(name);
            Succeeded(StartKey(name));
            WatchSources();
            CollectGarbage();
        };
    }

    private Action StartFailed(ContainerStart start, string reason, string message, (ContainerId Id, ContainerStatus? Status)? instance) => () =>
    {
        if (instance is { } known)
            Learn(known.Id, known.Status);
        _inStart = null;
        _waiting[start.Container.Name] = new(reason, message);
        _imageOutcomes.Remove(start.Container.Name);
        RetryLater(StartKey(start.Container.Name));
    };

    private void StartLacksSource(ContainerStart start, string reason, string message, (KindInfo Kind, string Name) source)
    {
        _inStart = null;
        _waiting[start.Container.Name] = new(reason, message);
        _missingSources[start.Container.Name] = source;
        _areSourcesWatched = true;
        WatchSources();
    }

    private void WatchSources()
    {
        if (!_areSourcesWatched)
            return;
        _sources.Set(Uid, [.. _missingSources.Values.Distinct().Select(source => (source.Kind, new ObjectKey(_pod.Metadata.Namespace, source.Name)))]);
        _areSourcesWatched = _missingSources.Count > 0;
    }

    private async Task<ContainerConfig> ConfigureAsync(ContainerStart start, CancellationToken cancellationToken)
    {
        ContainerSpec.VerifyNonRoot(start.Pod, start.Container, start.Image.Config);
        var imageIds = await ImageVolumesAsync(start, cancellationToken);
        var variables = await _environment.BuildAsync(start.Pod, start.Container, start.Place, cancellationToken);
        var mounts = await _volumes.MountsAsync(start.Pod, start.Container, variables.Env, imageIds, cancellationToken);
        return ContainerSpec.For(
            start.Pod, start.Container, start.Attempt, start.Image, variables, [.. mounts, .. TerminationMount(start)], _node,
            start.Place.NodeAllocatable.GetValueOrDefault("memory"), start.Target);
    }

    /// <summary>Images that are mounted as volumes are pulled like the container's own (KEP-4639).</summary>
    private async Task<IReadOnlyDictionary<string, string>> ImageVolumesAsync(ContainerStart start, CancellationToken cancellationToken)
    {
        var ids = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var volume in start.Pod.Spec.Volumes)
        {
            if (volume.Image is not { } source || !start.Container.VolumeMounts.Any(mount => mount.Name == volume.Name))
                continue;
            var policy = source.PullPolicy.Length > 0 ? source.PullPolicy : PullPolicy.IfNotPresent;
            var outcome = await _images.EnsureAsync(start.Pod, source.Reference, policy, start.FieldPath, _ => { }, cancellationToken);
            ids[volume.Name] = outcome.Image?.Id ?? throw new ImageVolumeException(outcome.Waiting!);
        }
        return ids;
    }

    private sealed class ImageVolumeException(WaitingReason waiting) : Exception(waiting.Message)
    {
        public WaitingReason Waiting { get; } = waiting;
    }

    private IEnumerable<ContainerMount> TerminationMount(ContainerStart start)
    {
        if (start.Container.TerminationMessagePath.Length == 0)
            yield break;
        var file = _node.Paths.TerminationMessage(start.Pod.Uid, start.Container.Name, start.Attempt);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        // Any user of the container may write its last words.
        using (File.Create(file)) { }
        File.SetUnixFileMode(file, (UnixFileMode)0b110_110_110);
        yield return new ContainerMount { ContainerPath = start.Container.TerminationMessagePath, HostPath = file };
    }

    private async Task<string?> RunPostStartAsync(ContainerStart start, ContainerId id, LifecycleHandler hook, CancellationToken cancellationToken)
    {
        string? error;
        try
        {
            error = await _hooks.RunAsync(start.Pod, start.Container, id, start.Place.PodIp, hook, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        if (error is null)
            return null;
        _events.Record(start.Pod, "Warning", "FailedPostStartHook", "PostStartHook failed", start.FieldPath);
        _events.Record(start.Pod, "Normal", "Killing", "FailedPostStartHook", start.FieldPath);
        var grace = TimeSpan.FromSeconds(Math.Max(start.Pod.Spec.TerminationGracePeriodSeconds ?? 30, MinGraceSeconds));
        await _runtime.StopContainerAsync(id, grace, _lifetime);
        return error;
    }

    /// <summary>Keeps the newest dead instance of each container, for its logs and its last state, and no older sandbox without any.</summary>
    private void CollectGarbage()
    {
        View = PodView.Of(_sandboxes.Values, _containers.Values);
        var dead = View.Containers.Where(container => container.State == ContainerState.Exited)
            .GroupBy(container => container.Config.Name).SelectMany(instances => instances.Skip(1)).ToList();
        var kept = View.Containers.Except(dead).Select(container => container.Sandbox).ToHashSet();
        var sandboxes = View.Sandboxes.Skip(1).Where(sandbox => sandbox.State == SandboxState.NotReady && !kept.Contains(sandbox.Id)).ToList();
        if (dead.Count == 0 && sandboxes.Count == 0)
            return;
        Begin("garbage", async cancellationToken =>
        {
            foreach (var container in dead)
            {
                await _runtime.RemoveContainerAsync(container.Id, cancellationToken);
                RemoveFiles(container);
            }
            foreach (var sandbox in sandboxes)
                await _runtime.RemoveSandboxAsync(sandbox.Id, cancellationToken);
            return () =>
            {
                foreach (var container in dead)
                    Learn(container.Id, null);
                foreach (var sandbox in sandboxes)
                    Learn(sandbox.Id, (SandboxStatus?)null);
            };
        }, _lifetime);
    }

    private void RemoveFiles(ContainerStatus container)
    {
        if (container.LogPath.Length > 0)
        {
            foreach (var file in Logs.LogFiles.Of(container.LogPath))
                File.Delete(file);
        }
        File.Delete(_node.Paths.TerminationMessage(_pod.Uid, container.Config.Name, container.Config.Attempt));
    }

    private static string KillKey(ContainerId id) => "kill:" + id.Value;
    private static string ImageKey(string container) => "image:" + container;
    private static string StartKey(string container) => "start:" + container;

    /// <summary>A changed image begins anew.</summary>
    private static string CrashKey(Container container) => container.Name + ":" + container.Hash;
}
