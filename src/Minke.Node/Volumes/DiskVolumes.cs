using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Linux;
using Minke.Node.Pods;
using Minke.Node.Pods.Environment;
using Minke.Node.Runtime;

namespace Minke.Node.Volumes;

/// <summary>Volumes on the machine's disk and in memory. One pod's verbs take turns; its live volumes follow their sources.</summary>
/// <remarks>
/// <code>
/// pods/UID/volumes/kubernetes.io~PLUGIN/NAME    a volume; secret, projected and downwardAPI are tmpfs: nothing secret meets the disk
/// pods/UID/volume-subpaths/NAME/CONTAINER/N     the N-th mount of a container, where it is a part of a volume
/// </code>
/// </remarks>
public sealed partial class DiskVolumes : IPodVolumes, IAsyncDisposable
{
    // emptyDir has no other way to be told of its size; only pods that set a limit are looked at.
    private static readonly TimeSpan SizeCheckInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(10);
    private const uint EmptyDirMode = 0x1ff; // 0777
    private const long PageBytes = 4096;

    private sealed class PodState : IDisposable
    {
        public readonly SemaphoreSlim Turn = new(1, 1);
        public readonly ProjectedFiles.Tokens Tokens = [];
        public required Pod Pod;
        public required PodPlace Place;
        public DateTimeOffset? RefreshAt;
        public ITimer? Timer;
        public bool IsGone;

        public void Dispose()
        {
            Timer?.Dispose();
            Turn.Dispose();
        }
    }

    private readonly NodePaths _paths;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ProjectedFiles _files;
    private readonly SourceWatches _watches;
    private readonly ConcurrentDictionary<string, PodState> _pods = new(StringComparer.Ordinal);
    // Keys waiting to be written anew; a key that waits already may wait twice, which costs a comparison.
    private readonly Channel<string> _changed = Channel.CreateUnbounded<string>();

    public DiskVolumes(NodePaths paths, IApiClient api, TimeProvider time, ILogger<DiskVolumes> logger)
    {
        _paths = paths;
        _time = time;
        _logger = logger;
        _files = new ProjectedFiles(api, time);
        _watches = new SourceWatches(api, time, logger, uid => _changed.Writer.TryWrite(uid));
    }

    public Action<string, string>? LimitExceeded { get; set; }

    /// <summary>Keeps live volumes up to date until cancelled. Started and awaited by the composition.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var uid in _changed.Reader.ReadAllAsync(cancellationToken))
            {
                if (_pods.TryGetValue(uid, out var state))
                    await RefreshAsync(uid, state, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    public async Task PrepareAsync(Pod pod, PodPlace place, CancellationToken cancellationToken)
    {
        var uid = pod.Metadata.Uid;
        var state = _pods.GetOrAdd(uid, _ => new PodState { Pod = pod, Place = place });
        await state.Turn.WaitAsync(cancellationToken);
        try
        {
            state.Pod = pod;
            state.Place = place;
            var mounted = pod.Spec.Containers.Concat(pod.Spec.InitContainers).Concat(pod.Spec.EphemeralContainers.Select(container => container.AsContainer()))
                .SelectMany(container => container.VolumeMounts).Select(mount => mount.Name).ToHashSet(StringComparer.Ordinal);
            _watches.Set(uid, [.. pod.Spec.Volumes.Where(volume => mounted.Contains(volume.Name)).SelectMany(ProjectedFiles.SourcesOf)
                .Select(source => (source.Kind, new ObjectKey(pod.Metadata.Namespace, source.Name))).Distinct()]);

            var failures = new List<VolumeFailure>();
            DateTimeOffset? refreshAt = null;
            foreach (var volume in pod.Spec.Volumes.Where(volume => mounted.Contains(volume.Name)))
            {
                try
                {
                    refreshAt = Earlier(refreshAt, await PrepareAsync(pod, place, volume, state.Tokens, cancellationToken));
                }
                catch (VolumeException e)
                {
                    failures.AddRange(e.Failures);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    failures.Add(Failure(volume, e.Message));
                }
            }
            if (failures.Count > 0)
                throw new VolumeException(failures);
            state.RefreshAt = refreshAt;
            Arm(uid, state);
        }
        finally
        {
            state.Turn.Release();
        }
    }

    public Task<IReadOnlyList<ContainerMount>> MountsAsync(
        Pod pod, Container container, IReadOnlyList<KeyValuePair<string, string>> environment, IReadOnlyDictionary<string, string> imageIds,
        CancellationToken cancellationToken)
    {
        var mounts = new List<ContainerMount>();
        for (var i = 0; i < container.VolumeMounts.Count; i++)
        {
            var mount = container.VolumeMounts[i];
            var volume = pod.Spec.Volumes.FirstOrDefault(volume => volume.Name == mount.Name)
                ?? throw new ContainerConfigException($"cannot find volume \"{mount.Name}\" to mount into container \"{container.Name}\"");
            var subPath = mount.SubPathExpr.Length > 0 ? ExpandSubPath(mount.SubPathExpr, environment) : mount.SubPath;
            // These hold what Kubernetes wrote: no container may change it. (KEP: configMap and secret volumes are read-only since 1.9.6)
            var isOurs = volume.ConfigMap is not null || volume.Secret is not null || volume.DownwardAPI is not null || volume.Projected is not null;
            var common = new ContainerMount
            {
                ContainerPath = mount.MountPath,
                IsReadOnly = mount.ReadOnly || isOurs,
                IsRecursiveReadOnly = mount.ReadOnly && mount.RecursiveReadOnly is RecursiveReadOnlyMode.Enabled or RecursiveReadOnlyMode.IfPossible,
                Propagation = mount.MountPropagation switch
                {
                    MountPropagationMode.HostToContainer => MountPropagation.HostToContainer,
                    MountPropagationMode.Bidirectional => MountPropagation.Bidirectional,
                    _ => MountPropagation.Private,
                },
            };
            if (volume.Image is not null)
            {
                mounts.Add(common with
                {
                    IsReadOnly = true,
                    ImageSubPath = subPath,
                    ImageId = imageIds.TryGetValue(volume.Name, out var id) ? id : throw new ContainerConfigException($"image of volume \"{volume.Name}\" is not present"),
                });
                continue;
            }
            var path = volume.HostPath?.Path ?? VolumePath(pod.Metadata.Uid, volume);
            if (subPath.Length > 0)
            {
                var target = Path.Combine(_paths.Pod(pod.Metadata.Uid), "volume-subpaths", volume.Name, container.Name, i.ToString(CultureInfo.InvariantCulture));
                SubPaths.Mount(path, subPath, target, volume.EmptyDir is not null ? pod.Spec.SecurityContext?.FsGroup : null);
                path = target;
            }
            mounts.Add(common with { HostPath = path });
        }
        return Task.FromResult<IReadOnlyList<ContainerMount>>(mounts);
    }

    public void Changed(Pod pod, PodPlace place)
    {
        if (!_pods.TryGetValue(pod.Metadata.Uid, out var state))
            return;
        state.Pod = pod;
        state.Place = place;
        if (pod.Spec.Volumes.Any(volume => volume.DownwardAPI is not null || volume.Projected is not null))
            _changed.Writer.TryWrite(pod.Metadata.Uid);
    }

    public async Task TearDownAsync(string podUid, CancellationToken cancellationToken)
    {
        _watches.Set(podUid, []);
        if (_pods.TryRemove(podUid, out var state))
        {
            await state.Turn.WaitAsync(cancellationToken);
            state.IsGone = true;
            state.Timer?.Dispose();
            state.Turn.Release();
        }

        var root = _paths.Pod(podUid);
        var failures = new List<Exception>();
        // The last mounted first: a sub path lies on its volume.
        foreach (var mount in Mounts.List().Where(mount => mount.MountPoint.StartsWith(root + "/", StringComparison.Ordinal)).Reverse())
        {
            try
            {
                Mounts.Unmount(mount.MountPoint);
            }
            catch (LinuxException e)
            {
                failures.Add(e);
            }
        }
        foreach (var directory in new[] { "volumes", "volume-subpaths" })
        {
            try
            {
                var path = Path.Combine(root, directory);
                // With a mount still below, removing would reach into somebody's hostPath.
                if (failures.Count == 0 && Directory.Exists(path))
                    Directory.Delete(path, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                failures.Add(e);
            }
        }
        if (failures.Count > 0)
            throw new AggregateException($"volumes of pod {podUid} could not be removed", failures);
    }

    public Task<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>(
        Directory.Exists(_paths.Pods)
            ? [.. Directory.EnumerateDirectories(_paths.Pods).Where(pod => Directory.Exists(Path.Combine(pod, "volumes"))).Select(pod => Path.GetFileName(pod)!)]
            : []);

    public async ValueTask DisposeAsync()
    {
        foreach (var state in _pods.Values)
            state.Dispose();
        await _watches.StopAsync();
    }

    /// <summary>Makes one volume, or brings it up to date. Gives the time its token wants to be renewed.</summary>
    private async Task<DateTimeOffset?> PrepareAsync(
        Pod pod, PodPlace place, Volume volume, ProjectedFiles.Tokens tokens, CancellationToken cancellationToken)
    {
        if (volume.HostPath is { } hostPath)
            return HostPaths.Prepare(hostPath) is { } wrong ? throw new VolumeException([Failure(volume, wrong)]) : null;
        if (volume.Image is not null)
            return null;
        var path = VolumePath(pod.Metadata.Uid, volume);
        if (volume.EmptyDir is { } emptyDir)
        {
            PrepareEmptyDir(pod, volume, emptyDir, path);
            return null;
        }
        if (volume.ConfigMap is null && volume.Secret is null && volume.DownwardAPI is null && volume.Projected is null)
            throw new VolumeException([Failure(volume, $"{SourceName(volume)} volumes are not supported by Minke; use emptyDir, hostPath, configMap, secret, downwardAPI, projected or image")]);

        var content = await _files.ReadAsync(pod, place, volume, tokens, cancellationToken);
        if (!Directory.Exists(path))
            Directory.CreateDirectory(path);
        if (volume.ConfigMap is null && !IsMountPoint(path))
            Mounts.Mount("tmpfs", path, "tmpfs", MountFlags.MS_NOSUID | MountFlags.MS_NODEV, "mode=0755");
        var group = pod.Spec.SecurityContext?.FsGroup;
        if (group is not null)
            VolumeFiles.ChangeOwner(path, null, group);
        new AtomicDirectory(path, _time).Write(content.Files, group);
        return content.RefreshAt;
    }

    private static void PrepareEmptyDir(Pod pod, Volume volume, EmptyDirVolumeSource source, string path)
    {
        if (source.Medium is not (StorageMedium.Empty or StorageMedium.Memory))
            throw new VolumeException([Failure(volume, $"storage medium \"{source.Medium}\" is not supported by Minke; use \"\" or Memory")]);
        var isNew = !Directory.Exists(path);
        if (isNew)
            Directory.CreateDirectory(path);
        if (source.Medium == StorageMedium.Memory && !IsMountPoint(path))
        {
            var limit = source.SizeLimit is { IsZero: false } size ? size.ToInt64() : PodMemoryLimit(pod);
            var options = limit is > 0
                ? string.Create(CultureInfo.InvariantCulture, $"size={(limit.Value + PageBytes - 1) / PageBytes * PageBytes}") : null;
            Mounts.Mount("tmpfs", path, "tmpfs", MountFlags.MS_NOSUID | MountFlags.MS_NODEV, options);
            isNew = true;
        }
        if (!isNew)
            return;
        // The group's set-gid bit makes new files the group's as well. (SetVolumeOwnership)
        var group = pod.Spec.SecurityContext?.FsGroup;
        if (group is not null)
            VolumeFiles.ChangeOwner(path, null, group);
        VolumeFiles.ChangeMode(path, group is null ? EmptyDirMode : EmptyDirMode | 0x400);
    }

    /// <summary>A volume in memory is bounded by the memory of the pod, when every container has a limit.</summary>
    private static long? PodMemoryLimit(Pod pod)
    {
        long total = 0;
        foreach (var container in pod.Spec.Containers)
        {
            if (!container.Resources.Limits.TryGetValue("memory", out var limit) || limit.IsZero)
                return null;
            total += limit.ToInt64();
        }
        return total;
    }

    private async Task RefreshAsync(string uid, PodState state, CancellationToken cancellationToken)
    {
        await state.Turn.WaitAsync(cancellationToken);
        try
        {
            if (state.IsGone)
                return;
            CheckSizes(state.Pod);
            DateTimeOffset? refreshAt = null;
            foreach (var volume in state.Pod.Spec.Volumes)
            {
                // Only what was prepared.
                if (!Directory.Exists(VolumePath(uid, volume)) || volume.EmptyDir is not null)
                    continue;
                try
                {
                    refreshAt = Earlier(refreshAt, await PrepareAsync(state.Pod, state.Place, volume, state.Tokens, cancellationToken));
                }
                catch (Exception e) when (e is VolumeException or IOException or UnauthorizedAccessException)
                {
                    // What the container sees stays as it was; a source that comes back wakes us.
                    LogNotRefreshed(volume.Name, ObjectKey.Of(state.Pod), e.Message);
                    refreshAt = Earlier(refreshAt, _time.GetUtcNow() + RetryInterval);
                }
            }
            state.RefreshAt = refreshAt;
            Arm(uid, state);
        }
        finally
        {
            state.Turn.Release();
        }
    }

    private void Arm(string uid, PodState state)
    {
        var due = state.RefreshAt is { } at ? at - _time.GetUtcNow() : (TimeSpan?)null;
        if (state.Pod.Spec.Volumes.Any(HasDiskLimit) && (due is null || due > SizeCheckInterval))
            due = SizeCheckInterval;
        state.Timer?.Dispose();
        state.Timer = due is { } delay
            ? _time.CreateTimer(_ => _changed.Writer.TryWrite(uid), null, delay > TimeSpan.Zero ? delay : TimeSpan.Zero, Timeout.InfiniteTimeSpan) : null;
    }

    private void CheckSizes(Pod pod)
    {
        foreach (var volume in pod.Spec.Volumes.Where(HasDiskLimit))
        {
            var path = VolumePath(pod.Metadata.Uid, volume);
            if (!Directory.Exists(path))
                continue;
            var used = new DirectoryInfo(path).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint })
                .Sum(file => file.Exists ? file.Length : 0);
            if (used > volume.EmptyDir!.SizeLimit!.Value.ToInt64())
                LimitExceeded?.Invoke(pod.Metadata.Uid, $"Usage of EmptyDir volume \"{volume.Name}\" exceeds the limit \"{volume.EmptyDir.SizeLimit}\". ");
        }
    }

    private static bool HasDiskLimit(Volume volume) => volume.EmptyDir is { Medium: "", SizeLimit: { IsZero: false } };

    private string VolumePath(string uid, Volume volume)
    {
        var plugin = volume.EmptyDir is not null ? "empty-dir" : volume.ConfigMap is not null ? "configmap" : volume.Secret is not null ? "secret"
            : volume.DownwardAPI is not null ? "downward-api" : "projected";
        return Path.Combine(_paths.Volumes(uid), "kubernetes.io~" + plugin, volume.Name);
    }

    private static bool IsMountPoint(string path) => Mounts.List().Any(mount => mount.MountPoint == path);

    private static string ExpandSubPath(string expression, IReadOnlyList<KeyValuePair<string, string>> environment)
    {
        string? missing = null;
        var path = Expansion.Expand(expression, name =>
        {
            var value = environment.FirstOrDefault(variable => variable.Key == name).Value;
            if (value is null)
                missing = name;
            return value;
        });
        if (missing is not null)
            throw new ContainerConfigException($"failed to expand subPathExpr of volumeMount: missing value for \"{missing}\"");
        return !path.StartsWith('/') && !path.Split('/').Contains("..")
            ? path : throw new ContainerConfigException($"error SubPath `{path}` must not be an absolute path or contain '..'");
    }

    /// <summary>The JSON name of the source that is set.</summary>
    private static string SourceName(Volume volume) => Volume.TypeSchema.Fields.Select(field => field.JsonName).FirstOrDefault(name =>
        name != "name" && System.Text.Encoding.UTF8.GetString(Json.Write(volume)).Contains($"\"{name}\":{{", StringComparison.Ordinal)) ?? "these";

    private static VolumeFailure Failure(Volume volume, string why) => new(volume.Name, "FailedMount", $"MountVolume.SetUp failed for volume \"{volume.Name}\" : {why}");

    private static DateTimeOffset? Earlier(DateTimeOffset? a, DateTimeOffset? b) => a is null ? b : b is null || a < b ? a : b;

    [LoggerMessage(LogLevel.Warning, "Volume {Volume} of {Pod} keeps its old content: {Error}")]
    private partial void LogNotRefreshed(string volume, ObjectKey pod, string error);
}
