using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Server.Tests.Proxying;

namespace Minke.Server.Tests.Aggregation;

/// <summary>A server that serves a group of its own behind an APIService, asked through this one.</summary>
public sealed class AggregationTests : IAsyncLifetime
{
    private const string Services = "/apis/apiregistration.k8s.io/v1/apiservices";
    private const string Flunders = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders";
    private const string Aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

    private BackendServer _backend = null!;
    private TestServer _server = null!;
    private string _authority = "";
    private Func<HttpContext, Task> _answer = _ => Task.CompletedTask;
    private bool _isDown;
    private IHeaderDictionary? _seen;
    private X509Certificate2? _shown;

    public async ValueTask InitializeAsync()
    {
        var (certificate, authority) = TlsIdentity.Create("ext.default.svc");
        _authority = Convert.ToBase64String(Encoding.ASCII.GetBytes(authority));
        _backend = await BackendServer.StartAsync(AnswerAsync, certificate);
        _server = await TestServer.StartAsync(change: options => options with { Dial = _backend.DialAsync });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _backend.DisposeAsync();
    }

    [Fact]
    public async Task A_group_of_another_server_is_found_and_asked()
    {
        await JoinAsync();
        Assert.Contains("wardle.example.com", (await _server.GetAsync("/apis")).Json["groups"]!.AsArray().Select(group => (string)group!["name"]!));
        Assert.Equal("v1alpha1", (string?)(await _server.GetAsync("/apis/wardle.example.com")).Expect(200).Json["preferredVersion"]!["version"]);
        Assert.Equal("flunders", (string?)(await _server.GetAsync("/apis/wardle.example.com/v1alpha1")).Expect(200).Json["resources"]![0]!["name"]);
        Assert.Equal("Flunder", (string?)Discovered(await _server.GetAsync("/apis", Aggregated))["resources"]![0]!["responseKind"]!["kind"]);
        Assert.Equal("Current", (string?)Discovered(await _server.GetAsync("/apis", Aggregated))["freshness"]);

        _answer = async http =>
        {
            using var body = new StreamReader(http.Request.Body);
            http.Response.StatusCode = 201;
            await http.Response.WriteAsync($"{http.Request.Method} {http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget} {await body.ReadToEndAsync(TestServer.Cancelled)}", TestServer.Cancelled);
        };
        Assert.Equal($"POST {Flunders}?fieldManager=a body", (await _server.PostAsync(Flunders + "?fieldManager=a", "body")).Expect(201).Text);
        Assert.Contains("ext.default.svc:443", _seen!.Host.ToString(), StringComparison.Ordinal);
        Assert.Contains("/openapi/v3/apis/wardle.example.com/v1alpha1?hash=abc", (await _server.GetAsync("/openapi/v3")).Expect(200).Text, StringComparison.Ordinal);
        Assert.Equal("GET /openapi/v3/apis/wardle.example.com/v1alpha1?hash=abc ", (await _server.GetAsync("/openapi/v3/apis/wardle.example.com/v1alpha1?hash=abc")).Text);
    }

    [Fact]
    public async Task Who_asks_is_said_by_this_server_alone_and_its_certificate_vouches_for_it()
    {
        await JoinAsync();
        var config = (await _server.UntilAsync("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication", _ => true))["data"]!;
        Assert.Equal(("[\"X-Remote-User\"]", "[\"X-Remote-Group\"]", "[\"X-Remote-Extra-\"]", "[\"front-proxy-client\"]"), (
            (string?)config["requestheader-username-headers"], (string?)config["requestheader-group-headers"],
            (string?)config["requestheader-extra-headers-prefix"], (string?)config["requestheader-allowed-names"]));
        Assert.Equal(_server.Pki.AuthorityPem, ((string?)config["client-ca-file"])!.Trim());

        using var request = new HttpRequestMessage(HttpMethod.Get, Flunders) { Version = new(2, 0) };
        request.Headers.TryAddWithoutValidation("X-Remote-User", "forged");
        request.Headers.TryAddWithoutValidation("X-Remote-Group", "forged");
        request.Headers.TryAddWithoutValidation("X-Remote-Extra-Forged", "forged");
        request.Headers.TryAddWithoutValidation("Impersonate-User", "jane");
        request.Headers.TryAddWithoutValidation("Impersonate-Uid", "u-1");
        request.Headers.TryAddWithoutValidation("Impersonate-Group", "system:masters");
        request.Headers.TryAddWithoutValidation("Impersonate-Extra-example.org%2fteam", "a");
        using var response = await _server.Admin.SendAsync(request, TestServer.Cancelled);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(("jane", "u-1", "a"), (_seen!["X-Remote-User"].ToString(), _seen["X-Remote-Uid"].ToString(), _seen["X-Remote-Extra-example.org%2Fteam"].ToString()));
        Assert.Equal((string[])["system:masters", "system:authenticated"], _seen["X-Remote-Group"].Select(group => group!));
        Assert.DoesNotContain("forged", string.Concat(_seen.SelectMany(header => header.Value.ToArray())), StringComparison.Ordinal);

        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPem((string?)config["requestheader-client-ca-file"]);
        Assert.True(chain.Build(_shown!));
        Assert.Equal("CN=front-proxy-client", _shown!.Subject);
    }

    [Fact]
    public async Task Rights_are_asked_for_here_first()
    {
        await JoinAsync();
        using var client = _server.ClientOf(_server.Pki.IssueClient("jane", [], TimeSpan.FromHours(1)));
        _seen = null;
        Assert.Equal("flunders.wardle.example.com is forbidden: User \"jane\" cannot list resource \"flunders\" in API group \"wardle.example.com\" in the namespace \"default\"",
            (await _server.SendAsync(HttpMethod.Get, Flunders, client: client)).Expect(403).Message);
        Assert.Null(_seen);
        // What is asked there is what was allowed here: the status of a flunder is not reached as the name of one.
        _answer = http => http.Response.WriteAsync(http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, TestServer.Cancelled);
        Assert.Equal(Flunders + "/a%252Fstatus", (await _server.PutAsync(Flunders + "/a%2Fstatus", "{}")).Expect(200).Text);
        using var dots = await RawRequest.SendAsync(_server, $"GET {Flunders}/../../secret/flunders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        await dots.HeadAsync();
        Assert.EndsWith("/namespaces/secret/flunders", _seen!["X-Forwarded-Uri"].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_APIService_says_what_it_waits_for()
    {
        await RegisterAsync();
        await ConditionAsync("False ServiceNotFound service/ext in \"default\" is not present");
        Assert.Equal((503, "service unavailable\n"), Unanswered(await _server.GetAsync(Flunders)));
        Assert.Equal((503, "service unavailable\n"), Unanswered(await _server.GetAsync("/apis/wardle.example.com/v1alpha1")));
        Assert.Equal("Stale", (string?)Discovered(await _server.GetAsync("/apis", Aggregated))["freshness"]);

        (await _server.PostAsync("/api/v1/namespaces/default/services", """{"metadata":{"name":"ext"},"spec":{"ports":[{"name":"web","port":80}]}}""")).Expect(201);
        await ConditionAsync("False ServicePortError service/ext in \"default\" is not listening on port 443");
        (await _server.PatchAsync("/api/v1/namespaces/default/services/ext", """{"spec":{"ports":[{"name":"https","port":443}]}}""")).Expect(200);
        await ConditionAsync("False EndpointsNotFound cannot find endpoints for service/ext in \"default\"");
        (await _server.PostAsync("/api/v1/namespaces/default/endpoints", """{"metadata":{"name":"ext"},"subsets":[{"addresses":[{"ip":"10.1.2.3"}],"ports":[{"name":"other","port":8443}]}]}""")).Expect(201);
        await ConditionAsync("False MissingEndpoints endpoints for service/ext in \"default\" have no addresses with port name \"https\"");
        _isDown = true;
        (await _server.PatchAsync("/api/v1/namespaces/default/endpoints/ext", """{"subsets":[{"addresses":[{"ip":"10.1.2.3"}],"ports":[{"name":"https","port":8443}]}]}""")).Expect(200);
        await ConditionAsync("False FailedDiscoveryCheck failing or missing response from https://ext.default.svc:443/apis/wardle.example.com/v1alpha1: bad status from https://ext.default.svc:443/apis/wardle.example.com/v1alpha1: 500");
        _isDown = false;
        await ConditionAsync("True Passed all checks passed");
        (await _server.GetAsync(Flunders)).Expect(200);

        (await _server.DeleteAsync("/api/v1/namespaces/default/endpoints/ext")).Expect(200);
        await ConditionAsync("False EndpointsNotFound cannot find endpoints for service/ext in \"default\"");
        Assert.Equal((503, "service unavailable\n"), Unanswered(await _server.GetAsync(Flunders)));
        var stale = Discovered(await _server.GetAsync("/apis", Aggregated));
        Assert.Equal(("Stale", "flunders"), ((string?)stale["freshness"], (string?)stale["resources"]![0]!["resource"]));
        (await _server.DeleteAsync(Services + "/v1alpha1.wardle.example.com")).Expect(200);
        await _server.AskUntilAsync(Flunders, reply => reply.Code == 404);
        (await _server.GetAsync("/apis/wardle.example.com")).Expect(404);
    }

    [Fact]
    public async Task Users_requests_go_to_nobody_whose_certificate_is_not_believed()
    {
        var (_, other) = TlsIdentity.Create("ext.default.svc");
        _authority = Convert.ToBase64String(Encoding.ASCII.GetBytes(other));
        await JoinAsync();
        Assert.Equal((503, "error trying to reach service: tls: failed to verify certificate: x509: certificate signed by unknown authority\n"), Unanswered(await _server.GetAsync(Flunders)));
        (await _server.PatchAsync(Services + "/v1alpha1.wardle.example.com", """{"spec":{"caBundle":null,"insecureSkipTLSVerify":true}}""")).Expect(200);
        await _server.AskUntilAsync(Flunders, reply => reply.Code == 200);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_not_waited_for_beyond_the_requests_time()
    {
        await JoinAsync();
        _answer = http => Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TestServer.Cancelled, TaskContinuationOptions.None, TaskScheduler.Default);
        Assert.Equal("Timeout: request did not complete within the allotted timeout", (await _server.GetAsync(Flunders + "?timeout=100ms")).Expect(504).Message);
    }

    [Fact]
    public async Task A_watch_is_passed_on_event_by_event_and_cut_when_its_server_dies()
    {
        await JoinAsync();
        var die = new TaskCompletionSource();
        _answer = async http =>
        {
            await http.Response.WriteAsync("""{"type":"ADDED","object":{"metadata":{"name":"a"}}}""" + "\n", TestServer.Cancelled);
            await http.Response.Body.FlushAsync(TestServer.Cancelled);
            await die.Task.WaitAsync(TestServer.Cancelled);
            http.Abort();
        };
        await using var watch = await Watch.OpenAsync(_server, Flunders + "?watch=1");
        Assert.Equal("ADDED a", await watch.NextAsync());
        die.SetResult();
        await Assert.ThrowsAnyAsync<IOException>(watch.LineAsync);
    }

    [Fact]
    public async Task A_connection_that_leaves_HTTP_is_carried_on()
    {
        await JoinAsync();
        _answer = async http =>
        {
            http.Response.Headers.Upgrade = http.Request.Headers.Upgrade;
            await using var stream = await http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            await stream.CopyToAsync(stream, TestServer.Cancelled);
        };
        using var socket = await RawRequest.SendAsync(_server, $"GET {Flunders}/a/console HTTP/1.1\r\nHost: a\r\nX-Remote-User: forged\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 101", await socket.HeadAsync(), StringComparison.Ordinal);
        Assert.Equal("hello", await socket.EchoAsync("hello"));
        Assert.Equal("kubernetes-admin", _seen!["X-Remote-User"].ToString());
    }

    [Fact]
    public async Task A_redirection_is_not_passed_on()
    {
        await JoinAsync();
        _answer = http =>
        {
            http.Response.Redirect("https://example.org/");
            return Task.CompletedTask;
        };
        Assert.Equal("the backend attempted to redirect this request, which is not permitted", (await _server.GetAsync(Flunders)).Expect(502).Text);
    }

    [Fact]
    public async Task Metrics_are_somebody_elses_while_they_bring_a_server_for_them()
    {
        const string Usage = "/apis/metrics.k8s.io/v1beta1/nodes";
        (await _server.GetAsync(Usage)).Expect(200);
        await ServiceAsync();
        (await _server.PatchAsync(Services + "/v1beta1.metrics.k8s.io", """{"spec":{"service":{"namespace":"default","name":"ext"},"insecureSkipTLSVerify":true}}""")).Expect(200);
        _answer = http => http.Response.WriteAsync("theirs", TestServer.Cancelled);
        await _server.AskUntilAsync(Usage, reply => reply.Text == "theirs");
        (await _server.DeleteAsync(Services + "/v1beta1.metrics.k8s.io")).Expect(200);
        await _server.AskUntilAsync(Usage, reply => reply is { Code: 200, Text: not "theirs" } && (string?)reply.Json["kind"] == "NodeMetricsList");
        await _server.UntilAsync(Services + "/v1beta1.metrics.k8s.io", one => one["spec"]!["service"] is null);
    }

    [Fact]
    public async Task How_this_server_is_known_is_kept_right()
    {
        const string Config = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
        var data = (await _server.UntilAsync(Config, _ => true))["data"]!.ToJsonString();
        (await _server.PatchAsync(Config, """{"data":{"requestheader-client-ca-file":"mine"}}""")).Expect(200);
        await _server.UntilAsync(Config, one => one["data"]!.ToJsonString() == data);
        (await _server.DeleteAsync(Config)).Expect(200);
        await _server.UntilAsync(Config, one => one["data"]!.ToJsonString() == data);
    }

    private async Task JoinAsync()
    {
        await ServiceAsync();
        await RegisterAsync();
        await ConditionAsync("True Passed all checks passed");
    }

    private async Task ServiceAsync()
    {
        (await _server.PostAsync("/api/v1/namespaces/default/services", """{"metadata":{"name":"ext"},"spec":{"ports":[{"name":"https","port":443}]}}""")).Expect(201);
        (await _server.PostAsync("/api/v1/namespaces/default/endpoints", """{"metadata":{"name":"ext"},"subsets":[{"addresses":[{"ip":"10.1.2.3"}],"ports":[{"name":"https","port":8443}]}]}""")).Expect(201);
    }

    private async Task RegisterAsync() => (await _server.PostAsync(Services, $$$"""
        {"metadata":{"name":"v1alpha1.wardle.example.com"},"spec":{"group":"wardle.example.com","version":"v1alpha1","groupPriorityMinimum":2000,"versionPriority":200,
         "service":{"namespace":"default","name":"ext"},"caBundle":"{{{_authority}}}"}}
        """)).Expect(201);

    private Task<JsonNode> ConditionAsync(string wanted) => _server.UntilAsync(Services + "/v1alpha1.wardle.example.com", service =>
        service["status"]?["conditions"]?[0] is { } one && $"{one["status"]} {one["reason"]} {one["message"]}" == wanted);

    private static (int Code, string Text) Unanswered(Reply reply) => (reply.Code, reply.Text);

    private static JsonNode Discovered(Reply reply) =>
        reply.Expect(200).Json["items"]!.AsArray().Single(group => (string?)group!["metadata"]!["name"] == "wardle.example.com")!["versions"]![0]!;

    private Task AnswerAsync(HttpContext http)
    {
        _shown = http.Connection.ClientCertificate;
        var isAggregator = http.Request.Headers["X-Remote-User"] == "system:kube-aggregator";
        if (!isAggregator)
            _seen = new HeaderDictionary(http.Request.Headers.ToDictionary(one => one.Key, one => one.Value, StringComparer.OrdinalIgnoreCase));
        if (_isDown)
        {
            http.Response.StatusCode = 500;
            return Task.CompletedTask;
        }
        return http.Request.Path.Value switch
        {
            "/apis/wardle.example.com/v1alpha1" => http.Response.WriteAsync("""
                {"kind":"APIResourceList","apiVersion":"v1","groupVersion":"wardle.example.com/v1alpha1","resources":[
                 {"name":"flunders","singularName":"flunder","namespaced":true,"kind":"Flunder","verbs":["create","get","list","watch"]},
                 {"name":"flunders/status","singularName":"","namespaced":true,"kind":"Flunder","verbs":["get"]}]}
                """, TestServer.Cancelled),
            "/apis/metrics.k8s.io/v1beta1" => http.Response.WriteAsync("""{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[]}""", TestServer.Cancelled),
            "/openapi/v3" => http.Response.WriteAsync("""{"paths":{"apis/wardle.example.com/v1alpha1":{"serverRelativeURL":"/openapi/v3/apis/wardle.example.com/v1alpha1?hash=abc"}}}""", TestServer.Cancelled),
            _ => _answer(http),
        };
    }
}
