using System.Globalization;
using Minke.Client.Nodes;

namespace Minke.Node.Tests.Pods;

/// <summary>Logs that are put aside as they grow, and who reads them meanwhile.</summary>
public sealed class LogRotationTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 10)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task A_followed_log_is_whole_across_rotations_and_few_files_are_kept(int seed)
    {
        const int Lines = 600;
        var random = new Random(seed);
        await using var node = await TestNode.StartAsync(node => node.Settings = node.Settings with { ContainerLogMaxBytes = 2000 });
        await node.CreateAsync(Make.Pod("web") with { Spec = Make.Pod("web").Spec with { RestartPolicy = "Never" } });
        var pod = await node.UntilRunningAsync("web");
        var container = (await node.Runtime.ListContainersAsync(node.Deadline))[0];
        var logs = Path.GetDirectoryName(container.LogPath)!;
        node.Runtime.Log(container.Id, "0");
        using var reader = new StreamReader(await node.Agent.Endpoint.LogsAsync(
            new("default", "web", pod.Metadata.Uid), new() { Container = "web", Follow = true }, node.Deadline));
        var seen = new List<string>();
        var followed = FollowAsync();

        var rotations = 0;
        for (var line = 1; line <= Lines; line++)
        {
            node.Runtime.Log(container.Id, line.ToString(CultureInfo.InvariantCulture));
            if (line % 60 != 0)
                continue;
            // The writer goes on under the old name until it is told: so does conmon.
            while (Directory.GetFiles(logs, "0.log.*").Length == 0 || new FileInfo(container.LogPath) is { Exists: true, Length: >= 2000 })
            {
                node.Time.Advance(TimeSpan.FromSeconds(10));
                await Task.Delay(random.Next(2), node.Deadline);
            }
            rotations++;
            // Up to three files behind: what is older than the files that are kept is lost to everybody.
            while (Count() < line - (60 * random.Next(4)))
                await Task.Delay(1, node.Deadline);
        }
        node.Runtime.Log(container.Id, "last");
        node.Runtime.Exit(container.Id, 0);

        Assert.Equal([.. Enumerable.Range(0, Lines + 1).Select(line => line.ToString(CultureInfo.InvariantCulture)), "last"], await followed);
        Assert.True(rotations > 5);
        Assert.Equal(5, Directory.GetFiles(logs, "0.log*").Length);

        int Count()
        {
            lock (seen)
                return seen.Count;
        }

        async Task<List<string>> FollowAsync()
        {
            while (await reader.ReadLineAsync(node.Deadline) is { } line)
            {
                lock (seen)
                    seen.Add(line);
            }
            return seen;
        }
    }
}
