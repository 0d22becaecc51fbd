using System.Globalization;
using System.Text.Json.Nodes;

namespace Minke.Binary;

/// <summary><c>minke store</c>, as an operator uses it on a bad day.</summary>
public sealed class StoreTests
{
    [Fact]
    public async Task A_cluster_that_was_lost_comes_back_from_its_backup()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        _ = (await cluster.KubectlAsync("create", "secret", "generic", "s", "--from-literal=password=hidden")).Text;
        _ = (await cluster.KubectlAsync("create", "configmap", "c", "--from-literal=a=1")).Text;
        var token = (await cluster.KubectlAsync("create", "token", "default")).Text.Trim();
        var backup = Path.Combine(machine.Cluster().Data, "backup");
        Assert.Contains("carries the cluster's keys", (await cluster.MinkeAsync("store", "backup", "--with-keys", backup)).Text, StringComparison.Ordinal);
        var kubeconfig = await File.ReadAllBytesAsync(cluster.Kubeconfig, TestContext.Current.CancellationToken);
        // After the backup: this revision is seen by clients, and what has it is lost.
        var seen = Version((await cluster.KubectlAsync("create", "configmap", "later", "-o", "json")).Text);
        Assert.Contains("all is well", (await cluster.MinkeAsync("store", "check")).Text, StringComparison.Ordinal);
        _ = (await cluster.MinkeAsync("down", "--purge", "--grace", "0")).Text;

        Directory.CreateDirectory(cluster.Data);
        Assert.Contains("goes on from revision", (await cluster.MinkeAsync("store", "restore", backup)).Text, StringComparison.Ordinal);
        Assert.Contains("all is well", (await cluster.MinkeAsync("store", "check")).Text, StringComparison.Ordinal);
        await cluster.UpAsync();
        // The kubeconfig and the token of before hold, and what is sealed opens.
        await File.WriteAllBytesAsync(cluster.Kubeconfig, kubeconfig, TestContext.Current.CancellationToken);
        Assert.Equal("aGlkZGVu", (await cluster.KubectlAsync("get", "secret", "s", "-o", "jsonpath={.data.password}")).Text);
        var review = await machine.RunAsync("kubectl", ["--kubeconfig", cluster.Kubeconfig, "create", "-o", "json", "-f", "-"],
            $"apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec:\n  token: {token}\n", null);
        Assert.Equal("system:serviceaccount:default:default", (string)JsonNode.Parse(review.Text)!["status"]!["user"]!["username"]!);
        Assert.NotEqual(0, (await cluster.KubectlAsync("get", "configmap", "later")).ExitCode);
        Assert.True(Version((await cluster.KubectlAsync("get", "--raw", "/api/v1/namespaces/default/configmaps")).Text) > seen);
        Assert.True(Version((await cluster.KubectlAsync("create", "configmap", "new", "-o", "json")).Text) > seen);
    }

    [Fact]
    public async Task A_restore_over_a_cluster_wants_it_stopped_and_asks_first()
    {
        await using var machine = await Machine.CreateAsync();
        var cluster = machine.Cluster();
        await cluster.UpAsync();
        var backup = Path.Combine(machine.Cluster().Data, "backup");
        _ = (await cluster.MinkeAsync("store", "backup", backup)).Text;
        _ = (await cluster.KubectlAsync("create", "configmap", "later")).Text;
        Assert.Contains("stop it first", (await cluster.MinkeAsync("store", "restore", "--force", backup)).Errors, StringComparison.Ordinal);
        Assert.Contains("freed", (await cluster.MinkeAsync("store", "compact")).Text, StringComparison.Ordinal);
        _ = (await cluster.MinkeAsync("down", "--grace", "0")).Text;
        Assert.Contains("freed", (await cluster.MinkeAsync("store", "compact")).Text, StringComparison.Ordinal);
        Assert.Contains("--force", (await cluster.MinkeAsync("store", "restore", backup)).Errors, StringComparison.Ordinal);

        var damaged = await File.ReadAllBytesAsync(backup, TestContext.Current.CancellationToken);
        damaged[damaged.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(backup + ".damaged", damaged, TestContext.Current.CancellationToken);
        Assert.Contains("is damaged", (await cluster.MinkeAsync("store", "restore", "--force", backup + ".damaged")).Errors, StringComparison.Ordinal);

        _ = (await cluster.MinkeAsync("store", "restore", "--force", backup)).Text;
        await cluster.UpAsync();
        Assert.NotEqual(0, (await cluster.KubectlAsync("get", "configmap", "later")).ExitCode);
    }

    /// <summary>At any moment of it: the old state whole, or the new one.</summary>
    [Fact]
    public async Task A_restore_that_is_killed_leaves_a_whole_state()
    {
        await using var machine = await Machine.CreateAsync();
        var (cluster, other) = (machine.Cluster(), machine.Cluster());
        await cluster.UpAsync();
        _ = (await cluster.KubectlAsync("create", "configmap", "of-the-backup", "--from-literal=a=" + new string('x', 100_000))).Text;
        var backup = Path.Combine(other.Data, "backup");
        _ = (await cluster.MinkeAsync("store", "backup", "--with-keys", backup)).Text;
        _ = (await cluster.MinkeAsync("down", "--grace", "0")).Text;
        var (before, restored) = (await CheckAsync(cluster), 0);
        for (var round = 0; round < 12; round++)
        {
            using var restore = cluster.StartMinke("store", "restore", "--force", backup);
            await Task.Delay(TimeSpan.FromMilliseconds(60 + (round * 25)), TestContext.Current.CancellationToken);
            restore.Kill();
            await restore.WaitForExitAsync(TestContext.Current.CancellationToken);
            var after = await CheckAsync(cluster);
            Assert.Equal(before.Entries, after.Entries);
            Assert.True(after.Revision >= before.Revision);
            restored += after.Revision > before.Revision ? 1 : 0;
            before = after;
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{restored} of 12 had come past the point of no return");
    }

    private static async Task<(long Revision, long Entries)> CheckAsync(Cluster cluster)
    {
        var report = JsonNode.Parse((await cluster.MinkeAsync("store", "check", "-o", "json")).Text)!;
        Assert.Empty(report["problems"]!.AsArray());
        return ((long)report["revision"]!, (long)report["entries"]!);
    }

    private static long Version(string json) =>
        long.Parse(JsonNode.Parse(json)!["metadata"]!["resourceVersion"]!.GetValue<string>(), CultureInfo.InvariantCulture);
}
