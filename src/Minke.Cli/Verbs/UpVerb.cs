using System.Globalization;
using Minke.Cli.Api;
using Minke.Cli.Clusters;
using Minke.Cli.Images;
using Minke.Cli.Kubeconfigs;
using Minke.Cli.Manifests;
using Minke.Cli.Progress;

namespace Minke.Cli.Verbs;

/// <summary><c>minke up</c>: a cluster, and in it what the manifests say.</summary>
internal sealed class UpVerb(IClusterHost host, Terminal terminal, StopSignal stop, TimeProvider clock)
{
    public sealed record Options
    {
        public required DataDirectory Data { get; init; }
        public required ListenAddress Listen { get; init; }
        public IReadOnlyList<string> Files { get; init; } = [];
        public bool Detach { get; init; }
        public bool Wait { get; init; }
        public TimeSpan Timeout { get; init; }
        public string? RegistriesFile { get; init; }
        public AccessOptions Access { get; init; } = new();
        public long? ContainerLogMaxBytes { get; init; }
    }

    private readonly long _began = clock.GetTimestamp();

    public async Task<int> RunAsync(Options options)
    {
        // What cannot be read is said before anything starts.
        var manifests = await ManifestReader.ReadAsync(options.Files, terminal.In, stop.Token);
        if (options.Files.Count > 0 && manifests.Count == 0)
            throw new CliException($"-f {string.Join(" -f ", options.Files)}: there are no objects in it");
        var view = terminal.ProgressView();

        using var held = ClusterLock.TryTake(options.Data);
        if (held is null)
        {
            await ApplyToRunningAsync(options, manifests, view);
            return 0;
        }
        if (options.Detach)
        {
            held.Dispose(); // the daemon takes it
            await Daemon.StartAsync(options.Data, DaemonArguments(options), stop.Token);
            var record = options.Data.RunningCluster() ?? throw new CliException($"the cluster stopped again; see: {options.Data.LogFile}");
            view.Say($"cluster up in {Elapsed}: {record.Server}");
            await ApplyAsync(options, manifests, view);
            SayNext(options.Data, view, isDetached: true);
            return 0;
        }
        return await RunHereAsync(options, manifests, view, held);
    }

    private async Task<int> RunHereAsync(Options options, IReadOnlyList<Manifest> manifests, IProgressView view, ClusterLock held)
    {
        var exitCode = 0;
        await new ClusterProcess(host, clock).RunAsync(new(options.Data, options.Listen, options.RegistriesFile, options.ContainerLogMaxBytes, options.Access), held, async record =>
        {
            view.Say($"cluster up in {Elapsed}: {record.Server}");
            try
            {
                await ApplyAsync(options, manifests, view);
            }
            catch (CliException exception)
            {
                // The cluster is there to look into it with kubectl.
                exitCode = exception.ExitCode;
                terminal.Error.WriteLine("minke: " + exception.Message);
            }
            catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
            {
                return;
            }
            SayNext(options.Data, view, isDetached: false);
        }, stop.Token);

        if (stop.WasInterrupted)
        {
            view.Say("stopping pods …");
            await host.RemovePodsAsync(options.Data, DownVerb.DefaultGrace, CancellationToken.None);
        }
        return exitCode;
    }

    private async Task ApplyToRunningAsync(Options options, IReadOnlyList<Manifest> manifests, IProgressView view)
    {
        var record = await RunningAsync(options.Data);
        if (options.Listen.Port is { } port && port != record.Server.Port)
            throw new CliException($"the cluster in {options.Data.Root} already runs at {record.Server}: minke down first, or leave --listen out");
        view.Say($"cluster is up: {record.Server}, process {record.Pid}");
        await ApplyAsync(options with { Wait = options.Wait || !options.Detach }, manifests, view);
        SayNext(options.Data, view, isDetached: true);
    }

    /// <summary>Another process holds the directory: it has a record, or is about to write it.</summary>
    private async Task<ClusterRecord> RunningAsync(DataDirectory data)
    {
        var patience = TimeSpan.FromSeconds(30);
        using var changes = new FileSystemWatcher(data.Root, Path.GetFileName(data.RecordFile));
        var changed = new SemaphoreSlim(0);
        changes.Created += (_, _) => changed.Release();
        changes.Renamed += (_, _) => changed.Release();
        changes.EnableRaisingEvents = true;
        while (true)
        {
            if (data.RunningCluster() is { } record)
                return record;
            if (!await changed.WaitAsync(patience, stop.Token))
                throw new CliException($"another minke command holds {data.Root} and has not started a cluster for {patience.TotalSeconds:0} s; see: {data.LogFile}");
        }
    }

    private async Task ApplyAsync(Options options, IReadOnlyList<Manifest> manifests, IProgressView view)
    {
        if (manifests.Count == 0)
            return;
        await new ImageVerbs(options.Data, terminal, clock).LoadBesideAsync(options.Files, view.Say, stop.Token);
        using var api = new ApiConnection(KubeconfigOf(options.Data)) { Warned = warning => view.Say("Warning: " + warning) };
        var applier = new Applier(api, clock);
        var watch = new RolloutWatch(api, view, clock);
        foreach (var manifest in manifests)
        {
            var applied = await applier.ApplyAsync(manifest, stop.Token);
            view.Say($"{applied.DisplayName} {applied.What.ToString().ToLowerInvariant()}");
            watch.Expect(applied);
        }
        if (!options.Wait)
            return;
        await view.LiveAsync(() => watch.WaitAsync(options.Timeout, stop.Token));
        view.Say($"everything ready {Elapsed} after the command was typed");
        foreach (var pod in watch.Pods.Where(pod => pod.Address.Length > 0))
            view.Say($"  {pod.FullName}  {(pod.Endpoints.Count == 0 ? pod.Address : string.Join(' ', pod.Endpoints))}");
    }

    private void SayNext(DataDirectory data, IProgressView view, bool isDetached)
    {
        var where = data.Root == DataDirectory.Default ? "" : $" --data-dir {data.Root}";
        view.Say("");
        var minke = terminal.CommandName;
        view.Say($"  sudo {minke} kubeconfig --merge{where}    adds the context \"minke\" to your kubeconfig");
        view.Say("  kubectl --context minke get pods -A");
        view.Say(isDetached ? $"  sudo {minke} down{where}" : "  Ctrl-C stops the cluster and its pods");
    }

    internal static Kubeconfig KubeconfigOf(DataDirectory data)
    {
        try
        {
            return Kubeconfig.Parse(File.ReadAllText(data.KubeconfigFile));
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CliException($"there is no cluster in {data.Root}: start one with: sudo minke up", exception);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new CliException($"the cluster in {data.Root} belongs to another user: use sudo", exception);
        }
        catch (KubeconfigException exception)
        {
            throw new CliException($"{data.KubeconfigFile}: {exception.Message}", exception);
        }
    }

    private static IEnumerable<string> DaemonArguments(Options options)
    {
        yield return "--data-dir";
        yield return options.Data.Root;
        yield return "--listen";
        yield return options.Listen.ToString();
        if (options.RegistriesFile is { } registries)
        {
            yield return "--registries";
            yield return Path.GetFullPath(registries);
        }
        foreach (var argument in options.Access.ToArguments())
            yield return argument;
        if (options.ContainerLogMaxBytes is { } bytes)
        {
            yield return "--container-log-max-size";
            yield return bytes.ToString(CultureInfo.InvariantCulture);
        }
    }

    private string Elapsed
    {
        get
        {
            var elapsed = clock.GetElapsedTime(_began);
            return elapsed < TimeSpan.FromSeconds(10)
                ? $"{elapsed.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture)} ms"
                : $"{elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s";
        }
    }
}
