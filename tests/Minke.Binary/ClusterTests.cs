using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Minke.Binary;

/// <summary>One running cluster for the tests that need nothing special of it.</summary>
public sealed class RunningClusterFixture : IAsyncLifetime
{
    public Machine Machine { get; private set; } = null!;
    public Cluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Machine = await Machine.CreateAsync();
        Cluster = Machine.Cluster();
        await Cluster.UpAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Machine is not null)
            await Machine.DisposeAsync();
    }
}

/// <summary>What a person does with a cluster that runs.</summary>
public sealed class ClusterTests(RunningClusterFixture fixture) : IClassFixture<RunningClusterFixture>
{
    private Cluster Cluster => fixture.Cluster;

    [Fact]
    public async Task The_node_is_ready_for_kubectl()
    {
        _ = (await Cluster.KubectlAsync("wait", "--for=condition=Ready", "node", "--all", "--timeout=20s")).Text;
        Assert.Contains("v1.32.", (await Cluster.KubectlAsync("version")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Up_on_a_running_cluster_applies_and_waits()
    {
        var up = await Cluster.MinkeAsync(Cluster.Pod("greeter", "echo hello from $HOSTNAME; sleep 3600"), ["up", "-f", "-"]);

        Assert.Contains("pod/greeter created", up.Text, StringComparison.Ordinal);
        Assert.Matches(@"pod default/greeter: ready \d+ ms", up.Output);
        Assert.Contains("kubectl --context minke get pods -A", up.Output, StringComparison.Ordinal);
        Assert.Equal("hello from greeter\n", (await Cluster.KubectlAsync("logs", "greeter")).Text);
        Assert.Equal("hello from greeter\n", (await Cluster.MinkeAsync("logs", "default/greeter")).Text);
        Assert.Equal("greeter\n", (await Cluster.KubectlAsync("exec", "greeter", "--", "hostname")).Text);

        var again = await Cluster.MinkeAsync(Cluster.Pod("greeter", "echo hello from $HOSTNAME; sleep 3600"), ["up", "-f", "-"]);
        Assert.Contains("pod/greeter unchanged", again.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_applied_can_be_changed_and_taken_back()
    {
        const string before = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {a: b}}\ndata: {x: '1', y: '2'}\n";
        const string after = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {x: '3'}\n";
        Assert.Contains("configmap/settings created", (await Cluster.MinkeAsync(before, ["up", "-f", "-"])).Text, StringComparison.Ordinal);
        _ = (await Cluster.KubectlAsync("patch", "configmap", "settings", "-p", """{"data":{"z":"by hand"}}""")).Text;

        Assert.Contains("configmap/settings configured", (await Cluster.MinkeAsync(after, ["up", "-f", "-"])).Text, StringComparison.Ordinal);
        var live = JsonNode.Parse((await Cluster.KubectlAsync("get", "configmap", "settings", "-o", "json")).Text)!;
        Assert.Equal("""{"x":"3","z":"by hand"}""", live["data"]!.ToJsonString());
        Assert.Null(live["metadata"]!["labels"]);

        // The annotation is kubectl's own: it sees nothing to do.
        var kubectl = await fixture.Machine.RunAsync("kubectl", ["--kubeconfig", Cluster.Kubeconfig, "apply", "-f", "-"], after, null);
        Assert.Equal("configmap/settings unchanged\n", kubectl.Text);
    }

    [Fact]
    public async Task A_pod_that_cannot_start_says_why()
    {
        var up = await Cluster.MinkeAsync(
            Cluster.Pod("imageless").Replace(Cluster.Image, "localhost/no-such-image:1\n      imagePullPolicy: Never", StringComparison.Ordinal),
            ["up", "-f", "-", "--timeout", "3"]);

        Assert.Equal(1, up.ExitCode);
        Assert.Contains("not ready after 3 s", up.Errors, StringComparison.Ordinal);
        Assert.Contains("ErrImageNeverPull", up.Errors, StringComparison.Ordinal);
        _ = (await Cluster.KubectlAsync("delete", "pod", "imageless")).Text;
    }

    [Fact]
    public async Task What_the_server_refuses_is_said_in_its_words()
    {
        var up = await Cluster.MinkeAsync("apiVersion: v1\nkind: Pod\nmetadata: {name: Bad_Name}\nspec: {containers: [{name: c, image: i}]}\n", ["up", "-f", "-"]);
        Assert.Equal(1, up.ExitCode);
        Assert.Contains("""standard input:1: Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain""", up.Errors, StringComparison.Ordinal);

        var misspelt = await Cluster.MinkeAsync("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: misspelt}\ndta: {a: b}\n", ["up", "-f", "-"]);
        Assert.Equal(1, misspelt.ExitCode);
        Assert.Contains("strict decoding error: unknown field \"dta\"", misspelt.Errors, StringComparison.Ordinal);
        Assert.Equal(1, (await Cluster.KubectlAsync("get", "configmap", "misspelt")).ExitCode);

        var unknown = await Cluster.MinkeAsync("apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n", ["up", "-f", "-"]);
        Assert.Contains("no matches for kind \"Thing\" in version \"example.com/v1\"", unknown.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_says_who_runs_and_what()
    {
        var status = await Cluster.StatusAsync();

        Assert.True((bool)status["running"]!);
        Assert.True(Directory.Exists($"/proc/{(int)status["pid"]!}"));
        Assert.StartsWith("https://127.0.0.1:", (string)status["addresses"]![0]!, StringComparison.Ordinal);
        Assert.StartsWith("v1.32.", (string)status["kubernetesVersion"]!, StringComparison.Ordinal);
        Assert.NotNull(status["node"]!["name"]);
        Assert.Contains("cluster   https://127.0.0.1:", (await Cluster.MinkeAsync("status")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_kubeconfig_is_merged_into_the_users_own()
    {
        var file = Path.Combine(Cluster.Data, "users-own");
        await File.WriteAllTextAsync(file, "# mine\nkind: Config\ncurrent-context: elsewhere\n", TestContext.Current.CancellationToken);
        var environment = new Dictionary<string, string> { ["KUBECONFIG"] = file };

        _ = (await fixture.Machine.RunAsync(Machine.Binary, ["kubeconfig", "--merge", "--data-dir", Cluster.Data], null, environment)).Text;

        Assert.StartsWith("# mine\nkind: Config\ncurrent-context: elsewhere\n", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        var kubectl = await fixture.Machine.RunAsync("kubectl", ["--context", "minke", "auth", "whoami", "-o", "json"], null, environment);
        Assert.Contains("kubernetes-admin", kubectl.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_up_in_the_same_directory_finds_the_first()
    {
        var up = await Cluster.MinkeAsync("up", "--detach");
        Assert.Contains($"cluster is up: https://127.0.0.1:6443/, process {await Cluster.PidAsync()}", up.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_root_can_read_the_keys()
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Cluster.Data, "pki")).Append(Cluster.Kubeconfig))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task Nothing_listens_beyond_loopback()
    {
        var listening = (await fixture.Machine.RunAsync("ss", "-Hltn")).Text;
        Assert.All(listening.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Contains(" 127.0.0.1:", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Starting_takes_no_time_worth_mentioning_and_help_needs_no_cluster()
    {
        var help = await fixture.Machine.RunAsync(Machine.Binary, "--help");
        Assert.Contains("sudo minke up -f examples/hello", help.Text, StringComparison.Ordinal);
        Assert.Equal("", help.Errors);
    }
}
