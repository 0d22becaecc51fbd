using System.Diagnostics;
using System.Text.Json.Nodes;
using Minke.Binary.Features;
using Minke.TestSupport;

[assembly: AssemblyFixture(typeof(FeatureCluster))]

namespace Minke.Binary.Features;

/// <summary>One cluster for all tests of single features, started when the first of them needs it; each works in a namespace of its own.</summary>
public sealed class FeatureCluster : IAsyncDisposable
{
    /// <summary>Runs as user <c>app</c> (1000), who is in group <c>extra</c> (2000) too.</summary>
    public const string UserImage = "localhost/busybox-app:1";

    /// <summary>Asks to be ended by SIGUSR1.</summary>
    public const string StopImage = "localhost/busybox-stop:1";

    private readonly Lazy<Task<Cluster>> _cluster;
    private Machine? _machine;
    private int _namespaces;

    public FeatureCluster() => _cluster = new(StartAsync);

    public Machine Machine => _machine!;

    /// <summary>A new namespace, with the service account its pods need.</summary>
    public async Task<Space> SpaceAsync()
    {
        var cluster = await _cluster.Value;
        var space = new Space(cluster, $"feature-{Interlocked.Increment(ref _namespaces)}");
        _ = (await cluster.KubectlAsync("create", "namespace", space.Name)).Text;
        return space;
    }

    public async ValueTask DisposeAsync()
    {
        if (_machine is not null)
            await _machine.DisposeAsync();
    }

    private async Task<Cluster> StartAsync()
    {
        _machine = await Machine.CreateAsync();
        var cluster = _machine.Cluster();
        var archive = Path.Combine(cluster.Data, "app.tar");
        (TestImage.Busybox(UserImage) with { User = "app", WorkingDir = "/home/app" }).Build().WriteOciArchive(archive);
        var stop = Path.Combine(cluster.Data, "stop.tar");
        (TestImage.Busybox(StopImage) with { StopSignal = "SIGUSR1" }).Build().WriteOciArchive(stop);
        _ = (await cluster.MinkeAsync("image", "load", archive, stop)).Text;
        await cluster.UpAsync();
        return cluster;
    }
}

/// <summary>A namespace and kubectl in it.</summary>
public sealed class Space(Cluster cluster, string name)
{
    public string Name { get; } = name;
    public Cluster Cluster { get; } = cluster;

    public Task<Result> KubectlAsync(params IEnumerable<string> arguments) => Cluster.KubectlAsync(["-n", Name, .. arguments]);

    /// <summary>What kubectl is called with to do something in this namespace.</summary>
    public IEnumerable<string> Arguments(params IEnumerable<string> arguments) => ["--kubeconfig", Cluster.Kubeconfig, "-n", Name, .. arguments];

    /// <summary>A kubectl that goes on until it is ended.</summary>
    public Process Start(params IEnumerable<string> arguments) => Cluster.Machine.Start("kubectl", Arguments(arguments));

    /// <summary>A kubectl that reads a text to its end.</summary>
    public Task<Result> FeedAsync(string input, params IEnumerable<string> arguments) =>
        Cluster.Machine.RunAsync("kubectl", Arguments(arguments), input, null);

    /// <summary>The output of a kubectl that must succeed, without white space at its ends.</summary>
    public async Task<string> GetAsync(params string[] arguments) => (await KubectlAsync(arguments)).Text.Trim();

    public async Task<string> ApplyAsync(string manifest) =>
        (await Cluster.Machine.RunAsync("kubectl", ["--kubeconfig", Cluster.Kubeconfig, "-n", Name, "apply", "-f", "-"], manifest, null)).Text;

    public Task<string> RefusalAsync(string manifest) => RefusalAsync(manifest, "create");

    /// <summary>What kubectl says of a manifest that is refused.</summary>
    public async Task<string> RefusalAsync(string manifest, string verb, params string[] more)
    {
        var result = await Cluster.Machine.RunAsync("kubectl", ["--kubeconfig", Cluster.Kubeconfig, "-n", Name, verb, "-f", "-", .. more], manifest, null);
        Assert.NotEqual(0, result.ExitCode);
        return result.Errors;
    }

    public async Task ReadyAsync(params string[] pods) =>
        _ = (await KubectlAsync(["wait", "--for=condition=Ready", "--timeout=40s", .. pods.Select(pod => "pod/" + pod)])).Text;

    public async Task PhaseAsync(string phase, params string[] pods) =>
        _ = (await KubectlAsync(["wait", $"--for=jsonpath={{.status.phase}}={phase}", "--timeout=40s", .. pods.Select(pod => "pod/" + pod)])).Text;

    /// <summary>Creates pods that run to their end and gives each one's log.</summary>
    public async Task<string> RunAsync(string pod, string manifest)
    {
        await ApplyAsync(manifest);
        await PhaseAsync("Succeeded", pod);
        return await GetAsync("logs", pod);
    }

    public Task<string> ExecAsync(string pod, string command, string container = "main") => GetAsync("exec", pod, "-c", container, "--", "sh", "-c", command);

    public async Task<JsonNode> PodAsync(string pod) => JsonNode.Parse(await GetAsync("get", "pod", pod, "-o", "json"))!;

    public Task<string> PathAsync(string pod, string path) => GetAsync("get", "pod", pod, "-o", $"jsonpath={path}");

    /// <summary>Waits until a path of the pod has the value.</summary>
    public Task<string> UntilAsync(string pod, string path, string value, int seconds = 40) =>
        Cluster.EventuallyAsync(() => PathAsync(pod, path), text => text == value, seconds);

    /// <summary>Waits for an event of the pod with the reason and gives the first one's message.</summary>
    public async Task<string> EventAsync(string pod, string reason, int seconds = 40) => await Cluster.EventuallyAsync(
        async () => (await GetAsync("get", "events", "--field-selector", $"involvedObject.name={pod},reason={reason}", "-o",
            "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}")).Split('\n')[0],
        text => text.Length > 0, seconds);

    /// <summary>A pod of one container; <paramref name="container"/> is indented by six, <paramref name="spec"/> by two.</summary>
    public static string Pod(string name, string command = "sleep 3600", string container = "", string spec = "", string restartPolicy = "Always",
        string image = Cluster.Image) =>
        $"""
        ---
        apiVersion: v1
        kind: Pod
        metadata: {"{"}name: {name}, labels: {"{"}app: {name}{"}"}{"}"}
        spec:
          terminationGracePeriodSeconds: 0
          restartPolicy: {restartPolicy}
        {Indented(spec, 2)}
          containers:
            - name: main
              image: {image}
              command: [sh, -c, {JsonValue.Create(command).ToJsonString()}]
        {Indented(container, 6)}

        """;

    /// <summary>A pod that runs a command to its end.</summary>
    public static string Once(string name, string command, string container = "", string spec = "", string image = Cluster.Image) =>
        Pod(name, command, container, spec, "Never", image);

    private static string Indented(string text, int spaces) =>
        string.Join('\n', text.Split('\n').Where(line => line.Length > 0).Select(line => new string(' ', spaces) + line));
}
