using Minke.Binary.Features;

namespace Minke.Clients;

/// <summary>The verbs and outputs of kubectl that other tests do not use.</summary>
public sealed class KubectlTests(FeatureCluster cluster)
{
    private const string Colors = """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: colors, labels: {app: demo}}
        data: {a: red, b: blue}
        """;

    [Fact]
    public async Task Apply_updates_drops_and_conflicts()
    {
        var space = await cluster.SpaceAsync();
        Assert.Equal("configmap/colors created\n", await space.ApplyAsync(Colors));
        Assert.Equal("configmap/colors unchanged\n", await space.ApplyAsync(Colors));
        Assert.Equal("configmap/colors configured\n", await space.ApplyAsync(Colors.Replace(", b: blue", ", c: green", StringComparison.Ordinal)));
        Assert.Equal("""{"a":"red","c":"green"}""", await space.GetAsync("get", "configmap", "colors", "-o", "jsonpath={.data}"));

        var shapes = Colors.Replace("colors", "shapes", StringComparison.Ordinal);
        Assert.Equal("configmap/shapes serverside-applied\n", (await space.FeedAsync(shapes, "apply", "--server-side", "-f", "-")).Text);
        Assert.Equal("configmap/shapes serverside-applied\n",
            (await space.FeedAsync(shapes.Replace(", b: blue", "", StringComparison.Ordinal), "apply", "--server-side", "-f", "-")).Text);
        Assert.Equal("""{"a":"red"}""", await space.GetAsync("get", "configmap", "shapes", "-o", "jsonpath={.data}"));
        var other = shapes.Replace("red", "round", StringComparison.Ordinal);
        Assert.StartsWith("error: Apply failed with 1 conflict: conflict with \"kubectl\": .data.a\n",
            (await space.FeedAsync(other, "apply", "--server-side", "--field-manager=other", "-f", "-")).Errors, StringComparison.Ordinal);
        _ = (await space.FeedAsync(other, "apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-")).Text;
        Assert.Equal("round", await space.GetAsync("get", "configmap", "shapes", "-o", "jsonpath={.data.a}"));
    }

    [Fact]
    public async Task Diff_says_by_its_exit_code_whether_there_is_one()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Colors);
        var same = await space.FeedAsync(Colors, "diff", "-f", "-");
        Assert.Equal((0, ""), (same.ExitCode, same.Output));
        var changed = Colors.Replace("blue", "green", StringComparison.Ordinal);
        foreach (var result in new[] { await space.FeedAsync(changed, "diff", "-f", "-"), await space.FeedAsync(changed, "diff", "--server-side", "--force-conflicts", "-f", "-") })
        {
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("-  b: blue\n+  b: green\n", result.Output, StringComparison.Ordinal);
        }
        Assert.True((await space.FeedAsync("apiVersion: v1\nkind: Nothing\nmetadata: {name: a}\n", "diff", "-f", "-")).ExitCode > 1);
        Assert.Equal("blue", await space.GetAsync("get", "configmap", "colors", "-o", "jsonpath={.data.b}"));
    }

    [Fact]
    public async Task An_editor_changes_an_object()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Colors);
        Assert.Equal("configmap/colors edited\n", (await EditAsync("sed -i s/blue/green/")).Text);
        Assert.Equal("green", await space.GetAsync("get", "configmap", "colors", "-o", "jsonpath={.data.b}"));
        Assert.Equal("Edit cancelled, no changes made.\n", (await EditAsync("true")).Errors);

        Task<Binary.Result> EditAsync(string editor) => space.Cluster.Machine.RunAsync("kubectl", space.Arguments("edit", "configmap", "colors"), null,
            new Dictionary<string, string> { ["EDITOR"] = editor });
    }

    [Fact]
    public async Task Labels_and_annotations_are_set_kept_and_taken_away()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Colors);
        Assert.Equal("configmap/colors labeled", await space.GetAsync("label", "configmap", "colors", "tier=front"));
        Assert.Contains("'tier' already has a value (front), and --overwrite is false",
            (await space.KubectlAsync("label", "configmap", "colors", "tier=back")).Errors, StringComparison.Ordinal);
        Assert.Equal("configmap/colors labeled", await space.GetAsync("label", "configmap", "colors", "tier=back", "--overwrite"));
        Assert.Equal("configmap/colors", await space.GetAsync("get", "configmaps", "-l", "tier=back", "-o", "name"));
        Assert.Equal("configmap/colors unlabeled", await space.GetAsync("label", "configmap", "colors", "tier-"));
        Assert.Equal("configmap/colors annotated", await space.GetAsync("annotate", "configmap", "colors", "note=hello"));
        Assert.Equal("hello", await space.GetAsync("get", "configmap", "colors", "-o", "jsonpath={.metadata.annotations.note}"));
        Assert.Contains("a valid label must be an empty string or consist of alphanumeric characters",
            (await space.KubectlAsync("label", "configmap", "colors", "bad=a b")).Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waiting_ends_when_a_path_has_its_value()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Colors);
        using var waiting = space.Start("wait", "configmap/colors", "--for=jsonpath={.data.b}=green", "--timeout=60s");
        _ = (await space.KubectlAsync("patch", "configmap", "colors", "-p", """{"data":{"b":"green"}}""")).Text;
        Assert.Equal("configmap/colors condition met\n", (await Binary.Machine.FinishAsync(waiting, null, "kubectl wait")).Text);
        Assert.Contains("timed out waiting for the condition on configmaps/colors",
            (await space.KubectlAsync("wait", "configmap/colors", "--for=jsonpath={.data.b}=black", "--timeout=1s")).Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fields_are_explained_down_to_the_leaves()
    {
        var space = await cluster.SpaceAsync();
        var pod = await space.GetAsync("explain", "pod.spec.containers", "--recursive");
        Assert.StartsWith("KIND:       Pod\nVERSION:    v1\n\nFIELD: containers <[]Container>\n", pod, StringComparison.Ordinal);
        Assert.Contains("  livenessProbe\t<Probe>\n    exec\t<ExecAction>\n      command\t<[]string>\n", pod, StringComparison.Ordinal);
        Assert.Contains("  name\t<string> -required-\n", pod, StringComparison.Ordinal);
        Assert.StartsWith("GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nFIELD: replicas <integer>\n",
            await space.GetAsync("explain", "deployments.spec.replicas"), StringComparison.Ordinal);
        Assert.Contains("error: field \"nothing\" does not exist", (await space.KubectlAsync("explain", "pod.spec.nothing")).Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_from_the_command_line_is_whom_it_names()
    {
        var space = await cluster.SpaceAsync();
        _ = (await space.KubectlAsync("create", "serviceaccount", "robot")).Text;
        var token = await space.GetAsync("create", "token", "robot", "--duration=1h");
        Assert.Equal(3, token.Split('.').Length);
        // The administrator's certificate must not speak for it.
        var server = await space.GetAsync("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}");
        var result = await space.Cluster.Machine.RunAsync("kubectl", "--kubeconfig=/dev/null", "--server", server, "--insecure-skip-tls-verify",
            "--token", token, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}");
        Assert.Equal($"system:serviceaccount:{space.Name}:robot", result.Text);
    }

    [Fact]
    public async Task What_is_served_is_listed()
    {
        var space = await cluster.SpaceAsync();
        var versions = (await space.GetAsync("api-versions")).Split('\n');
        Assert.Equal(versions.Order(StringComparer.Ordinal), versions);
        Assert.Contains("v1", versions);
        Assert.Contains("apps/v1", versions);
        Assert.Contains("apiextensions.k8s.io/v1", versions);
        var core = await space.GetAsync("api-resources", "--api-group=", "--no-headers", "--namespaced=true", "-o", "name");
        Assert.Equal(["bindings", "configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims", "pods", "podtemplates",
            "replicationcontrollers", "resourcequotas", "secrets", "serviceaccounts", "services"], core.Split('\n').Order(StringComparer.Ordinal));
        Assert.Matches("(?m)^deployments +deploy +apps/v1 +true +Deployment +create,delete,deletecollection,get,list,patch,update,watch +all *$",
            await space.GetAsync("api-resources", "-o", "wide"));
        Assert.Matches(@"^.*Kubernetes control plane.* is running at .*https://127\.0\.0\.1:\d+", await space.GetAsync("cluster-info"));
    }

    [Fact]
    public async Task Objects_are_shown_in_every_form()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Colors);
        string[] get = ["get", "configmap", "colors", "-o"];
        Assert.Equal("configmap/colors", await space.GetAsync([.. get, "name"]));
        Assert.Matches(@"^NAME +DATA +AGE\ncolors +2 +\d+s$", await space.GetAsync([.. get, "wide"]));
        Assert.StartsWith("apiVersion: v1\ndata:\n  a: red\n  b: blue\nkind: ConfigMap\nmetadata:\n", await space.GetAsync([.. get, "yaml"]), StringComparison.Ordinal);
        Assert.StartsWith("{\n    \"apiVersion\": \"v1\",\n    \"data\": {\n        \"a\": \"red\",\n", await space.GetAsync([.. get, "json"]), StringComparison.Ordinal);
        Assert.Equal("red", await space.GetAsync([.. get, "jsonpath={.data.a}"]));
        Assert.Equal("[\n    \"red\"\n]", await space.GetAsync([.. get, "jsonpath-as-json={.data.a}"]));
        Assert.Equal("a=red b=blue", await space.GetAsync([.. get, "go-template={{range $k, $v := .data}}{{$k}}={{$v}} {{end}}"]));
        Assert.Matches(@"^NAME +COLOR\ncolors +red$", await space.GetAsync([.. get, "custom-columns=NAME:.metadata.name,COLOR:.data.a"]));
        Assert.Equal("colors", (await space.GetAsync("get", "configmaps", "-l", "app=demo", "--no-headers", "-L", "app")).Split(' ')[0]);
    }

    [Fact]
    public async Task Kustomizations_are_applied()
    {
        var space = await cluster.SpaceAsync();
        var directory = Directory.CreateTempSubdirectory("minke-kustomize-").FullName;
        try
        {
            var cancelled = TestContext.Current.CancellationToken;
            await File.WriteAllTextAsync(Path.Combine(directory, "colors.yaml"), Colors, cancelled);
            await File.WriteAllTextAsync(Path.Combine(directory, "kustomization.yaml"), """
                namePrefix: dev-
                labels: [{pairs: {stage: dev}}]
                resources: [colors.yaml]
                patches: [{patch: '[{"op": "replace", "path": "/data/a", "value": "pink"}]', target: {kind: ConfigMap}}]
                """, cancelled);
            Assert.Equal("configmap/dev-colors created", await space.GetAsync("apply", "-k", directory));
            Assert.Equal("pink dev", await space.GetAsync("get", "configmap", "dev-colors", "-o", "jsonpath={.data.a} {.metadata.labels.stage}"));
            Assert.Equal("configmap \"dev-colors\" deleted", await space.GetAsync("delete", "-k", directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
