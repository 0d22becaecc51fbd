using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests.CustomResources;

/// <summary>The daily work with a custom kind, by the real kubectl.</summary>
public sealed class KubectlCustomResourceTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    private const string Definition = """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: crontabs.stable.example.com}
        spec:
          group: stable.example.com
          scope: Namespaced
          names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
          versions:
          - name: v1
            served: true
            storage: true
            subresources:
              status: {}
              scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
            additionalPrinterColumns:
            - {name: Cron, type: string, jsonPath: .spec.cron}
            - {name: Replicas, type: integer, jsonPath: .spec.replicas}
            - {name: Image, type: string, jsonPath: .spec.image, priority: 1}
            - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
            schema:
              openAPIV3Schema:
                type: object
                description: A table of things to do.
                properties:
                  spec:
                    type: object
                    description: What is to be done.
                    required: [cron]
                    properties:
                      cron: {type: string, description: When., pattern: '^(\S+ ){4}\S+$'}
                      image: {type: string}
                      replicas: {type: integer, minimum: 0, default: 1}
                      steps:
                        type: array
                        x-kubernetes-list-type: map
                        x-kubernetes-list-map-keys: [name]
                        items:
                          type: object
                          required: [name]
                          properties: {name: {type: string}, run: {type: string}}
                  status: {type: object, properties: {replicas: {type: integer}}}

        """;

    private const string Item = """
        apiVersion: stable.example.com/v1
        kind: CronTab
        metadata: {name: NAME, namespace: default}
        spec:
          cron: "* * * * */5"
          image: web:1
          steps:
          - {name: one, run: first}
          - {name: two, run: second}

        """;

    [Fact]
    public async Task A_custom_kind_is_worked_with_like_any_other()
    {
        Assert.Equal("customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created\n", await RunAsync("apply -f -", Definition));
        Assert.Equal("customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com condition met\n",
            await RunAsync("wait --for condition=established --timeout=60s crd/crontabs.stable.example.com"));
        Assert.Matches(@"(?m)^crontabs +ct +stable\.example\.com/v1 +true +CronTab", await RunAsync("api-resources --api-group=stable.example.com"));

        var a = Item.Replace("NAME", "a", StringComparison.Ordinal);
        Assert.Equal("crontab.stable.example.com/a created\n", await RunAsync("apply -f -", a));
        Assert.Equal("crontab.stable.example.com/a unchanged\n", await RunAsync("apply -f -", a));
        Assert.Matches(@"^NAME +CRON +REPLICAS +AGE\na +\* \* \* \* \*/5 +1 +\d+s\n$", await RunAsync("get ct -n default"));
        Assert.Matches(@"^NAME +CRON +REPLICAS +IMAGE +AGE\na +\* \* \* \* \*/5 +1 +web:1 +\d+s\n$", await RunAsync("get crontab a -n default -o wide"));
        Assert.Contains("crontab.stable.example.com/a", await RunAsync("get all -n default"), StringComparison.Ordinal);
        Assert.Equal("web:1", await RunAsync("get crontabs.v1.stable.example.com a -n default -o jsonpath={.spec.image}"));

        var explained = await RunAsync("explain crontab.spec");
        Assert.Contains("KIND:       CronTab\nVERSION:    v1\n", explained, StringComparison.Ordinal);
        Assert.Contains("What is to be done.", explained, StringComparison.Ordinal);
        Assert.Contains("  cron\t<string> -required-\n    When.\n", explained, StringComparison.Ordinal);
        // Upstream's conformance tests look for these words of every custom resource.
        Assert.Matches("(?s)apiVersion\t<string>.*APIVersion defines", await RunAsync("explain crontab"));
        Assert.Matches("(?s)DESCRIPTION:.*Standard object's metadata.*FIELDS:.*creationTimestamp\t<string>.*CreationTimestamp is a timestamp", await RunAsync("explain crontab.metadata"));
        Assert.Contains("FIELD: run <string>", await RunAsync("explain ct.spec.steps.run"), StringComparison.Ordinal);

        var changed = a.Replace("web:1", "web:2", StringComparison.Ordinal);
        var diff = await kubectl.RunAsync("diff -f -", changed);
        Assert.Equal((1, ""), (diff.ExitCode, diff.Errors));
        Assert.Contains("\n-  image: web:1\n+  image: web:2\n", diff.Output, StringComparison.Ordinal);
        Assert.Equal("crontab.stable.example.com/a configured\n", await RunAsync("apply -f -", changed));
        Assert.Equal("crontab.stable.example.com/a patched\n", await RunAsync("""patch ct a -n default --type=merge -p {"spec":{"image":"web:3"}}"""));
        Assert.Equal("crontab.stable.example.com/a replaced\n", await RunAsync("replace -f -", await RunAsync("get ct a -n default -o yaml")));
        Assert.Equal("crontab.stable.example.com/a labeled\n", await RunAsync("label ct a -n default tier=back"));
        Assert.Equal("crontab.stable.example.com/a scaled\n", await RunAsync("scale ct a -n default --replicas=4"));
        Assert.Equal("4", await RunAsync("get ct a -n default -o jsonpath={.spec.replicas}"));
        Assert.Equal("crontab.stable.example.com/a patched\n", await RunAsync("""patch ct a -n default --subresource=status --type=merge -p {"status":{"replicas":4}}"""));
        Assert.Matches(@"(?m)^ +Cron: +\* \* \* \* \*/5$", await RunAsync("describe ct a -n default"));

        var refused = await kubectl.RunAsync("apply -f -", Item.Replace("NAME", "b", StringComparison.Ordinal).Replace("*/5\"", "*/5\"\n  odd: 1", StringComparison.Ordinal));
        Assert.Contains("strict decoding error: unknown field \"spec.odd\"", refused.Errors, StringComparison.Ordinal);
        var invalid = await kubectl.RunAsync("apply -f -", Item.Replace("NAME", "b", StringComparison.Ordinal).Replace("* * * * */5", "often", StringComparison.Ordinal));
        Assert.Equal("The CronTab \"b\" is invalid: spec.cron: Invalid value: \"often\": spec.cron in body should match '^(\\S+ ){4}\\S+$'\n", invalid.Errors);

        await ApplyOnTheServerAsync();
        Assert.Equal("crontab.stable.example.com \"a\" deleted\n", await RunAsync("delete ct a -n default"));
        Assert.Equal("customresourcedefinition.apiextensions.k8s.io \"crontabs.stable.example.com\" deleted\n", await RunAsync("delete crd crontabs.stable.example.com"));
        var gone = await kubectl.RunAsync("get ct");
        Assert.Equal(1, gone.ExitCode);
        Assert.Contains("the server could not find the requested resource", gone.Errors, StringComparison.Ordinal); // It remembers for a while what there was.
    }

    /// <summary>Two appliers share a list by its keys, and conflict over a field.</summary>
    private async Task ApplyOnTheServerAsync()
    {
        const string Half = """
            apiVersion: stable.example.com/v1
            kind: CronTab
            metadata: {name: shared, namespace: default}
            spec:
              cron: "* * * * *"
              steps: [{name: STEP, run: "RUN"}]
            """;
        string Of(string step, string run) => Half.Replace("STEP", step, StringComparison.Ordinal).Replace("RUN", run, StringComparison.Ordinal);
        Assert.Equal("crontab.stable.example.com/shared serverside-applied\n", await RunAsync("apply --server-side --field-manager=one -f -", Of("a", "1")));
        Assert.Equal("crontab.stable.example.com/shared serverside-applied\n", await RunAsync("apply --server-side --field-manager=two -f -", Of("b", "2")));
        Assert.Equal("a1 b2 ", await RunAsync("get ct shared -n default -o jsonpath={range.spec.steps[*]}{.name}{.run}{'\\u0020'}{end}"));
        var conflict = await kubectl.RunAsync("apply --server-side --field-manager=two -f -", Of("a", "3"));
        Assert.Contains("conflict with \"one\": .spec.steps[name=\"a\"].run", conflict.Errors, StringComparison.Ordinal);
    }

    private async Task<string> RunAsync(string arguments, string input = "")
    {
        var result = await kubectl.RunAsync(arguments, input);
        Assert.True(result.ExitCode == 0, $"kubectl {arguments}: {result.Errors}{result.Output}");
        return result.Output;
    }
}
