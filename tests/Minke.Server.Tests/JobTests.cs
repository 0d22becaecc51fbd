namespace Minke.Server.Tests;

/// <summary>Jobs over HTTP: what is made of their uid and name, and what is told on their deletion.</summary>
public sealed class JobTests
{
    private const string Jobs = "/apis/batch/v1/namespaces/default/jobs";
    private const string Spec = """{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}""";

    [Theory]
    [InlineData("name")]
    [InlineData("generateName")]
    public async Task A_job_selects_its_pods_by_its_uid(string field)
    {
        await using var server = await TestServer.StartAsync();
        var made = (await server.PostAsync(Jobs, $$$"""{"metadata":{"{{{field}}}":"once-x"},"spec":{{{Spec}}}}""")).Expect(201).Json;
        var (uid, name) = (made["metadata"]!["uid"]!.GetValue<string>(), made["metadata"]!["name"]!.GetValue<string>());
        Assert.StartsWith("once-x", name, StringComparison.Ordinal);
        Assert.Equal($$$"""{"matchLabels":{"batch.kubernetes.io/controller-uid":"{{{uid}}}"}}""", made["spec"]!["selector"]!.ToJsonString());
        Assert.Equal(
            $$"""{"batch.kubernetes.io/controller-uid":"{{uid}}","batch.kubernetes.io/job-name":"{{name}}","controller-uid":"{{uid}}","job-name":"{{name}}"}""",
            made["spec"]!["template"]!["metadata"]!["labels"]!.ToJsonString());
        Assert.Equal("""[1,1,6,"NonIndexed",false,false,"TerminatingOrFailed"]""", new System.Text.Json.Nodes.JsonArray(
            [.. new[] { "parallelism", "completions", "backoffLimit", "completionMode", "suspend", "manualSelector", "podReplacementPolicy" }.Select(one => made["spec"]![one]!.DeepClone())]).ToJsonString());
    }

    [Fact]
    public async Task Deleting_a_job_without_a_word_on_its_pods_is_warned_of()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Jobs, $$$"""{"metadata":{"name":"a"},"spec":{{{Spec}}}}""")).Expect(201);
        (await server.PostAsync(Jobs, $$$"""{"metadata":{"name":"b"},"spec":{{{Spec}}}}""")).Expect(201);
        Assert.Equal(
            ["299 - \"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning\""],
            (await server.DeleteAsync(Jobs + "/a")).Expect(200).Warnings);
        Assert.Empty((await server.DeleteAsync(Jobs + "/b?propagationPolicy=Background")).Expect(200).Warnings);
    }

    [Fact]
    public async Task What_a_cron_job_leaves_open_in_its_template_stays_open()
    {
        await using var server = await TestServer.StartAsync();
        var made = (await server.PostAsync("/apis/batch/v1/namespaces/default/cronjobs",
            $$$$"""{"metadata":{"name":"often"},"spec":{"schedule":"@daily","jobTemplate":{"spec":{{{{Spec}}}}}}}""")).Expect(201).Json;
        Assert.Equal(["template"], made["spec"]!["jobTemplate"]!["spec"]!.AsObject().Select(pair => pair.Key));
        Assert.Equal("Allow", made["spec"]!["concurrencyPolicy"]!.GetValue<string>());
        Assert.Equal(3, made["spec"]!["successfulJobsHistoryLimit"]!.GetValue<int>());
        Assert.Equal(1, made["metadata"]!["generation"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_finished_job_does_not_run_again()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Jobs, $$$"""{"metadata":{"name":"a"},"spec":{{{Spec}}}}""")).Expect(201);
        const string done = """
            {"status":{"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:01:00Z","succeeded":1,
             "conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}
            """;
        (await server.PatchAsync(Jobs + "/a/status", done)).Expect(200);
        var refused = (await server.PatchAsync(Jobs + "/a/status", """{"status":{"succeeded":0,"conditions":[{"type":"SuccessCriteriaMet","status":"True"}],"completionTime":null}}""")).Expect(422);
        Assert.Equal(
            "Job.batch \"a\" is invalid: [status.conditions: Invalid value: cannot disable the terminal Complete=True condition, status.succeeded: Invalid value: 0: cannot decrease the succeeded counter]",
            refused.Message);
        Assert.Equal("Complete", (await server.GetAsync(Jobs + "/a", "application/json;as=Table;v=v1;g=meta.k8s.io")).Json["rows"]![0]!["cells"]![1]!.GetValue<string>());
    }
}
