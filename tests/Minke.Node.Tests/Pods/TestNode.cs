using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Node.Pods;
using Minke.Node.Pods.Environment;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Simulated;
using Minke.Node.Tests.Runtime;
using Minke.Node.Volumes;
using Minke.TestSupport;

namespace Minke.Node.Tests.Pods;

/// <summary>A node on a simulated runtime and a fake API, with a clock the test moves.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _deadline = new(Patience);
    private CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public TestNode()
    {
        Api = new FakeApi(Time);
        Runtime = new SimulatedRuntime(Time);
        Settings = new NodeSettings { NodeName = "node", Paths = new NodePaths(Directory.CreateTempSubdirectory("minke-node-").FullName), ResolvConf = "/nonexistent" };
    }

    public ManualTime Time { get; } = new();
    public FakeApi Api { get; }
    public SimulatedRuntime Runtime { get; }
    public FakeImages Images { get; } = new();
    public FakeVolumes Volumes { get; } = new();
    public FakeProber Prober { get; } = new();
    public NodeSettings Settings { get; set; }
    public NodeAgent Agent { get; private set; } = null!;
    public CancellationToken Deadline => _deadline.Token;

    public static async Task<TestNode> StartAsync(Action<TestNode>? configure = null)
    {
        var node = new TestNode();
        configure?.Invoke(node);
        await node.RestartAsync();
        return node;
    }

    /// <summary>Stops the agent, as a crash would, and starts another on the same machine.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        // Events are named by their moment: no two processes live in the same one.
        Time.Advance(TimeSpan.FromSeconds(1));
        _stop = new();
        var machine = new NodeMachine { CpuCount = 4, MemoryBytes = 8L << 30, DiskBytes = 100L << 30, Addresses = ["192.0.2.1"] };
        Agent = new NodeAgent(
            Settings, machine, Api, Runtime, Images, Volumes, new ContainerEnvironment(Api), Prober, Time, NullLoggerFactory.Instance,
            manifest => Minke.Api.Json.Read(manifest, Pod.ReadJson));
        _running = Agent.RunAsync(_stop.Token);
        await Agent.ReadyAsync(Deadline);
    }

    public async Task StopAsync()
    {
        if (_running.IsCompleted)
            return;
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    public Task<Pod> CreateAsync(Pod pod) => Api.CreateAsync(pod with { Spec = pod.Spec with { NodeName = "node" } }, Deadline);

    public async Task<Pod> UntilAsync(string name, Func<Pod, bool> state, string what)
    {
        try
        {
            return await Api.UntilAsync(api => api.All<Pod>().FirstOrDefault(pod => pod.Metadata.Name == name && state(pod)), Deadline);
        }
        catch (OperationCanceledException)
        {
            var pod = Api.All<Pod>().FirstOrDefault(pod => pod.Metadata.Name == name);
            throw new TimeoutException($"pod {name} was never {what}: {pod?.Status}\nEvents: {string.Join("\n", Api.EventsOf(name).Select(e => $"{e.Reason}: {e.Message}"))}");
        }
    }

    public Task<Pod> UntilRunningAsync(string name) => UntilAsync(name, pod => pod.Status.Phase == "Running" && IsReady(pod), "ready");

    /// <summary>Moves the clock in steps until the pod is in a state: what waits for the clock gets to wait between.</summary>
    public async Task<Pod> AdvanceUntilAsync(string name, Func<Pod, bool> state, string what, TimeSpan? step = null)
    {
        for (var i = 0; i < 2000; i++)
        {
            if (Api.All<Pod>().FirstOrDefault(pod => pod.Metadata.Name == name) is { } pod && state(pod))
                return pod;
            Time.Advance(step ?? TimeSpan.FromMilliseconds(250));
            await Task.Delay(TimeSpan.FromMilliseconds(1), Deadline);
        }
        var last = Api.All<Pod>().FirstOrDefault(pod => pod.Metadata.Name == name);
        throw new TimeoutException($"pod {name} was never {what}: {last?.Status}\nEvents: {string.Join("\n", Api.EventsOf(name).Select(e => $"{e.Reason}: {e.Message}"))}");
    }

    public Task UntilGoneAsync(string name) =>
        Api.UntilAsync(api => api.All<Pod>().Any(pod => pod.Metadata.Name == name) ? null : "gone", Deadline);

    public Task<Event> UntilEventAsync(string name, string reason) =>
        Api.UntilAsync(api => api.EventsOf(name).FirstOrDefault(e => e.Reason == reason), Deadline);

    public static bool IsReady(Pod pod) => pod.Status.Conditions.Any(condition => condition is { Type: "Ready", Status: "True" });

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Runtime.DisposeAsync();
        _deadline.Dispose();
        Directory.Delete(Settings.Paths.DataDirectory, recursive: true);
    }
}

internal static class Make
{
    public static Pod Pod(string name, params Container[] containers) => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "default" },
        Spec = new PodSpec
        {
            RestartPolicy = "Always",
            DnsPolicy = "ClusterFirst",
            TerminationGracePeriodSeconds = 30,
            Containers = containers.Length > 0 ? containers : [Container("web")],
        },
    };

    public static Container Container(string name, string image = "app:1") => new()
    {
        Name = name,
        Image = image,
        ImagePullPolicy = "IfNotPresent",
        TerminationMessagePath = "/dev/termination-log",
        TerminationMessagePolicy = "File",
    };

    public static Probe Probe(int period = 1, int failures = 3, int initialDelay = 0) =>
        new() { Exec = new ExecAction { Command = ["check"] }, PeriodSeconds = period, FailureThreshold = failures, SuccessThreshold = 1, TimeoutSeconds = 1, InitialDelaySeconds = initialDelay };
}

/// <summary>Images that are there, can be pulled, or cannot.</summary>
internal sealed class FakeImages : IImageService
{
    private readonly Lock _gate = new(); // guards both
    private readonly Dictionary<string, ImageInfo> _here = new(StringComparer.Ordinal) { ["app:1"] = Info("app:1") };
    private readonly Dictionary<string, ImageException> _broken = new(StringComparer.Ordinal);

    public static ImageInfo Info(string name, string user = "") => new()
    {
        Id = "sha256:" + name.Replace(':', '-'),
        Tags = ["docker.io/library/" + name],
        Digests = ["docker.io/library/" + name.Split(':')[0] + "@sha256:feed"],
        SizeBytes = 4321,
        Config = new ImageConfig { User = user },
        LayerDirectories = [],
    };

    public void Add(ImageInfo image, string name)
    {
        lock (_gate)
            _here[name] = image;
    }

    public void Break(string name, ImageException? error)
    {
        lock (_gate)
        {
            if (error is null)
                _broken.Remove(name);
            else
                _broken[name] = error;
        }
    }

    /// <summary>What a pull does before the image is here.</summary>
    public Func<string, IProgress<PullProgress>?, Task> Pulling { get; set; } = (_, _) => Task.CompletedTask;

    public async Task<ImageInfo> PullAsync(
        string reference, IReadOnlyList<RegistryCredential> credentials, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        await Pulling(reference, progress);
        lock (_gate)
        {
            if (_broken.TryGetValue(reference, out var error))
                throw error;
            return _here[reference] = Info(reference);
        }
    }

    public ImageInfo? Find(string referenceOrId)
    {
        if (referenceOrId.Contains("!!", StringComparison.Ordinal))
            throw new ImageException("InvalidImageName", $"couldn't parse image name \"{referenceOrId}\": invalid reference format");
        lock (_gate)
            return _here.GetValueOrDefault(referenceOrId);
    }

    public IReadOnlyList<ImageInfo> List()
    {
        lock (_gate)
            return [.. _here.Values];
    }

    public Task<bool> RemoveAsync(string referenceOrId, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<ImageFileSystem> FileSystemAsync(CancellationToken cancellationToken) => Task.FromResult(new ImageFileSystem("/", 0, 0));
}

/// <summary>Volumes that exist only by name; may be told to fail.</summary>
internal sealed class FakeVolumes : IPodVolumes
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, bool> _prepared = new(StringComparer.Ordinal);

    public Func<Pod, VolumeException?> Failure { get; set; } = _ => null;
    public Action<string, string>? LimitExceeded { get; set; }
    public IReadOnlyCollection<string> Prepared => [.. _prepared.Keys];

    public Task PrepareAsync(Pod pod, PodPlace place, CancellationToken cancellationToken)
    {
        if (Failure(pod) is { } failure)
            throw failure;
        _prepared[pod.Metadata.Uid] = true;
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<ContainerMount>> MountsAsync(
        Pod pod, Container container, IReadOnlyList<KeyValuePair<string, string>> environment, IReadOnlyDictionary<string, string> imageIds,
        CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ContainerMount>>([]);

    public void Changed(Pod pod, PodPlace place)
    {
    }

    public Task TearDownAsync(string podUid, CancellationToken cancellationToken)
    {
        _prepared.TryRemove(podUid, out _);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([.. _prepared.Keys]);
}

/// <summary>Probes that say what the test wants.</summary>
internal sealed class FakeProber : IProber
{
    public Func<ProbeTarget, Probe, ProbeResult> Answer { get; set; } = (_, _) => new(ProbeOutcome.Success, "");

    public Task<ProbeResult> ProbeAsync(ProbeTarget target, Probe probe, CancellationToken cancellationToken) => Task.FromResult(Answer(target, probe));
}
