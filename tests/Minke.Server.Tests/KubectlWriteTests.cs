using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>What the real kubectl writes: creation, replacement, patches, deletion, and what it is told when it may not.</summary>
public sealed class KubectlWriteTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    private const string ConfigMap = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, namespace: default, labels: {run: NAME}}, data: {a: '1'}}\n";
    private const string Pod = "---\n{apiVersion: v1, kind: Pod, metadata: {name: NAME, namespace: default}, spec: {containers: [{name: a, image: 'x:1', env: [{name: A, value: '1'}]}]}}\n";

    [Fact]
    public async Task A_replacement_of_an_old_version_conflicts()
    {
        Assert.Equal("configmap/replaced created", await kubectl.SayAsync("create -f -", Of(ConfigMap, "replaced")));
        Assert.Equal("Error from server (AlreadyExists): error when creating \"STDIN\": configmaps \"replaced\" already exists", await kubectl.RefusalAsync("create -f -", Of(ConfigMap, "replaced")));
        var old = await kubectl.SayAsync("get configmap replaced -o json");
        Assert.Equal("configmap/replaced replaced", await kubectl.SayAsync("replace -f -", old.Replace("\"1\"", "\"2\"", StringComparison.Ordinal)));
        Assert.Equal("Error from server (Conflict): error when replacing \"STDIN\": Operation cannot be fulfilled on configmaps \"replaced\": "
            + "the object has been modified; please apply your changes to the latest version and try again", await kubectl.RefusalAsync("replace -f -", old));
        Assert.Equal("configmap/replaced replaced", await kubectl.SayAsync("replace -f -", Of(ConfigMap, "replaced")));
        Assert.Equal("Error from server (NotFound): error when replacing \"STDIN\": configmaps \"none\" not found", await kubectl.RefusalAsync("replace -f -", Of(ConfigMap, "none")));
    }

    [Fact]
    public async Task Patches_come_in_three_types()
    {
        await kubectl.SayAsync("create -f -", Of(Pod, "patched"));
        // Strategic: by the list's key. Merge: the whole list. JSON: by position.
        Assert.Equal("pod/patched patched", await kubectl.SayAsync("patch pod patched -p {\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x:2\"}]}}"));
        Assert.Equal("x:2 1", await kubectl.SayAsync("get pod patched -o jsonpath={.spec.containers[0].image}{\"\\u0020\"}{.spec.containers[0].env[0].value}"));
        Assert.Equal("pod/patched patched (no change)", await kubectl.SayAsync("patch pod patched -p {\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x:2\"}]}}"));
        Assert.Equal("pod/patched patched", await kubectl.SayAsync("patch pod patched --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/containers/0/image\",\"value\":\"x:3\"}]"));
        Assert.Equal("pod/patched patched", await kubectl.SayAsync("patch pod patched --type=merge -p {\"metadata\":{\"labels\":{\"a\":\"b\"}}}"));
        Assert.Equal("x:3 b", await kubectl.SayAsync("get pod patched -o jsonpath={.spec.containers[0].image}{\"\\u0020\"}{.metadata.labels.a}"));

        Assert.StartsWith("The Pod \"patched\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,",
            await kubectl.RefusalAsync("patch pod patched --type=merge -p {\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x:3\"}]}}"), StringComparison.Ordinal);
        Assert.Equal("The request is invalid: the server rejected our request due to an error in our request",
            await kubectl.RefusalAsync("patch pod patched --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/annotations/x\"}]"));
        Assert.Equal("Error from server (NotFound): pods \"none\" not found", await kubectl.RefusalAsync("patch pod none -p {}"));
    }

    [Fact]
    public async Task Deletions_are_graceful_selective_and_conditional()
    {
        await kubectl.SayAsync("create -f -", string.Concat(((string[])["del-a", "del-b", "del-c"]).Select(name => Of(ConfigMap, name))));
        Assert.Equal("configmap \"del-a\" deleted", await kubectl.SayAsync("delete configmap -l run=del-a"));
        Assert.Equal("configmap \"del-b\" deleted", await kubectl.SayAsync("delete configmap --field-selector metadata.name=del-b"));
        Assert.Equal("configmap \"del-c\" deleted", await kubectl.SayAsync("delete configmap del-c none --ignore-not-found"));
        Assert.Equal("Error from server (NotFound): configmaps \"del-c\" not found", await kubectl.RefusalAsync("delete configmap del-c"));

        await kubectl.SayAsync("create -f -", Of(Pod, "slow").Replace("{containers", "{nodeName: 'n', containers", StringComparison.Ordinal));
        Assert.Equal("pod \"slow\" deleted", await kubectl.SayAsync("delete pod slow --grace-period=20 --wait=false"));
        Assert.Equal("20", await kubectl.SayAsync("get pod slow -o jsonpath={.metadata.deletionGracePeriodSeconds}"));
        Assert.Matches("\nslow +0/1 +Terminating ", await kubectl.SayAsync("get pod slow"));
        var forced = await kubectl.RunAsync("delete pod slow --force --grace-period=0");
        Assert.Equal((0, "pod \"slow\" force deleted\n"), (forced.ExitCode, forced.Output));
        Assert.Equal("", await kubectl.SayAsync("get pod slow --ignore-not-found"));

        await kubectl.SayAsync("create namespace emptied");
        await kubectl.SayAsync("-n emptied create configmap x");
        await kubectl.SayAsync("-n emptied create configmap y");
        Assert.Equal("configmap \"x\" deleted\nconfigmap \"y\" deleted", await kubectl.SayAsync("-n emptied delete configmaps --all"));
    }

    [Fact]
    public async Task A_dry_run_of_the_server_has_its_defaults_and_refusals_and_leaves_nothing()
    {
        Assert.Equal("ClusterFirst", await kubectl.SayAsync("create -f - --dry-run=server -o jsonpath={.spec.dnsPolicy}", Of(Pod, "dry")));
        Assert.Equal("pod/dry created (server dry run)", await kubectl.SayAsync("create -f - --dry-run=server", Of(Pod, "dry")));
        Assert.Equal("Error from server (NotFound): pods \"dry\" not found", await kubectl.RefusalAsync("get pod dry"));
        Assert.Equal("The Pod \"Dry\" is invalid: metadata.name: Invalid value: \"Dry\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            + "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            await kubectl.RefusalAsync("create -f - --dry-run=server", Of(Pod, "Dry")));
    }

    [Fact]
    public async Task Fields_that_do_not_exist_are_refused_warned_of_or_dropped()
    {
        var odd = Of(ConfigMap, "odd").Replace("data: {a: '1'}", "data: {a: '1'}, dada: {}, immutable: true, imutable: true", StringComparison.Ordinal);
        Assert.Equal("Error from server (BadRequest): error when creating \"STDIN\": ConfigMap in version \"v1\" cannot be handled as a ConfigMap: "
            + "strict decoding error: unknown field \"dada\", unknown field \"imutable\"", await kubectl.RefusalAsync("create -f -", odd));
        var warned = await kubectl.RunAsync("create -f - --validate=warn", odd);
        Assert.Equal((0, "configmap/odd created\n", "Warning: unknown field \"dada\"\nWarning: unknown field \"imutable\"\n"), (warned.ExitCode, warned.Output, warned.Errors));
        var ignored = await kubectl.RunAsync("create -f - --validate=ignore", odd.Replace("odd", "even", StringComparison.Ordinal));
        Assert.Equal((0, "configmap/even created\n", ""), (ignored.ExitCode, ignored.Output, ignored.Errors));
        Assert.Equal("Error from server (BadRequest): error when creating \"STDIN\": Pod in version \"v1\" cannot be handled as a Pod: "
            + "json: cannot unmarshal string into Go struct field Container.spec.containers.ports of type []v1.ContainerPort",
            await kubectl.RefusalAsync("create -f -", Of(Pod, "typed").Replace("env:", "ports: none, env:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Names_are_made_up_when_asked()
    {
        var created = await kubectl.SayAsync("create -f -", Of(ConfigMap, "x").Replace("name: x,", "generateName: made-,", StringComparison.Ordinal));
        Assert.Matches("^configmap/made-[bcdfghjklmnpqrstvwxz2456789]{5} created$", created);
    }

    [Fact]
    public async Task What_a_kind_does_not_have_is_not_found()
    {
        await kubectl.SayAsync("create -f -", Of(ConfigMap, "plain"));
        Assert.Equal("Error from server (NotFound): the server could not find the requested resource", await kubectl.RefusalAsync("patch configmap plain --subresource=status -p {}"));
        Assert.Equal("error: the server doesn't have a resource type \"gadgets\"", await kubectl.RefusalAsync("get gadgets"));
        Assert.Equal("Error from server (MethodNotAllowed): the server does not allow this method on the requested resource",
            await kubectl.RefusalAsync("create --raw /api/v1/namespaces/default/configmaps/plain -f -", "{}"));
    }

    private static string Of(string manifest, string name) => manifest.Replace("NAME", name, StringComparison.Ordinal);
}
