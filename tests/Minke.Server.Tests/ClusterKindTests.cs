using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Minke.Api;
using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>The kinds that say how a cluster is set up, as kubectl and others meet them.</summary>
public sealed class ClusterKindTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task What_kubectl_lists_is_what_kubernetes_1_32_serves_of_these_groups()
    {
        var served = ServedKinds.Default.Select(kind => kind.ApiVersion).ToHashSet(StringComparer.Ordinal);
        var expected = Lines(await File.ReadAllTextAsync(Path.Combine(Root(), "testdata", "api-resources.txt"), TestServer.Cancelled))
            .Where(line => line.StartsWith("NAME ", StringComparison.Ordinal) || served.Overlaps(line.Split(' ')));
        var shown = await kubectl.RunAsync("api-resources -o wide");
        Assert.Equal(string.Join('\n', expected), string.Join('\n', Lines(shown.Output)));

        static IEnumerable<string> Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Regex.Replace(line.Trim(), " +", " "));
    }

    [Fact]
    public async Task An_address_of_a_node_stands_once()
    {
        (await kubectl.Server.PostAsync("/api/v1/nodes", """{"metadata":{"name":"twice"}}""")).Expect(201);
        var refused = await kubectl.Server.PatchAsync("/api/v1/nodes/twice/status",
            """{"status":{"addresses":[{"type":"Hostname","address":"a"},{"type":"InternalIP","address":"a"},{"type":"Hostname","address":"a"}]}}""");
        Assert.Equal("Node \"twice\" is invalid: status.addresses[2]: Duplicate value: core.NodeAddress{Type:\"Hostname\", Address:\"a\"}", refused.Expect(422).Message);
    }

    [Fact]
    public async Task A_cluster_begins_with_its_priority_classes_and_flows()
    {
        var classes = await kubectl.RunAsync("get priorityclasses --no-headers -o custom-columns=N:.metadata.name,V:.value,P:.preemptionPolicy,G:.metadata.generation");
        Assert.Equal(["system-cluster-critical 2000000000 PreemptLowerPriority 1", "system-node-critical 2000001000 PreemptLowerPriority 1"], Lines(classes.Output)[..2]);

        var levels = await kubectl.RunAsync("get prioritylevelconfigurations --no-headers");
        Assert.Equal(
            [
                "catch-all Limited 5 <none> <none> <none>", "exempt Exempt <none> <none> <none> <none>", "global-default Limited 20 128 6 50",
                "leader-election Limited 10 16 4 50", "node-high Limited 40 64 6 50", "system Limited 30 64 6 50",
                "workload-high Limited 40 128 6 50", "workload-low Limited 100 128 6 50",
            ],
            Lines(levels.Output).Select(WithoutAge));

        var flows = await kubectl.RunAsync("get flowschemas --no-headers");
        Assert.Equal(13, Lines(flows.Output).Length);
        Assert.Contains(Lines(flows.Output), line => Regex.IsMatch(line, "^system-node-high node-high 400 ByUser [0-9]+s False$"));
        Assert.Contains(Lines(flows.Output), line => Regex.IsMatch(line, "^probes exempt 2 <none> [0-9]+s False$"));

        static string WithoutAge(string line) => line[..line.LastIndexOf(' ')];
    }

    [Fact]
    public async Task What_the_system_needs_is_neither_deleted_nor_changed()
    {
        var server = kubectl.Server;
        var refused = (await server.DeleteAsync("/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")).Expect(403);
        Assert.Equal("priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a system priority class and cannot be deleted", refused.Message);
        refused = (await server.PatchAsync("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/catch-all", """{"spec":{"matchingPrecedence":5}}""")).Expect(422);
        Assert.EndsWith("spec of 'catch-all' must equal the fixed value", refused.Message, StringComparison.Ordinal);
        refused = (await server.PatchAsync("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt", """{"spec":{"type":"Limited"}}""")).Expect(422);
        Assert.Contains("except the 'spec.exempt' field must equal the fixed value", refused.Message, StringComparison.Ordinal);
        (await server.PatchAsync("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/exempt", """{"spec":{"exempt":{"lendablePercent":10}}}""")).Expect(200);
    }

    [Fact]
    public async Task One_priority_class_at_most_is_everybodys()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"a"},"value":1,"globalDefault":true}""")).Expect(201);
        var refused = (await server.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"b"},"value":2,"globalDefault":true}""")).Expect(403);
        Assert.Equal("priorityclasses.scheduling.k8s.io \"b\" is forbidden: PriorityClass a is already marked as default. Only one default can exist", refused.Message);
        (await server.PostAsync("/apis/scheduling.k8s.io/v1/priorityclasses", """{"metadata":{"name":"b"},"value":2}""")).Expect(201);
        (await server.PatchAsync("/apis/scheduling.k8s.io/v1/priorityclasses/b", """{"globalDefault":true}""")).Expect(403);
        var changed = (await server.PatchAsync("/apis/scheduling.k8s.io/v1/priorityclasses/a", """{"description":"for most"}""")).Expect(200);
        Assert.Equal(1, changed.Json["metadata"]!["generation"]!.GetValue<long>());
    }

    [Fact]
    public async Task A_request_for_a_certificate_is_its_requesters_and_is_approved_by_a_subresource()
    {
        var server = kubectl.Server;
        const string path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        var csr = YamlReader.Read(await File.ReadAllTextAsync(
            Path.Combine(Root(), "..", "Minke.Api.Tests", "testdata", "examples", "certificates.k8s.io.v1.CertificateSigningRequest.yaml"), TestServer.Cancelled))[0].Document;
        csr["metadata"]!["name"] = "jane";
        csr["spec"]!["username"] = "somebody else";
        var made = (await server.PostAsync(path, csr.ToJsonString())).Expect(201).Json;
        Assert.Equal("kubernetes-admin", made["spec"]!["username"]!.GetValue<string>());
        Assert.Contains("system:masters", made["spec"]!["groups"]!.AsArray().Select(group => group!.GetValue<string>()));

        (await server.PatchAsync(path + "/jane", """{"status":{"conditions":[{"type":"Approved","status":"True"}]}}""")).Expect(200);
        Assert.DoesNotContain("Approved", (await server.GetAsync(path + "/jane")).Text, StringComparison.Ordinal);
        var refused = (await server.PatchAsync(path + "/jane/status", """{"status":{"conditions":[{"type":"Denied","status":"True"}]}}""")).Expect(422);
        Assert.Contains("status.conditions: Forbidden: updates may not add a condition of type \"Denied\"", refused.Message, StringComparison.Ordinal);

        Assert.Equal("certificatesigningrequest.certificates.k8s.io/jane approved\n", (await kubectl.RunAsync("certificate approve jane")).Output);
        var approved = (await server.GetAsync(path + "/jane")).Expect(200).Json["status"]!["conditions"]![0]!;
        Assert.Equal("Approved", approved["type"]!.GetValue<string>());
        Assert.NotNull(approved["lastUpdateTime"]);
        Assert.NotNull(approved["lastTransitionTime"]);
        Assert.Matches("(?m)^jane +[0-9]+s +kubernetes.io/kube-apiserver-client +kubernetes-admin +60m +Approved$", (await kubectl.RunAsync("get csr jane")).Output);
        refused = (await server.PatchAsync(path + "/jane/approval", """{"status":{"conditions":[{"type":"Denied","status":"True"}]}}""")).Expect(422);
        Assert.Contains("status.conditions: Forbidden: updates may not remove a condition of type \"Approved\"", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_api_service_of_this_server_is_available_at_once()
    {
        const string path = "/apis/apiregistration.k8s.io/v1/apiservices";
        var made = (await kubectl.Server.PostAsync(path, """{"metadata":{"name":"v1.local.example.com"},"spec":{"group":"local.example.com","version":"v1","groupPriorityMinimum":1,"versionPriority":1}}""")).Expect(201).Json;
        Assert.Equal("Local APIServices are always available", made["status"]!["conditions"]![0]!["message"]!.GetValue<string>());
        Assert.Matches("(?m)^v1.local.example.com +Local +True ", (await kubectl.RunAsync("get apiservice v1.local.example.com")).Output);
    }

    [Fact]
    public async Task What_nothing_acts_on_yet_warns()
    {
        var answer = (await kubectl.Server.PostAsync("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", """{"metadata":{"name":"all"},"spec":{"podSelector":{}}}""")).Expect(201);
        Assert.Contains(answer.Warnings, warning => warning.Contains("NetworkPolicy: stored but not acted on by Minke yet", StringComparison.Ordinal));
        Assert.Equal(["Ingress"], answer.Json["spec"]!["policyTypes"]!.AsArray().Select(type => type!.GetValue<string>()));
    }

    private static string[] Lines(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Regex.Replace(line.Trim(), " +", " "))];

    private static string Root([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
