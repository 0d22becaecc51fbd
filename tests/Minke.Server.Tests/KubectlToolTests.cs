using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>The commands of kubectl that are made of several requests: wait, drain, events, describe, replace by force, sorting.</summary>
public sealed class KubectlToolTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task A_node_is_cordoned_tainted_drained_and_taken_back()
    {
        await kubectl.SayAsync("create -f -", """{"apiVersion":"v1","kind":"Node","metadata":{"name":"drained"}}""");
        Assert.Equal("pod/stays created", await kubectl.SayAsync("create -f -", Pod("stays", "other")));
        Assert.Equal("pod/goes created", await kubectl.SayAsync("create -f -", Pod("goes", "drained")));
        Assert.Equal("node/drained cordoned", await kubectl.SayAsync("cordon drained"));
        Assert.Matches("\ndrained +Unknown,SchedulingDisabled +<none> ", await kubectl.SayAsync("get node drained"));
        Assert.Equal("node/drained tainted", await kubectl.SayAsync("taint node drained key=value:NoExecute"));
        Assert.Equal("key=value:NoExecute", await kubectl.SayAsync("get node drained -o jsonpath={.spec.taints[?(@.key==\"key\")].key}={.spec.taints[?(@.key==\"key\")].value}:{.spec.taints[?(@.key==\"key\")].effect}"));

        var drain = kubectl.RunAsync("drain drained --force --timeout=60s --grace-period=1");
        // Nobody runs it here: what the node would do last is done for it.
        await kubectl.SayAsync("wait pod/goes --for=jsonpath={.metadata.deletionTimestamp} --timeout=60s");
        await kubectl.SayAsync("delete pod goes --force --grace-period=0");
        var result = await drain;
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("evicting pod default/goes\n", result.Output + result.Errors, StringComparison.Ordinal);
        Assert.EndsWith("node/drained drained\n", result.Output, StringComparison.Ordinal);
        Assert.Equal("pod/stays", await kubectl.SayAsync("get pods goes stays --ignore-not-found -o name"));
        Assert.Equal("node/drained uncordoned", await kubectl.SayAsync("uncordon drained"));
        Assert.Equal("node/drained untainted", await kubectl.SayAsync("taint node drained key-"));
    }

    [Fact]
    public async Task Waiting_ends_with_what_was_waited_for()
    {
        await kubectl.SayAsync("create -f -", Pod("awaited", "n"));
        using var phase = kubectl.Start("wait pod/awaited --for=jsonpath={.status.phase}=Running --timeout=60s");
        using var ready = kubectl.Start("wait pod/awaited --for=condition=Ready --timeout=60s");
        using var gone = kubectl.Start("wait pod/awaited --for=delete --timeout=60s");
        await kubectl.SayAsync("patch pod awaited --subresource=status -p {\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
        Assert.Equal("pod/awaited condition met\n", await phase.StandardOutput.ReadToEndAsync(TestServer.Cancelled));
        Assert.Equal("pod/awaited condition met\n", await ready.StandardOutput.ReadToEndAsync(TestServer.Cancelled));
        await kubectl.SayAsync("delete pod awaited --force --grace-period=0");
        await gone.WaitForExitAsync(TestServer.Cancelled);
        Assert.Equal((0, 0, 0), (phase.ExitCode, ready.ExitCode, gone.ExitCode));
    }

    [Fact]
    public async Task Events_are_shown_with_their_object()
    {
        await kubectl.SayAsync("create -f -", Pod("eventful", "n"));
        var uid = await kubectl.SayAsync("get pod eventful -o jsonpath={.metadata.uid}");
        await kubectl.SayAsync("create -f -", $$"""
            ---
            {apiVersion: v1, kind: Event, metadata: {name: eventful.1, namespace: default}, involvedObject: {apiVersion: v1, kind: Pod, name: eventful, namespace: default, uid: {{uid}} },
             reason: Pulled, message: Container image is there, type: Normal, count: 2, source: {component: kubelet, host: "n"}, firstTimestamp: "2020-01-01T00:00:00Z", lastTimestamp: "2020-01-01T00:00:00Z"}
            """);
        Assert.Matches("^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\\S+ \\(x2 over \\S+\\) +Normal +Pulled +Pod/eventful +Container image is there$", await kubectl.SayAsync("events --for pod/eventful"));
        var described = await kubectl.SayAsync("describe pod eventful");
        Assert.Matches("\nEvents:\n +Type +Reason +Age +From +Message\n.*\n +Normal +Pulled +.*kubelet +Container image is there$", described);
        foreach (var line in (string[])["Node:             n/", "Status:           Pending", "QoS Class:                   BestEffort"])
            Assert.Contains("\n" + line, described, StringComparison.Ordinal);
        Assert.Equal("eventful.1", await kubectl.SayAsync("get events.v1.events.k8s.io --field-selector regarding.name=eventful -o jsonpath={.items[*].metadata.name}"));
        Assert.Equal("eventful.1", await kubectl.SayAsync("get events --field-selector involvedObject.uid=" + uid + " -o jsonpath={.items[*].metadata.name}"));
    }

    [Fact]
    public async Task Replacing_by_force_deletes_first()
    {
        await kubectl.SayAsync("create -f -", Pod("forced", ""));
        var uid = await kubectl.SayAsync("get pod forced -o jsonpath={.metadata.uid}");
        var replaced = await kubectl.RunAsync("replace --force --grace-period=0 -f -", Pod("forced", "n"));
        Assert.Equal((0, "pod \"forced\" deleted\npod/forced replaced\n"), (replaced.ExitCode, replaced.Output));
        Assert.NotEqual(uid, await kubectl.SayAsync("get pod forced -o jsonpath={.metadata.uid}"));
    }

    [Fact]
    public async Task Lists_are_sorted_cut_and_shown_in_any_form()
    {
        await kubectl.SayAsync("create namespace forms");
        foreach (var (name, value) in new[] { ("a", "3"), ("b", "1"), ("c", "2") })
            await kubectl.SayAsync($"-n forms create configmap {name} --from-literal=v={value}");
        Assert.Equal("configmap/b\nconfigmap/c\nconfigmap/a", await kubectl.SayAsync("-n forms get configmaps --sort-by={.data.v} -o name"));
        Assert.Matches("^N +V\na +3\nb +1\nc +2$", await kubectl.SayAsync("-n forms get configmaps -o custom-columns=N:.metadata.name,V:.data.v"));
        Assert.Equal("3 1 2", await kubectl.SayAsync("-n forms get configmaps -o jsonpath={.items[*].data.v}"));
        Assert.Contains("\nkind: List\n", await kubectl.SayAsync("-n forms get configmaps -o yaml"), StringComparison.Ordinal);
        Assert.Matches("^NAME +DATA +AGE +TIER\na +1 +\\d+s +\nb +1 +\\d+s$", await kubectl.SayAsync("-n forms get configmap a b -L tier"));
        Assert.Matches("^NAME +DATA +AGE +LABELS\na +1 +\\d+s +<none>$", await kubectl.SayAsync("-n forms get configmap a --show-labels"));
        Assert.Equal("configmap/a labeled\nconfigmap/b labeled\nconfigmap/c labeled", await kubectl.SayAsync("-n forms label configmaps --all tier=x"));
        Assert.Equal("error: 'tier' already has a value (x), and --overwrite is false", await kubectl.RefusalAsync("-n forms label configmap a tier=y"));
        Assert.Equal("configmap/a unlabeled", await kubectl.SayAsync("-n forms label configmap a tier-"));
    }

    [Fact]
    public async Task Pods_are_run_and_exposed_from_the_command_line()
    {
        Assert.Equal("pod/ran created", await kubectl.SayAsync("run ran --image=x:1 --labels=app=ran --port=80 --restart=Never"));
        var exposed = await kubectl.RunAsync("expose pod ran --port=80 --target-port=8080");
        Assert.Equal((0, "service/ran exposed\n"), (exposed.ExitCode, exposed.Output));
        Assert.Equal("ran 8080", await kubectl.SayAsync("get service ran -o jsonpath={.spec.selector.app}{\"\\u0020\"}{.spec.ports[0].targetPort}"));
        Assert.Equal("pod/ran image updated", await kubectl.SayAsync("set image pod/ran ran=x:2"));
        Assert.Equal("x:2", await kubectl.SayAsync("get pod ran -o jsonpath={.spec.containers[0].image}"));
        Assert.Equal("pod \"ran\" deleted", await kubectl.SayAsync("delete pod ran --now --wait=false"));
    }

    private static string Pod(string name, string node) => $$$"""
        ---
        {apiVersion: v1, kind: Pod, metadata: {name: {{{name}}}, namespace: default}, spec: {nodeName: "{{{node}}}", containers: [{name: a, image: "x:1"}] } }

        """;
}
