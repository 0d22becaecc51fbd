using System.Formats.Tar;
using System.Text.Json.Nodes;

namespace Minke.Bench;

/// <summary>
/// The same busybox started by others: podman with a store of its own, and the bare OCI runtime. Each is tried in the ways that work on
/// unified and on hybrid cgroup hosts; the table says which one it was.
/// </summary>
internal sealed class Others(string image, Report report) : IAsyncDisposable
{
    private const string Reference = "localhost/hello:1";
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-bench-others-").FullName;
    private string[] _podman = [];

    public async Task PodmanAsync(int count)
    {
        const string run = "podman run -d, exec to return", play = "podman kube play, exec to return";
        if (!Commands.Exists("podman"))
        {
            report.Missing(run, "podman is not installed");
            return;
        }
        try
        {
            var how = await ChoosePodmanAsync();
            report.Row(run, await Samples.OfAsync(count, i => Samples.TimeAsync(() => RunAsync("run-" + i))), how: how);
        }
        catch (InvalidOperationException exception)
        {
            report.Missing(run, exception.Message);
            return;
        }
        // A pod's cgroup is made by the runtime, which crun refuses on a hybrid host whose v2 tree has controllers left; runc does it.
        var failures = new List<string>();
        foreach (var runtime in (string[])[_podman[^1], "runc"])
        {
            _podman[^1] = runtime;
            try
            {
                await PlayAsync("warm-" + runtime); // the first one builds the image of the pause container
                report.Row(play, await Samples.OfAsync(count, i => PlayAsync($"play-{runtime}-{i}")), how: $"`podman {Shown(_podman)} kube play --network none` (with a pause container)");
                return;
            }
            catch (InvalidOperationException exception)
            {
                failures.Add(exception.Message);
            }
        }
        report.Missing(play, string.Join("; ", failures));
    }

    public async Task OciRuntimeAsync(int count)
    {
        const string what = "bare crun run --detach, exec to return";
        var bundle = Path.Combine(_directory, "bundle");
        await UnpackAsync(Path.Combine(bundle, "rootfs"));
        var failures = new List<string>();
        foreach (string[] runtime in (string[][])[["crun"], ["crun", "--cgroup-manager=disabled"], ["runc"]])
        {
            if (!Commands.Exists(runtime[0]))
                continue;
            string[] command = [.. runtime, "--root", Path.Combine(_directory, "oci-" + runtime[0])];
            try
            {
                await WriteSpecAsync(runtime[0], bundle);
                await StartAsync("warm");
                report.Row(what, await Samples.OfAsync(count, i => StartAsync("c" + i)), how: $"`{string.Join(' ', runtime)} run --detach`, its default spec: own network namespace, nothing in it");
                return;
            }
            catch (InvalidOperationException exception)
            {
                failures.Add(exception.Message);
            }

            async Task<TimeSpan> StartAsync(string id)
            {
                id = $"minke-bench-{Environment.ProcessId}-{id}";
                try
                {
                    return await Samples.TimeAsync(() => Commands.RunAsync(command[0], [.. command[1..], "run", "--detach", "--bundle", bundle, id]));
                }
                finally
                {
                    await Commands.RunAsync(command[0], [.. command[1..], "delete", "--force", id]);
                }
            }
        }
        report.Missing(what, failures.Count == 0 ? "neither crun nor runc is installed" : string.Join("; ", failures));
    }

    public async ValueTask DisposeAsync()
    {
        if (_podman.Length > 0)
        {
            // Not "system reset": that takes networks with it which are not ours.
            await Commands.RunAsync("podman", [.. _podman, "pod", "rm", "--all", "--force", "--time", "0"]);
            await Commands.RunAsync("podman", [.. _podman, "rm", "--all", "--force", "--time", "0"]);
        }
        foreach (var point in File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4])
            .Where(point => point.StartsWith(_directory + "/", StringComparison.Ordinal)).OrderByDescending(point => point.Length).ToList())
            await Commands.RunAsync("umount", "-l", point);
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Finds a way podman works here and loads the image.</summary>
    private async Task<string> ChoosePodmanAsync()
    {
        string[] own =
        [
            "--root", Path.Combine(_directory, "podman"), "--runroot", Path.Combine(_directory, "podman-run"),
            "--tmpdir", Path.Combine(_directory, "podman-tmp"), "--cgroup-manager", "cgroupfs", "--events-backend", "none",
        ];
        await KeepLimitsAsync();
        var failures = new List<string>();
        foreach (var runtime in (string[])["crun", "runc"])
        {
            _podman = [.. own, "--runtime", runtime];
            try
            {
                await Commands.RunAsync("podman", [.. _podman, "load", "--quiet", "--input", image]);
                await RunAsync("warm-" + runtime);
                return $"`podman {Shown(_podman)} run -d --network none`, default_ulimits nofile and nproc 1024";
            }
            catch (InvalidOperationException exception)
            {
                failures.Add(exception.Message);
            }
        }
        throw new InvalidOperationException(string.Join("; ", failures));
    }

    /// <summary>By itself podman asks for a million open files, which needs CAP_SYS_RESOURCE where the limit is lower.</summary>
    private async Task KeepLimitsAsync()
    {
        var file = Path.Combine(_directory, "containers.conf");
        await File.WriteAllTextAsync(file, """
            [containers]
            default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
            """);
        Environment.SetEnvironmentVariable("CONTAINERS_CONF", file);
    }

    private static string Shown(string[] options) => string.Join(' ', options.SkipWhile(option => option != "--cgroup-manager"));

    private Task RunAsync(string name) => Commands.RunAsync("podman", [.. _podman, "run", "-d", "--network", "none", "--name", name, Reference, "sleep", "86399"]);

    private async Task<TimeSpan> PlayAsync(string name)
    {
        var file = Path.Combine(_directory, "pod.json");
        await File.WriteAllTextAsync(file, PodRuns.Manifest(name));
        return await Samples.TimeAsync(() => Commands.RunAsync("podman", [.. _podman, "kube", "play", "--network", "none", file]));
    }

    private static async Task WriteSpecAsync(string runtime, string bundle)
    {
        var file = Path.Combine(bundle, "config.json");
        File.Delete(file);
        await Commands.RunAsync(runtime, "spec", "--bundle", bundle);
        var spec = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        spec["process"]!["terminal"] = false;
        spec["process"]!["args"] = new JsonArray("sleep", "86399");
        await File.WriteAllTextAsync(file, spec.ToJsonString());
    }

    /// <summary>Lays out the image's one layer: the largest file of the archive.</summary>
    private async Task UnpackAsync(string rootfs)
    {
        var archive = Path.Combine(_directory, "image");
        Directory.CreateDirectory(archive);
        Directory.CreateDirectory(rootfs);
        await TarFile.ExtractToDirectoryAsync(image, archive, overwriteFiles: true);
        var layer = new DirectoryInfo(Path.Combine(archive, "blobs", "sha256")).EnumerateFiles().MaxBy(file => file.Length)!;
        await TarFile.ExtractToDirectoryAsync(layer.FullName, rootfs, overwriteFiles: true);
        foreach (var point in (string[])["proc", "dev", "sys"])
            Directory.CreateDirectory(Path.Combine(rootfs, point));
    }
}
