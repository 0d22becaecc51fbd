using System.Text.Json.Nodes;
using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>A namespace goes when it is empty, and says meanwhile what keeps it.</summary>
public sealed class NamespaceDeletionTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task A_namespace_waits_for_the_last_finalizer_and_says_so()
    {
        await using var control = new RunningControl(kubectl.Server);
        await kubectl.SayAsync("create namespace going");
        await kubectl.SayAsync("-n going create -f -", """
            ---
            {apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}
            ---
            {apiVersion: v1, kind: Secret, metadata: {name: s}}
            ---
            {apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}}
            """);
        Assert.Equal("namespace \"going\" deleted", await kubectl.SayAsync("delete namespace going --wait=false"));
        await kubectl.SayAsync("wait namespace going --for=condition=NamespaceFinalizersRemaining=true --timeout=60s");

        Assert.Matches("\ngoing +Terminating +", await kubectl.SayAsync("get namespace going"));
        var conditions = await kubectl.SayAsync("get namespace going -o jsonpath={range.status.conditions[*]}{.type}={.status}:{.reason}:{.message}{\"\\n\"}{end}");
        Assert.Equal("""
            NamespaceDeletionDiscoveryFailure=False:ResourcesDiscovered:All resources successfully discovered
            NamespaceDeletionGroupVersionParsingFailure=False:ParsedGroupVersions:All legacy kube types successfully parsed
            NamespaceDeletionContentFailure=False:ContentDeleted:All content successfully deleted, may be waiting on finalization
            NamespaceContentRemaining=True:SomeResourcesRemain:Some resources are remaining: configmaps. has 1 resource instances
            NamespaceFinalizersRemaining=True:SomeFinalizersRemain:Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances
            """, conditions);
        Assert.Equal("", await kubectl.SayAsync("-n going get secrets,leases,serviceaccounts -o name"));
        Assert.Equal("error: failed to create configmap: configmaps \"late\" is forbidden: unable to create new content in namespace going because it is being terminated",
            await kubectl.RefusalAsync("-n going create configmap late"));

        await kubectl.SayAsync("-n going patch configmap held --type=merge -p {\"metadata\":{\"finalizers\":null}}");
        await kubectl.SayAsync("wait namespace going --for=delete --timeout=60s");
        Assert.Equal("Error from server (NotFound): namespaces \"going\" not found", await kubectl.RefusalAsync("get namespace going"));
        // A new one of that name begins empty, but for what every namespace has.
        await kubectl.SayAsync("create namespace going");
        await kubectl.SayAsync("-n going wait --for=create serviceaccount/default configmap/kube-root-ca.crt --timeout=60s");
        Assert.Equal("configmap/kube-root-ca.crt\nserviceaccount/default", await kubectl.SayAsync("-n going get configmaps,secrets,leases,serviceaccounts -o name"));
    }

    [Fact]
    public async Task What_may_not_be_deleted_is_told_and_tried_again()
    {
        await using var server = await TestServer.StartAsync();
        await using var control = new RunningControl(server);
        const string admission = "/apis/admissionregistration.k8s.io/v1/";
        (await server.PostAsync("/api/v1/namespaces", """{"metadata":{"name":"kept"}}""")).Expect(201);
        (await server.PostAsync("/api/v1/namespaces/kept/secrets", """{"metadata":{"name":"s"}}""")).Expect(201);
        (await server.PostAsync(admission + "validatingadmissionpolicies", """
            {"metadata":{"name":"keep"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["DELETE"],"resources":["secrets"]}]},
            "validations":[{"expression":"false","message":"secrets stay"}]}}
            """)).Expect(201);
        (await server.PostAsync(admission + "validatingadmissionpolicybindings",
            """{"metadata":{"name":"keep"},"spec":{"policyName":"keep","validationActions":["Deny"]}}""")).Expect(201);

        (await server.DeleteAsync("/api/v1/namespaces/kept")).Expect(200);
        var kept = await server.UntilAsync("/api/v1/namespaces/kept", one => Condition(one, "NamespaceDeletionContentFailure")?["status"]?.GetValue<string>() == "True");
        var failure = Condition(kept, "NamespaceDeletionContentFailure")!;
        Assert.Equal("ContentDeletionFailed", (string?)failure["reason"]);
        Assert.Equal(
            "Failed to delete all resource types, 1 remaining: secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'keep' with binding 'keep' denied request: secrets stay",
            (string?)failure["message"]);
        Assert.Equal("Some resources are remaining: secrets. has 1 resource instances", (string?)Condition(kept, "NamespaceContentRemaining")!["message"]);

        (await server.DeleteAsync(admission + "validatingadmissionpolicybindings/keep")).Expect(200);
        await server.UntilGoneAsync("/api/v1/namespaces/kept");

        static JsonNode? Condition(JsonNode one, string type) =>
            one["status"]!["conditions"]?.AsArray().FirstOrDefault(condition => (string?)condition!["type"] == type);
    }
}
