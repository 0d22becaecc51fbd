using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control;
using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>A namespace goes when it is empty, and says meanwhile what keeps it.</summary>
public sealed class NamespaceDeletionTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task A_namespace_waits_for_the_last_finalizer_and_says_so()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        var control = new ControlPlane(kubectl.Server.Server.Client, "root", kubectl.Server.Pki.SignRequest, kubectl.Server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(stop.Token);
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
        await stop.CancelAsync();
        await control.WaitAsync(TimeSpan.FromSeconds(60), TestServer.Cancelled).ContinueWith(static _ => { }, TaskScheduler.Default);
    }
}
