namespace Minke.Server.Tests.OpenApi;

/// <summary>What the real kubectl does with the documents: explain, validate, apply, diff.</summary>
public sealed class KubectlOpenApiTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    private const string Pod = """
        apiVersion: v1
        kind: Pod
        metadata: {name: NAME, namespace: default}
        spec:
          containers:
          - {name: web, image: "web:1", ports: [{containerPort: 80}], env: [{name: A, value: "1"}, {name: B, value: "2"}]}

        """;

    [Fact]
    public async Task Explain_shows_a_kind_and_its_fields()
    {
        var shown = await kubectl.RunAsync("explain pod");
        Assert.Equal((0, ""), (shown.ExitCode, shown.Errors));
        Assert.Contains("KIND:       Pod\nVERSION:    v1\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("\n  spec\t<PodSpec>\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("\n  metadata\t<ObjectMeta>\n", shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_follows_a_path_to_the_last_field()
    {
        var shown = await kubectl.RunAsync("explain pod.spec.containers --recursive");
        Assert.Equal((0, ""), (shown.ExitCode, shown.Errors));
        Assert.Contains("FIELD: containers <[]Container>\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("  name\t<string> -required-\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("  imagePullPolicy\t<string>\n  enum: Always, IfNotPresent, Never\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("    limits\t<map[string]Quantity>\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("port\t<IntOrString> -required-\n", shown.Output, StringComparison.Ordinal);

        var scalar = await kubectl.RunAsync("explain pods.spec.containers.ports.containerPort");
        Assert.Contains("FIELD: containerPort <integer>\n", scalar.Output, StringComparison.Ordinal);
    }

    [Theory, InlineData("configmap.data", "FIELD: data <map[string]string>"), InlineData("lease.spec.holderIdentity", "FIELD: holderIdentity <string>"), InlineData("lease.spec.renewTime", "FIELD: renewTime <string>")]
    [InlineData("service.spec.ports.targetPort", "FIELD: targetPort <IntOrString>"), InlineData("events.eventTime --api-version=events.k8s.io/v1", "GROUP:      events.k8s.io")]
    public async Task Explain_knows_every_group_that_is_served(string what, string expected)
    {
        var shown = await kubectl.RunAsync("explain " + what);
        Assert.Equal((0, ""), (shown.ExitCode, shown.Errors));
        Assert.Contains(expected + "\n", shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_reads_the_old_document_as_protobuf()
    {
        var shown = await kubectl.RunAsync("explain pod.spec.containers --output=plaintext-openapiv2");
        Assert.Equal((0, ""), (shown.ExitCode, shown.Errors));
        Assert.Contains("RESOURCE: containers <[]Object>\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("   imagePullPolicy\t<string>\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains("   name\t<string> -required-\n", shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_of_an_unknown_field_says_so()
    {
        var shown = await kubectl.RunAsync("explain pod.spec.nothing");
        Assert.Equal((1, "error: field \"nothing\" does not exist\n"), (shown.ExitCode, shown.Errors));
    }

    [Theory, InlineData("create"), InlineData("apply")]
    public async Task Strict_validation_is_left_to_the_server(string verb)
    {
        var refused = await kubectl.RunAsync($"{verb} --validate=strict -f -", Pod.Replace("NAME", "strict", StringComparison.Ordinal) + "  replicas: 3\n");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("strict decoding error: unknown field \"spec.replicas\"", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Apply_and_diff_merge_lists_by_their_keys_without_a_warning()
    {
        var manifest = Pod.Replace("NAME", "merged", StringComparison.Ordinal);
        var created = await kubectl.RunAsync("apply -f -", manifest);
        Assert.Equal((0, "pod/merged created\n", ""), (created.ExitCode, created.Output, created.Errors));

        var changed = manifest.Replace("web:1", "web:2", StringComparison.Ordinal);
        var diff = await kubectl.RunAsync("diff -f -", changed);
        Assert.Equal((1, ""), (diff.ExitCode, diff.Errors));
        Assert.Contains("\n-    image: web:1\n+    image: web:2\n", diff.Output, StringComparison.Ordinal);

        var configured = await kubectl.RunAsync("apply -f - -v=8", changed);
        Assert.Equal((0, "pod/merged configured\n"), (configured.ExitCode, configured.Output));
        var log = configured.Errors.Replace("\\", "", StringComparison.Ordinal); // Bodies are quoted there.
        // By the key: the one container, not the whole list; and nobody had to fall back to an older document.
        Assert.Contains("\"$setElementOrder/containers\":[{\"name\":\"web\"}]", log, StringComparison.Ordinal);
        Assert.Contains("{\"image\":\"web:2\",\"name\":\"web\"}", log, StringComparison.Ordinal);
        Assert.DoesNotContain("/openapi/v2", log, StringComparison.Ordinal);
        Assert.DoesNotContain("warning", log, StringComparison.OrdinalIgnoreCase);
    }
}
