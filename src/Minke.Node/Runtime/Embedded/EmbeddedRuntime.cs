using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Minke.Node.Linux;
using Minke.Node.Network;
using Minke.Node.Runtime.Embedded.Cgroups;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// Pods by our own hands: overlayfs for root file systems, namespaces pinned by bind mounts, an OCI runtime for the first process and
/// conmon beside it. No container belongs to this process: it may be killed and started again and finds them all.
/// </summary>
/// <remarks>
/// Whatever waits in the kernel runs on <see cref="BlockingLanes"/>. The verbs are in the files beside this one: Sandboxes, Containers,
/// Lifecycle, Sessions. <c>docs/design/0004-runtime.md</c> says why it is as it is.
/// </remarks>
public sealed partial class EmbeddedRuntime : IContainerRuntime
{
    private const int MinLanes = 4;

    private readonly EmbeddedOptions _options;
    private readonly EmbeddedFiles _files;
    private readonly IImageService _images;
    private readonly ISandboxNetwork _network;
    private readonly TimeProvider _time;
    private readonly ILogger<EmbeddedRuntime> _logger;
    private readonly CgroupTree _cgroups;
    private readonly HybridCgroups? _hybrid;
    private readonly OciRuntimes _runtimes;
    private readonly Conmon _conmon;
    private readonly SeccompCache _seccomp;
    private readonly BlockingLanes _lanes = new(Math.Max(MinLanes, Environment.ProcessorCount * 2), "minke-runtime");
    private readonly BlockingLanes _sweeper = new(1, "minke-sweeper");
    private readonly Poller _poller = new();
    private readonly RuntimeEventHub _events = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly IReadOnlySet<string> _heldCapabilities;
    private readonly string _bootId;

    private readonly Lock _gate = new(); // guards the three collections below
    private readonly Dictionary<SandboxId, SandboxEntry> _sandboxes = [];
    private readonly Dictionary<ContainerId, ContainerEntry> _containers = [];
    private readonly HashSet<(string Uid, uint Attempt)> _beingMade = [];

    private Inotify? _exits;
    private Task _exitLoop = Task.CompletedTask;
    private volatile Task _discarding = Task.CompletedTask;

    private EmbeddedRuntime(
        EmbeddedOptions options, IImageService images, ISandboxNetwork network, TimeProvider time, ILogger<EmbeddedRuntime> logger)
    {
        _options = options;
        _files = new EmbeddedFiles(options.StateDirectory, options.RunDirectory);
        _images = images;
        _network = network;
        _time = time;
        _logger = logger;
        _files.Prepare();
        _cgroups = CgroupTree.Detect("/" + options.CgroupRoot.Trim('/'));
        if (!_cgroups.IsUnified)
            _hybrid = new HybridCgroups(options.CgroupRoot);
        _runtimes = new OciRuntimes(options, _files);
        _conmon = new Conmon(OciRuntimes.FindProgram(options.ConmonPath, "conmon"), _files);
        _seccomp = new SeccompCache(_files);
        _heldCapabilities = Capabilities.Held(File.ReadLines("/proc/self/status"));
        _bootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
    }

    /// <summary>Takes up what earlier processes left: running containers go on, ended ones are reported, half-made things are removed.</summary>
    /// <exception cref="RuntimeException">The machine lacks something: crun or runc, conmon, usable cgroups.</exception>
    public static async Task<EmbeddedRuntime> OpenAsync(
        EmbeddedOptions options, IImageService images, ISandboxNetwork network, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        var runtime = new EmbeddedRuntime(options, images, network, time, loggers.CreateLogger<EmbeddedRuntime>());
        try
        {
            await runtime.RecoverAsync(cancellationToken);
            return runtime;
        }
        catch
        {
            await runtime.DisposeAsync();
            throw;
        }
    }

    public Task<RuntimeVersion> VersionAsync(CancellationToken cancellationToken) =>
        Task.FromResult(new RuntimeVersion("minke", typeof(EmbeddedRuntime).Assembly.GetName().Version?.ToString(3) ?? "0"));

    public IAsyncEnumerable<RuntimeEvent> EventsAsync(CancellationToken cancellationToken) => _events.SubscribeAsync(cancellationToken);

    /// <summary>Removes every sandbox and everything of ours on the machine: for <c>minke down</c>. The runtime is of no use afterwards.</summary>
    public async Task RemoveEverythingAsync(CancellationToken cancellationToken)
    {
        SandboxId[] all;
        lock (_gate)
            all = [.. _sandboxes.Keys];
        await Task.WhenAll(all.Select(sandbox => RemoveSandboxAsync(sandbox, cancellationToken)));
        // One thread, in order: when the last is gone all are.
        await _discarding;
        await _lanes.RunAsync(() =>
        {
            _cgroups.RemoveAll();
            _runtimes.Unmount();
            _hybrid?.Release();
            _files.RemoveRun();
        });
    }

    /// <summary>Lets go of the machine; containers run on.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _events.Complete();
        _exits?.Dispose();
        ContainerEntry[] entries;
        lock (_gate)
            entries = [.. _containers.Values];
        await _exitLoop;
        await Task.WhenAll(entries.SelectMany(entry => (Task[])[entry.Monitoring, entry.Recording]));
        _poller.Dispose();
        _lanes.Dispose();
        _sweeper.Dispose();
        foreach (var entry in entries)
            entry.Process?.Dispose();
        _stopping.Dispose();
    }

    private static string NewId() => RandomNumberGenerator.GetHexString(64, lowercase: true);

    private void Save(SandboxRecord record) => EmbeddedFiles.WriteAtomically(
        _files.Sandbox(record.Id, "sandbox.json"), JsonSerializer.SerializeToUtf8Bytes(record, EmbeddedJson.Default.SandboxRecord));

    private void Save(ContainerRecord record) => EmbeddedFiles.WriteAtomically(
        _files.Container(record.Id, "container.json"), JsonSerializer.SerializeToUtf8Bytes(record, EmbeddedJson.Default.ContainerRecord));

    private string StatusFile(ContainerId container, ContainerState state) =>
        state == ContainerState.Exited ? _files.Container(container, "status.json") : _files.Bundle(container, "status.json");

    private void Save(ContainerEntry entry, ContainerProgress progress)
    {
        EmbeddedFiles.WriteAtomically(
            StatusFile(entry.Record.Id, progress.State),
            JsonSerializer.SerializeToUtf8Bytes(progress, EmbeddedJson.Default.ContainerProgress));
        entry.Progress = progress;
    }

    private SandboxEntry? Find(SandboxId sandbox)
    {
        lock (_gate)
            return _sandboxes.GetValueOrDefault(sandbox);
    }

    private ContainerEntry? Find(ContainerId container)
    {
        lock (_gate)
            return _containers.GetValueOrDefault(container);
    }

    private ContainerEntry Require(ContainerId container) =>
        Find(container) ?? throw new RuntimeException($"container {container} does not exist");

    private ContainerEntry RequireRunning(ContainerId container, string attempt) =>
        Require(container) is { Progress.State: ContainerState.Running } entry
            ? entry : throw new RuntimeException($"{attempt} container {container}: it is not running");

    private List<ContainerEntry> ContainersOf(SandboxId sandbox)
    {
        lock (_gate)
            return [.. _containers.Values.Where(entry => entry.Record.Sandbox == sandbox)];
    }

    /// <summary>Does all steps whatever happens and throws what went wrong together.</summary>
    private static void Each(string attempt, params ReadOnlySpan<Action> steps)
    {
        List<Exception> failures = [];
        foreach (var step in steps)
        {
            try
            {
                step();
            }
            catch (Exception e) when (e is IOException or RuntimeException or UnauthorizedAccessException)
            {
                failures.Add(e);
            }
        }
        if (failures.Count > 0)
            throw new RuntimeException($"{attempt}: {string.Join("; ", failures.Select(e => e.Message))}", failures[0]);
    }
}
