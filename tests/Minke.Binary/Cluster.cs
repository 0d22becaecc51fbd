using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Minke.TestSupport;

namespace Minke.Binary;

/// <summary>A cluster of the published binary, driven as a person would: by <c>minke</c> and <c>kubectl</c>.</summary>
public sealed class Cluster(Machine machine, string data)
{
    public const string Image = "localhost/busybox:1";

    public Machine Machine { get; } = machine;
    public string Data { get; } = data;
    public string Kubeconfig => Path.Combine(Data, "kubeconfig");

    public Task<Result> MinkeAsync(params IEnumerable<string> arguments) => Machine.RunAsync(Machine.Binary, [.. arguments, "--data-dir", Data]);

    public Task<Result> MinkeAsync(string input, string[] arguments) =>
        Machine.RunAsync(Machine.Binary, [.. arguments, "--data-dir", Data], input, null);

    public Process StartMinke(params string[] arguments) => Machine.Start(Machine.Binary, [.. arguments, "--data-dir", Data]);

    public Task<Result> KubectlAsync(params IEnumerable<string> arguments) => Machine.RunAsync("kubectl", ["--kubeconfig", Kubeconfig, .. arguments]);

    public Task<Result> CreateAsync(string manifest) =>
        Machine.RunAsync("kubectl", ["--kubeconfig", Kubeconfig, "create", "-f", "-"], manifest, null);

    /// <summary>Starts it in the background, with an image for pods to start from.</summary>
    public async Task UpAsync(params string[] more)
    {
        var archive = Path.Combine(Data, "busybox.tar");
        if (!File.Exists(archive))
        {
            TestImage.Busybox(Image).Build().WriteOciArchive(archive);
            _ = (await MinkeAsync("image", "load", archive)).Text;
        }
        _ = (await MinkeAsync(["up", "--detach", .. more])).Text;
    }

    public async Task<JsonNode> StatusAsync() => JsonNode.Parse((await MinkeAsync("status", "-o", "json")).Output)!;

    public async Task<int> PidAsync() => (int)(await StatusAsync())["pid"]!;

    /// <summary>What tells this cluster's things from others': the binary makes it of the directory's path.</summary>
    public string InstanceId => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Data)))[..8];

    /// <summary>Everything on the machine that belongs to the cluster and is not a file in its directory, in words.</summary>
    public async Task<IReadOnlyList<string>> LeftoversAsync()
    {
        var found = new List<string>();
        foreach (var directory in Directory.GetDirectories("/proc").Where(path => int.TryParse(Path.GetFileName(path), out _)))
        {
            try
            {
                var command = File.ReadAllText(directory + "/cmdline").Replace('\0', ' ');
                if (command.Contains(Data, StringComparison.Ordinal) || command.Contains(InstanceId, StringComparison.Ordinal))
                    found.Add($"process {Path.GetFileName(directory)}: {command}");
            }
            catch (IOException)
            {
                // It ended while we looked.
            }
        }
        found.AddRange(File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4])
            .Where(point => point.StartsWith(Data + "/", StringComparison.Ordinal) || point.Contains(InstanceId, StringComparison.Ordinal))
            .Select(point => "mount " + point));
        found.AddRange(Directory.EnumerateDirectories("/sys/fs/cgroup", $"*{InstanceId}*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 })
            .Select(path => "cgroup " + path));
        found.AddRange(Directory.Exists("/run/minke/" + InstanceId) ? ["directory /run/minke/" + InstanceId] : []);
        found.AddRange((await Machine.LinksAsync()).Where(link => link.Contains(InstanceId, StringComparison.Ordinal)).Select(link => "link " + link));
        if ((await Machine.TablesAsync()).Contains(InstanceId, StringComparison.Ordinal))
            found.Add("nft table " + InstanceId);
        return found;
    }

    /// <summary>Waits until a question has the answer wanted; the question is a command, so there is nothing to be woken by.</summary>
    public static async Task<T> EventuallyAsync<T>(Func<Task<T>> ask, Func<T, bool> isWanted, int seconds = 30)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            var answer = await ask();
            if (isWanted(answer))
                return answer;
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(seconds),
                string.Create(CultureInfo.InvariantCulture, $"after {seconds} s it is still: {answer}"));
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Whatever the test did: nothing stays.</summary>
    public async Task RemoveAsync()
    {
        if (!Directory.Exists(Data))
            return;
        var down = await MinkeAsync("down", "--purge", "--grace", "0");
        if (down.ExitCode != 0)
            TestContext.Current.AddWarning(down.ToString());
    }

    public static string Pod(string name, string command = "sleep 3600", string more = "") => $$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{name}}}
        spec:
          terminationGracePeriodSeconds: 1
          containers:
            - name: main
              image: {{Image}}
              command: [sh, -c, '{{command}}']
        {{more}}
        """;
}
