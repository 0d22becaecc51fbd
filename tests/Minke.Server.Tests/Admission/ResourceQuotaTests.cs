using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control.Quotas;

namespace Minke.Server.Tests.Admission;

/// <summary>Quotas over a whole API server and the controller that counts.</summary>
public sealed class ResourceQuotaTests : IAsyncLifetime
{
    private const string Namespace = "/api/v1/namespaces/default";

    private readonly CancellationTokenSource _stop = new();
    private TestServer _server = null!;
    private Task _counting = Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        _counting = new QuotaController(_server.Server.Client, _server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _counting;
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task Pods_are_charged_refused_and_given_back()
    {
        await QuotaAsync("q", """{"hard":{"pods":"2","requests.cpu":"1","limits.memory":"1Gi"}}""");
        Assert.Equal(
            "pods \"a\" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c",
            (await PodAsync("a", "{}")).Message);
        (await PodAsync("a", """{"requests":{"cpu":"600m"},"limits":{"memory":"300Mi"}}""")).Expect(201);
        var reply = await PodAsync("b", """{"requests":{"cpu":"600m"},"limits":{"memory":"800Mi"}}""");
        Assert.Equal(403, reply.Code);
        Assert.Equal(
            "pods \"b\" is forbidden: exceeded quota: q, requested: limits.memory=800Mi,requests.cpu=600m, used: limits.memory=300Mi,requests.cpu=600m, "
            + "limited: limits.memory=1Gi,requests.cpu=1", reply.Message);
        (await PodAsync("b", """{"requests":{"cpu":"100m"},"limits":{"memory":"100Mi"}}""")).Expect(201);
        Assert.Equal(
            "pods \"c\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2",
            (await PodAsync("c", """{"requests":{"cpu":"1m"},"limits":{"memory":"1Mi"}}""")).Message);
        await UsedAsync("q", """{"limits.memory":"400Mi","pods":"2","requests.cpu":"700m"}""");

        (await _server.SendAsync(HttpMethod.Delete, $"{Namespace}/pods/a?gracePeriodSeconds=0")).Expect(200);
        await UsedAsync("q", """{"limits.memory":"100Mi","pods":"1","requests.cpu":"100m"}""");
    }

    [Fact]
    public async Task What_was_there_before_counts_and_so_does_what_ends()
    {
        (await PodAsync("old", "{}")).Expect(201);
        await QuotaAsync("q", """{"hard":{"pods":"1","count/pods":"5"}}""");
        await UsedAsync("q", """{"count/pods":"1","pods":"1"}""");
        Assert.Equal(403, (await PodAsync("new", "{}")).Code);

        (await _server.PatchAsync($"{Namespace}/pods/old/status", """{"status":{"phase":"Succeeded"}}""")).Expect(200);
        await UsedAsync("q", """{"count/pods":"1","pods":"0"}""");
        (await PodAsync("new", "{}")).Expect(201);
    }

    [Fact]
    public async Task Objects_services_and_claims_are_bounded_too()
    {
        await QuotaAsync("q",
            """{"hard":{"configmaps":"1","count/secrets":"0","services":"3","services.nodeports":"1","requests.storage":"2Gi","fast.storageclass.storage.k8s.io/persistentvolumeclaims":"1"}}""");
        (await _server.PostAsync($"{Namespace}/configmaps", """{"metadata":{"name":"one"}}""")).Expect(201);
        Assert.Equal("configmaps \"two\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1",
            (await _server.PostAsync($"{Namespace}/configmaps", """{"metadata":{"name":"two"}}""")).Message);
        Assert.Equal("secrets \"s\" is forbidden: exceeded quota: q, requested: count/secrets=1, used: count/secrets=0, limited: count/secrets=0",
            (await _server.PostAsync($"{Namespace}/secrets", """{"metadata":{"name":"s"}}""")).Message);

        (await _server.PostAsync($"{Namespace}/services", """{"metadata":{"name":"s"},"spec":{"ports":[{"name":"a","port":80},{"name":"b","port":81}]}}""")).Expect(201);
        var service = await _server.PatchAsync($"{Namespace}/services/s", """{"spec":{"type":"NodePort"}}""");
        Assert.Equal("services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1", service.Message);

        const string Claim = """{"metadata":{"name":"NAME"},"spec":{"storageClassName":"fast","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}""";
        (await _server.PostAsync($"{Namespace}/persistentvolumeclaims", Claim.Replace("NAME", "one", StringComparison.Ordinal))).Expect(201);
        Assert.Contains("exceeded quota: q, requested: fast.storageclass.storage.k8s.io/persistentvolumeclaims=1",
            (await _server.PostAsync($"{Namespace}/persistentvolumeclaims", Claim.Replace("NAME", "two", StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scopes_hold_some_pods_and_not_others()
    {
        await QuotaAsync("best", """{"hard":{"pods":"0"},"scopes":["BestEffort"]}""");
        await QuotaAsync("ending", """{"hard":{"pods":"0"},"scopeSelector":{"matchExpressions":[{"scopeName":"Terminating","operator":"Exists"}]}}""");
        Assert.Contains("exceeded quota: best", (await PodAsync("a", "{}")).Message, StringComparison.Ordinal);
        (await PodAsync("b", """{"requests":{"cpu":"1m"}}""")).Expect(201);
        Assert.Contains("exceeded quota: ending", (await PodAsync("c", """{"requests":{"cpu":"1m"}}""", ",\"activeDeadlineSeconds\":5")).Message, StringComparison.Ordinal);
        (await _server.PostAsync($"{Namespace}/configmaps", """{"metadata":{"name":"unscoped"}}""")).Expect(201);
    }

    [Fact]
    public async Task Many_at_once_never_pass_the_bound_and_a_dry_run_costs_nothing()
    {
        await QuotaAsync("q", """{"hard":{"count/configmaps":"10"}}""");
        (await _server.PostAsync($"{Namespace}/configmaps?dryRun=All", """{"metadata":{"name":"dry"}}""")).Expect(201);
        var replies = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => _server.PostAsync($"{Namespace}/configmaps", $$$"""{"metadata":{"name":"m{{{i}}}"}}""")));
        Assert.Equal(10, replies.Count(reply => reply.Code == 201));
        Assert.All(replies.Where(reply => reply.Code != 201), reply => Assert.Equal(403, reply.Code));
        await UsedAsync("q", """{"count/configmaps":"10"}""");
    }

    [Fact]
    public async Task What_cannot_be_written_after_all_costs_nothing()
    {
        await QuotaAsync("q", """{"hard":{"count/podtemplates":"1"}}""");
        var large = await TemplateAsync("large", new string('x', 2_000_000));
        Assert.Equal("etcdserver: request is too large", large.Expect(500).Message);
        Assert.Equal("0", (string?)(await _server.GetAsync($"{Namespace}/resourcequotas/q")).Expect(200).Json["status"]!["used"]!["count/podtemplates"]);
        (await TemplateAsync("small", "x")).Expect(201);
        (await TemplateAsync("another", "x")).Expect(403);

        Task<Reply> TemplateAsync(string name, string argument) => _server.PostAsync($"{Namespace}/podtemplates",
            $$$"""{"template":{"spec":{"containers":[{"name":"c","image":"i","args":["{{{argument}}}"]}]}},"metadata":{"name":"{{{name}}}"} }""");
    }

    private async Task QuotaAsync(string name, string spec)
    {
        (await _server.PostAsync($"{Namespace}/resourcequotas", $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{{{spec}}}}""")).Expect(201);
        await _server.UntilAsync($"{Namespace}/resourcequotas/{name}", quota => quota["status"]?["hard"] is not null);
    }

    private Task<JsonNode> UsedAsync(string name, string used) => _server.UntilAsync($"{Namespace}/resourcequotas/{name}",
        quota => JsonNode.DeepEquals(quota["status"]?["used"], JsonNode.Parse(used)));

    private Task<Reply> PodAsync(string name, string resources, string also = "") => _server.PostAsync($"{Namespace}/pods",
        "{\"metadata\":{\"name\":\"" + name + "\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":" + resources + "}]" + also + "}}");
}
