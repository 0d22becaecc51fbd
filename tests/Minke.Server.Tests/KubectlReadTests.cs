using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>What the real kubectl reads: selections, pieces, tables, watches, versions, health.</summary>
public sealed class KubectlReadTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    private static string ConfigMap(string name, string labels) => $$$"""
        ---
        {apiVersion: v1, kind: ConfigMap, metadata: {name: {{{name}}}, labels: { {{{labels}}} } } }

        """;

    [Fact]
    public async Task Labels_select_by_every_operator()
    {
        var space = await SpaceAsync("labels");
        await kubectl.SayAsync($"-n {space} create -f -", ConfigMap("a", "tier: front, size: '5'") + ConfigMap("b", "tier: back, size: '15'") + ConfigMap("c", "other: x"));
        foreach (var (selector, expected) in new[]
        {
            ("tier=front", "a"), ("tier==back", "b"), ("tier!=front", "b c"), ("tier", "a b"), ("!tier", "c"), ("tier in (front,back)", "a b"),
            ("tier notin (front)", "b c"), ("tier,size=5", "a"), ("size>7", "b"), ("size<7", "a"), ("tier=none", ""),
        })
        {
            var path = $"/api/v1/namespaces/{space}/configmaps?labelSelector={Uri.EscapeDataString(selector)}";
            Assert.Equal((selector, expected), (selector, string.Join(' ', (await kubectl.Server.GetAsync(path)).Expect(200).Names)));
            if (!selector.Contains(' ', StringComparison.Ordinal))
                Assert.Equal(expected, await kubectl.SayAsync($"-n {space} get configmaps -l {selector} -o jsonpath={{.items[*].metadata.name}}"));
        }
    }

    [Fact]
    public async Task Fields_select_where_a_kind_knows_them_and_are_refused_elsewhere()
    {
        var space = await SpaceAsync("fields");
        await kubectl.SayAsync($"-n {space} create -f -", Pod("a", "nodeName: 'n', restartPolicy: Never") + Pod("b", "serviceAccountName: default"));
        foreach (var (selector, expected) in new[]
        {
            ("metadata.name=a", "a"), ("metadata.name!=a", "b"), ("spec.nodeName=n", "a"), ("spec.nodeName=", "b"), ("spec.restartPolicy=Never", "a"),
            ("spec.schedulerName=default-scheduler", "a b"), ("spec.serviceAccountName=default", "a b"), ("status.phase=Pending,spec.nodeName!=n", "b"),
            ("status.podIP=1.2.3.4", ""), ("status.nominatedNodeName=", "a b"), ("spec.hostNetwork=false", "a b"),
        })
            Assert.Equal((selector, expected), (selector, await kubectl.SayAsync($"-n {space} get pods --field-selector {selector} -o jsonpath={{.items[*].metadata.name}}")));

        Assert.Equal("Error from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match label selector \"\", field selector \"spec.color=red\": "
            + "field label not supported: spec.color", await kubectl.RefusalAsync($"-n {space} get pods --field-selector spec.color=red"));
        Assert.Equal("Error from server (BadRequest): Unable to find \"/v1, Resource=configmaps\" that match label selector \"\", field selector \"data.a=b\": "
            + "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            await kubectl.RefusalAsync($"-n {space} get configmaps --field-selector data.a=b"));
    }

    [Fact]
    public async Task Lists_come_in_pieces()
    {
        var space = await SpaceAsync("pieces");
        await kubectl.SayAsync($"-n {space} create -f -", string.Concat(Enumerable.Range(0, 7).Select(i => ConfigMap($"m{i}", ""))));
        var whole = await kubectl.RunAsync($"-n {space} get configmaps --chunk-size=3 -o name -v=6");
        Assert.Equal(string.Concat(Enumerable.Range(0, 7).Select(i => $"configmap/m{i}\n")), whole.Output);
        Assert.Equal(3, whole.Errors.Split("limit=3").Length - 1);
        Assert.Equal(2, whole.Errors.Split("continue=").Length - 1);
    }

    [Fact]
    public async Task Tables_have_the_columns_of_upstream()
    {
        var space = await SpaceAsync("tables");
        await kubectl.SayAsync($"-n {space} create -f -", Pod("p", "nodeName: 'n'") + ConfigMap("c", "") + $$$"""
            ---
            {apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: b}}
            ---
            {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}}
            ---
            {apiVersion: v1, kind: Event, metadata: {name: e}, involvedObject: {kind: Pod, name: p, namespace: {{{space}}}, fieldPath: "spec.containers{a}"},
             reason: Pulled, message: all well, type: Normal, count: 3, source: {component: kubelet, host: 'n'}, firstTimestamp: "2020-01-01T00:00:00Z", lastTimestamp: "2020-01-01T00:00:00Z"}

            """);
        await kubectl.Server.PostAsync("/api/v1/nodes", """{"metadata":{"name":"table-node","labels":{"node-role.kubernetes.io/worker":""}}}""");
        (await kubectl.Server.PatchAsync("/api/v1/nodes/table-node/status",
            """{"status":{"conditions":[{"type":"Ready","status":"True"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1","osImage":"Some OS","kernelVersion":"6","containerRuntimeVersion":"crun://1"}}}""")).Expect(200);

        Assert.Matches("^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\np +0/1 +Pending +0 +\\d+s +<none> +n +<none> +<none>$",
            await kubectl.SayAsync($"-n {space} get pods -o wide"));
        Assert.Matches("^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME\n"
            + "table-node +Ready +worker +\\d+s +v1 +10.0.0.1 +<none> +Some OS +6 +crun://1$", await kubectl.SayAsync("get node table-node -o wide"));
        Assert.Matches($"^NAME +STATUS +AGE\n{space} +Active +\\d+s$", await kubectl.SayAsync($"get namespace {space}"));
        Assert.Matches("^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\\(S\\) +AGE +SELECTOR\ns +ClusterIP +None +<none> +80/TCP +\\d+s +app=web$",
            await kubectl.SayAsync($"-n {space} get service s -o wide"));
        Assert.Matches("^NAME +TYPE +DATA +AGE\ns +Opaque +1 +\\d+s$", await kubectl.SayAsync($"-n {space} get secrets"));
        Assert.Matches("^NAME +DATA +AGE\nc +0 +\\d+s$", await kubectl.SayAsync($"-n {space} get configmaps"));
        Assert.Matches("^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\\d+y\\d*d? +Normal +Pulled +pod/p +all well$", await kubectl.SayAsync($"-n {space} get events"));
        Assert.Matches("^LAST SEEN +TYPE +REASON +OBJECT +SUBOBJECT +SOURCE +MESSAGE +FIRST SEEN +COUNT +NAME\n"
            + "\\d+y\\d*d? +Normal +Pulled +pod/p +spec.containers\\{a\\} +kubelet, n +all well +\\d+y\\d*d? +3 +e$", await kubectl.SayAsync($"-n {space} get events -o wide"));
        Assert.StartsWith($"NAMESPACE{new string(' ', Math.Max(0, space.Length - 9))}   NAME", await kubectl.SayAsync("get secrets -A"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watch_shows_what_happens_and_to_what()
    {
        var space = await SpaceAsync("watched");
        await kubectl.SayAsync($"-n {space} create configmap first");
        using var watch = kubectl.Start($"-n {space} get configmaps -w --output-watch-events --no-headers");
        try
        {
            Assert.Matches("^ADDED +first +0 ", await LineAsync(watch));
            await kubectl.SayAsync($"-n {space} create configmap second");
            Assert.Matches("^ADDED +second +0 ", await LineAsync(watch));
            await kubectl.SayAsync($"-n {space} patch configmap second -p {{\"data\":{{\"a\":\"b\"}}}}");
            Assert.Matches("^MODIFIED +second +1 ", await LineAsync(watch));
            await kubectl.SayAsync($"-n {space} delete configmap second");
            Assert.Matches("^DELETED +second +1 ", await LineAsync(watch));
        }
        finally
        {
            watch.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task Defaults_show_and_so_does_status()
    {
        var space = await SpaceAsync("defaults");
        await kubectl.SayAsync($"-n {space} create -f -", Pod("p", ""));
        var yaml = await kubectl.SayAsync($"-n {space} get pod p -o yaml");
        foreach (var line in (string[])["imagePullPolicy: IfNotPresent", "terminationMessagePath: /dev/termination-log", "terminationMessagePolicy: File", "dnsPolicy: ClusterFirst",
            "enableServiceLinks: true", "preemptionPolicy: PreemptLowerPriority", "restartPolicy: Always", "schedulerName: default-scheduler", "terminationGracePeriodSeconds: 30", "qosClass: BestEffort"])
            Assert.Contains(line + "\n", yaml + "\n", StringComparison.Ordinal);
        await kubectl.SayAsync($"-n {space} patch pod p --subresource=status -p {{\"status\":{{\"message\":\"hello\"}}}}");
        Assert.Equal("hello", await kubectl.SayAsync($"-n {space} get pod p --subresource=status -o jsonpath={{.status.message}}"));
        // Of the rest nothing changes by that way, and of the status nothing by the other.
        await kubectl.SayAsync($"-n {space} patch pod p --subresource=status -p {{\"spec\":{{\"activeDeadlineSeconds\":5}}}}");
        await kubectl.SayAsync($"-n {space} patch pod p -p {{\"status\":{{\"message\":\"bye\"}}}}");
        Assert.Equal("hello", await kubectl.SayAsync($"-n {space} get pod p -o jsonpath={{.status.message}}{{.spec.activeDeadlineSeconds}}"));
    }

    [Fact]
    public async Task The_server_says_what_it_is_and_how_it_is()
    {
        Assert.Contains("\nServer Version: v1.32.", await kubectl.SayAsync("version"), StringComparison.Ordinal);
        Assert.Contains("{\n  \"major\": \"1\",\n  \"minor\": \"32\",\n", await kubectl.SayAsync("get --raw /version"), StringComparison.Ordinal);
        foreach (var path in (string[])["/healthz", "/livez", "/readyz"])
        {
            Assert.Equal("ok", await kubectl.SayAsync("get --raw " + path));
            Assert.Equal("ok", await kubectl.SayAsync($"get --raw {path}/ping"));
            var verbose = await kubectl.SayAsync($"get --raw {path}?verbose");
            Assert.StartsWith("[+]ping ok\n[+]log ok\n[+]etcd ok\n", verbose, StringComparison.Ordinal);
            Assert.EndsWith($"{path[1..]} check passed", verbose, StringComparison.Ordinal);
        }
        Assert.StartsWith("[+]ping ok\n[+]log excluded: ok\n[+]etcd ok\n", await kubectl.SayAsync("get --raw /livez?verbose&exclude=log"), StringComparison.Ordinal);
        Assert.Contains("warn: some health checks cannot be excluded: no matches for \"a\", \"b\"\n", await kubectl.SayAsync("get --raw /livez?verbose&exclude=b&exclude=a"), StringComparison.Ordinal);
        Assert.Contains("# TYPE apiserver_request_total counter\n", await kubectl.SayAsync("get --raw /metrics"), StringComparison.Ordinal);
        Assert.Contains("v1", (await kubectl.SayAsync("api-versions")).Split('\n'));
        Assert.Matches("\npods +po +v1 +true +Pod +create,delete,deletecollection,get,list,patch,update,watch +all\n", await kubectl.SayAsync("api-resources -o wide"));
        Assert.StartsWith("Kubernetes control plane is running at ", (await kubectl.SayAsync("cluster-info")).Replace("\x1b[0;32m", "", StringComparison.Ordinal).Replace("\x1b[0m", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Top_shows_what_nodes_and_pods_use()
    {
        var space = await SpaceAsync("top");
        await kubectl.SayAsync($"-n {space} create -f -", Pod("p", "nodeName: 'n'"));
        await kubectl.SayAsync("create -f -", """{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"allocatable":{"cpu":"3","memory":"6Mi"}}}""");
        var uid = await kubectl.SayAsync($"-n {space} get pod p -o jsonpath={{.metadata.uid}}");
        kubectl.Node.Containers = [new(new(space, "p", uid), "a", new(250_000_000, 2 << 20))];

        Assert.Matches("^NAME +CPU\\(cores\\) +CPU\\(%\\) +MEMORY\\(bytes\\) +MEMORY\\(%\\) *\nn +1500m +50% +3Mi +50%", await kubectl.SayAsync("top nodes"));
        Assert.Matches("^NAME +CPU\\(cores\\) +MEMORY\\(bytes\\) *\np +250m +2Mi", await kubectl.SayAsync($"-n {space} top pods"));
        Assert.Matches("^POD +NAME +CPU\\(cores\\) +MEMORY\\(bytes\\) *\np +a +250m +2Mi", await kubectl.SayAsync($"-n {space} top pod p --containers"));
        kubectl.Node.Containers = [];
        Assert.Equal($"Error from server (NotFound): podmetrics.metrics.k8s.io \"{space}/p\" not found", await kubectl.RefusalAsync($"-n {space} top pod p"));
        Assert.Equal("Error from server (NotFound): pods \"none\" not found", await kubectl.RefusalAsync($"-n {space} top pod none"));
    }

    private static string Pod(string name, string spec) => $$$"""
        ---
        {apiVersion: v1, kind: Pod, metadata: {name: {{{name}}} }, spec: {containers: [{name: a, image: "x:1"}]{{{(spec.Length > 0 ? ", " + spec : "")}}} } }

        """;

    private async Task<string> SpaceAsync(string name)
    {
        await kubectl.SayAsync("create namespace " + name);
        await kubectl.SayAsync($"-n {name} create serviceaccount default");
        return name;
    }

    private static async Task<string> LineAsync(System.Diagnostics.Process process) =>
        await process.StandardOutput.ReadLineAsync(TestServer.Cancelled).AsTask().WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled) ?? "";
}
