namespace Minke.Binary.Features;

/// <summary>What of the API means something only with a node behind it.</summary>
public sealed class ApiTests(FeatureCluster cluster)
{
    [Fact]
    public async Task A_namespace_goes_with_its_running_pods()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("a") + Space.Pod("b") + """
            ---
            {apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}
            """);
        await space.ReadyAsync("a", "b");

        _ = (await space.KubectlAsync("delete", "namespace", space.Name, "--wait=false")).Text;
        _ = (await space.KubectlAsync("wait", "pod/a", "pod/b", "--for=delete", "--timeout=60s")).Text;
        _ = (await space.KubectlAsync("wait", "namespace/" + space.Name, "--for=jsonpath={.status.conditions[?(@.type==\"NamespaceContentRemaining\")].message}="
            + "Some resources are remaining: configmaps. has 1 resource instances", "--timeout=60s")).Text;
        _ = (await space.KubectlAsync("patch", "configmap", "held", "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}")).Text;
        _ = (await space.KubectlAsync("wait", "namespace/" + space.Name, "--for=delete", "--timeout=60s")).Text;
        Assert.Contains($"namespaces \"{space.Name}\" not found", (await space.KubectlAsync("get", "namespace", space.Name)).Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Top_shows_what_a_busy_pod_uses()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("busy", "while :; do :; done", "resources: {limits: {cpu: 200m}}"));
        await space.ReadyAsync("busy");

        await Cluster.EventuallyAsync(async () => (await space.KubectlAsync("top", "pod", "busy", "--containers", "--no-headers")).Output,
            text => System.Text.RegularExpressions.Regex.IsMatch(text, "^busy +main +[1-9]\\d*m +\\d+Mi *$"), 60);
        var node = await space.PathAsync("busy", "{.spec.nodeName}");
        Assert.Matches($"^{node} +[1-9]\\d*m +\\d+% +[1-9]\\d*Mi +\\d+%$", await space.GetAsync("top", "node", "--no-headers"));
    }
}
