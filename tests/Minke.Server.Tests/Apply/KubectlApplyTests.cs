using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests.Apply;

/// <summary>The real kubectl, word for word.</summary>
public sealed class KubectlApplyTests(KubectlServer server) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task Kubectl_applies_on_the_server_and_prints_conflicts_as_ever()
    {
        Assert.Equal("configmap/first serverside-applied\n", (await RunAsync("apply --server-side -f -", Map("first", "1"))).Output);
        Assert.Equal("configmap/first serverside-applied\n", (await RunAsync("apply --server-side -f -", Map("first", "1"))).Output);

        var refused = await RunAsync("apply --server-side --field-manager=other -f -", Map("first", "2"));
        Assert.Equal(1, refused.ExitCode);
        Assert.Equal("""
            error: Apply failed with 1 conflict: conflict with "kubectl": .data.key
            Please review the fields above--they currently have other managers. Here
            are the ways you can resolve this warning:
            * If you intend to manage all of these fields, please re-run the apply
              command with the `--force-conflicts` flag.
            * If you do not intend to manage all of the fields, please edit your
              manifest to remove references to the fields that should keep their
              current managers.
            * You may co-own fields by updating your manifest to match the existing
              value; in this case, you'll become the manager if the other manager(s)
              stop managing the field (remove it from their configuration).
            See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts

            """, refused.Errors);
        Assert.Equal("configmap/first serverside-applied\n", (await RunAsync("apply --server-side --field-manager=other --force-conflicts -f -", Map("first", "2"))).Output);

        var shown = (await RunAsync("get configmap first --show-managed-fields -o jsonpath={range.metadata.managedFields[*]}{.manager}/{.operation}:{.fieldsV1}|{end}")).Output;
        Assert.Equal("other/Apply:{\"f:data\":{\"f:key\":{}}}|", shown);
        Assert.DoesNotContain("managedFields", (await RunAsync("get configmap first -o yaml")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kubectl_goes_over_from_client_side_apply_without_a_conflict()
    {
        Assert.Equal("configmap/over created\n", (await RunAsync("apply -f -", Map("over", "1"))).Output);
        Assert.Equal("configmap/over serverside-applied\n", (await RunAsync("apply --server-side -f -", Map("over", "2"))).Output);
        var managers = (await RunAsync("get configmap over --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}")).Output;
        Assert.DoesNotContain("kubectl-client-side-apply", managers, StringComparison.Ordinal);
        Assert.Contains("\"data\":{\"key\":\"2\"}", (await RunAsync("apply view-last-applied configmap/over -o json")).Output.Replace("\n", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        // And back again.
        Assert.Equal("configmap/over configured\n", (await RunAsync("apply -f -", Map("over", "3"))).Output);
    }

    [Fact]
    public async Task Kubectl_writes_under_the_names_of_its_commands()
    {
        Assert.Equal("configmap/made created\n", (await RunAsync("create configmap made --from-literal=key=1")).Output);
        Assert.Equal("configmap/made labeled\n", (await RunAsync("label configmap made app=x")).Output);
        Assert.Equal("configmap/made replaced\n", (await RunAsync("replace -f -", Map("made", "5"))).Output);
        var managers = (await RunAsync("get configmap made --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}")).Output;
        Assert.Equal("kubectl-create kubectl-replace", managers);
    }

    [Fact]
    public async Task Kubectl_shows_what_an_apply_on_the_server_would_change()
    {
        await RunAsync("apply --server-side -f -", Map("differs", "1"));
        var same = await RunAsync("diff --server-side -f -", Map("differs", "1"));
        Assert.Equal((0, ""), (same.ExitCode, same.Output));
        var differs = await RunAsync("diff --server-side -f -", Map("differs", "2"));
        Assert.Equal(1, differs.ExitCode);
        Assert.Contains("-  key: \"1\"\n+  key: \"2\"\n", differs.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kubectl_prints_what_does_not_fit_the_type()
    {
        var wrong = await RunAsync("apply --server-side -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w, namespace: default}\ndat: {a: b}\n");
        Assert.Equal("Error from server: failed to create typed patch object (default/w; /v1, Kind=ConfigMap): .dat: field not declared in schema\n", wrong.Errors);
    }

    private Task<KubectlServer.Result> RunAsync(string arguments, string input = "") => server.RunAsync(arguments, input);

    private static string Map(string name, string value) => $$"""
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{name}}
        data:
          key: "{{value}}"
        """;
}
