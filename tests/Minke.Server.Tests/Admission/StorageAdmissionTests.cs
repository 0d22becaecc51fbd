using System.Text.Json.Nodes;

namespace Minke.Server.Tests.Admission;

/// <summary>What admission adds to claims, volumes, ingresses and nodes, and the controllers that take it away again.</summary>
public sealed class StorageAdmissionTests
{
    private const string Claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    private const string Volumes = "/api/v1/persistentvolumes";
    private const string Classes = "/apis/storage.k8s.io/v1/storageclasses";
    private const string ClaimSpec = "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}";

    [Fact]
    public async Task A_claim_without_a_class_gets_the_newest_of_the_default_ones()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Null((await MakeClaimAsync(server, "before"))["spec"]!["storageClassName"]);
        foreach (var name in new[] { "b", "a" })
            (await server.PostAsync(Classes, $$$"""{"metadata":{"name":"{{{name}}}","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"x"}""")).Expect(201);
        Assert.Equal("a", (string?)(await MakeClaimAsync(server, "mine"))["spec"]!["storageClassName"]);
        Assert.Equal("", (string?)(await MakeClaimAsync(server, "none", ",\"storageClassName\":\"\""))["spec"]!["storageClassName"]);
    }

    [Fact]
    public async Task An_ingress_without_a_class_gets_the_default_one_unless_it_is_annotated()
    {
        const string ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync("/apis/networking.k8s.io/v1/ingressclasses",
            """{"metadata":{"name":"web","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}},"spec":{"controller":"example.com/web"}}""")).Expect(201);
        const string spec = "\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"s\",\"port\":{\"number\":80}}}}";
        var made = (await server.PostAsync(ingresses, $$$"""{"metadata":{"name":"a"},{{{spec}}}}""")).Expect(201).Json;
        Assert.Equal("web", (string?)made["spec"]!["ingressClassName"]);
        made = (await server.PostAsync(ingresses, $$$"""{"metadata":{"name":"b","annotations":{"kubernetes.io/ingress.class":"old"}},{{{spec}}}}""")).Expect(201).Json;
        Assert.Null(made["spec"]!["ingressClassName"]);
    }

    [Fact]
    public async Task A_claim_grows_once_it_is_bound_in_a_class_that_lets_it()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (name, grows) in new[] { ("fixed", "false"), ("elastic", "true") })
            (await server.PostAsync(Classes, $$$"""{"metadata":{"name":"{{{name}}}"},"provisioner":"x","allowVolumeExpansion":{{{grows}}}}""")).Expect(201);
        const string bigger = """{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}""";

        await MakeClaimAsync(server, "fixed", ",\"storageClassName\":\"fixed\"");
        await MakeClaimAsync(server, "elastic", ",\"storageClassName\":\"elastic\"");
        foreach (var name in new[] { "fixed", "elastic" })
            (await server.PatchAsync($"{Claims}/{name}/status", """{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}""")).Expect(200);
        Assert.Equal(
            "persistentvolumeclaims \"fixed\" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
            (await server.PatchAsync(Claims + "/fixed", bigger)).Expect(403).Message);
        (await server.PatchAsync(Claims + "/elastic", bigger)).Expect(200);
    }

    [Fact]
    public async Task What_is_used_goes_when_it_is_no_longer()
    {
        await using var server = await TestServer.StartAsync();
        await using var control = new RunningControl(server);
        Assert.Equal("kubernetes.io/pvc-protection", (string?)(await MakeClaimAsync(server, "data"))["metadata"]!["finalizers"]![0]);
        (await server.PostAsync("/api/v1/namespaces/default/pods",
            """{"metadata":{"name":"user"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}}]}}""")).Expect(201);
        (await server.DeleteAsync(Claims + "/data")).Expect(200);
        // Another one goes at once: the controller has looked at the first by then.
        await MakeClaimAsync(server, "unused");
        (await server.DeleteAsync(Claims + "/unused")).Expect(200);
        await server.UntilGoneAsync(Claims + "/unused");
        Assert.NotNull((await server.GetAsync(Claims + "/data")).Expect(200).Json["metadata"]!["deletionTimestamp"]);

        (await server.DeleteAsync("/api/v1/namespaces/default/pods/user?gracePeriodSeconds=0")).Expect(200);
        await server.UntilGoneAsync(Claims + "/data");

        (await server.PostAsync(Volumes, """{"metadata":{"name":"v"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/v"}}}""")).Expect(201);
        (await server.PatchAsync(Volumes + "/v/status", """{"status":{"phase":"Bound"}}""")).Expect(200);
        (await server.DeleteAsync(Volumes + "/v")).Expect(200);
        (await server.PatchAsync(Volumes + "/v/status", """{"status":{"phase":"Released"}}""")).Expect(200);
        await server.UntilGoneAsync(Volumes + "/v");
    }

    [Fact]
    public async Task A_node_is_tainted_by_its_conditions()
    {
        const string node = "/api/v1/nodes/n";
        await using var server = await TestServer.StartAsync();
        await using var control = new RunningControl(server);
        var made = (await server.PostAsync("/api/v1/nodes", """{"metadata":{"name":"n"},"spec":{"taints":[{"key":"mine","effect":"NoSchedule"}]}}""")).Expect(201).Json;
        Assert.Equal("""[{"key":"mine","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}]""", made["spec"]!["taints"]!.ToJsonString());

        await SayAsync("Ready", "True");
        await TaintedAsync("mine");
        await SayAsync("Ready", "Unknown");
        await TaintedAsync("mine", "node.kubernetes.io/unreachable");
        await SayAsync("DiskPressure", "True");
        (await server.PatchAsync(node, """{"spec":{"unschedulable":true}}""")).Expect(200);
        await TaintedAsync("mine", "node.kubernetes.io/disk-pressure", "node.kubernetes.io/unreachable", "node.kubernetes.io/unschedulable");
        await SayAsync("Ready", "True");
        await SayAsync("DiskPressure", "False");
        (await server.PatchAsync(node, """{"spec":{"unschedulable":null}}""")).Expect(200);
        await TaintedAsync("mine");

        async Task SayAsync(string type, string status) => (await server.PatchAsync(
            node + "/status", $$$"""{"status":{"conditions":[{"type":"{{{type}}}","status":"{{{status}}}"}]}}""", "strategic-merge-patch")).Expect(200);
        Task TaintedAsync(params string[] keys) => server.UntilAsync(node, one =>
            keys.SequenceEqual(one["spec"]!["taints"]!.AsArray().Select(taint => (string)taint!["key"]!).Order(StringComparer.Ordinal)));
    }

    private static async Task<JsonNode> MakeClaimAsync(TestServer server, string name, string more = "") =>
        (await server.PostAsync(Claims, $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{{{{ClaimSpec}}}{{{more}}}}}""")).Expect(201).Json;
}
