using System.Globalization;

namespace Minke.Binary.Features;

/// <summary>Logs that outgrow their limit, in a cluster with a small one.</summary>
public sealed class LogTests
{
    [Fact]
    public async Task A_long_log_is_put_aside_in_pieces_and_whoever_follows_misses_nothing()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync("--container-log-max-size", "64Ki");
        _ = (await cluster.MinkeAsync(Cluster.Pod("talks", "i=0; while :; do i=$((i+1)); echo $i; [ $((i % 500)) -ne 0 ] || sleep 0.1; done"), ["up", "-f", "-"])).Text;
        using var follows = machine.Start("kubectl", ["--kubeconfig", cluster.Kubeconfig, "logs", "-f", "talks"]);
        var logs = Directory.GetDirectories(Path.Combine(cluster.Data, "node", "logs", "pods"), "default_talks_*")[0] + "/main";

        // Followed until it went through three files.
        var expected = 0;
        var reading = follows.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask();
        while (Directory.GetFiles(logs, "0.log.2*").Length < 2)
        {
            var line = await reading.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
            Assert.Equal((++expected).ToString(CultureInfo.InvariantCulture), line);
            reading = follows.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask();
        }
        for (var last = expected + 10_000; expected < last;)
        {
            Assert.Equal((++expected).ToString(CultureInfo.InvariantCulture), await reading.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
            reading = follows.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask();
        }
        follows.Kill();

        // Read at once it is whole too: from the oldest piece to the one being written.
        var all = (await cluster.KubectlAsync("logs", "talks", "--tail", "20000")).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(Enumerable.Range(all[0], all.Length), all);
    }
}
