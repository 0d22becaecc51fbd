using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Server.Tests.Admission;

namespace Minke.Server.Tests.Proxying;

/// <summary>Proxies to a pod, to the pods of a service and to a node, seen from both ends.</summary>
public sealed class ProxyTests : IAsyncLifetime
{
    private const string Namespace = "/api/v1/namespaces/default";
    private const string Pod = Namespace + "/pods/web/proxy";

    private BackendServer _backend = null!;
    private TestServer _server = null!;
    private Func<HttpContext, Task> _answer = Echo;

    public async ValueTask InitializeAsync()
    {
        _backend = await BackendServer.StartAsync(http => _answer(http));
        _server = await TestServer.StartAsync(change: options => options with { Dial = _backend.DialAsync, Nodes = new FakeNode() });
        await PodAsync("web", "10.244.0.7");
        (await _server.PostAsync(Namespace + "/services", """{"metadata":{"name":"web"},"spec":{"ports":[{"name":"http","port":80,"targetPort":8080}]}}""")).Expect(201);
        (await _server.PostAsync(Namespace + "/endpoints", """
            {"metadata":{"name":"web"},"subsets":[{"addresses":[{"ip":"10.9.9.9"},{"ip":"10.244.0.7","targetRef":{"kind":"Pod","namespace":"default","name":"web"}}],"ports":[{"name":"http","port":8080}]}]}
            """)).Expect(201);
        (await _server.PostAsync("/api/v1/nodes", """{"metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}}""")).Expect(201);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _backend.DisposeAsync();
    }

    [Theory]
    [InlineData(Pod + "/a/b%20c%2Fd?x=1&x=2", "GET /a/b%20c/d?x=1&x=2", "10.244.0.7:8080")]
    [InlineData(Pod + "/", "GET /", "10.244.0.7:8080")]
    [InlineData(Namespace + "/pods/web:9000/proxy/a/", "GET /a/", "10.244.0.7:9000")]
    [InlineData(Namespace + "/pods/http:web:9000/proxy/a", "GET /a", "10.244.0.7:9000")]
    [InlineData(Namespace + "/services/web:http/proxy/a", "GET /a", "10.244.0.7:8080")]
    [InlineData(Namespace + "/services/web:80/proxy/a/../b", "GET /b", "10.244.0.7:8080")]
    [InlineData("/api/v1/nodes/n:9100/proxy/metrics", "GET /metrics", "10.0.0.1:9100")]
    public async Task A_request_reaches_whom_its_name_says(string path, string asked, string dialled)
    {
        var reply = (await _server.SendAsync(HttpMethod.Get, new string(path))).Expect(200);
        Assert.Equal((asked, dialled), (reply.Text, _backend.Dialled.Single()));
    }

    [Theory]
    [InlineData(Namespace + "/pods/ftp:web:1/proxy/", 400, "invalid pod request \"ftp:web:1\"")]
    [InlineData(Namespace + "/pods/none/proxy/", 404, "pods \"none\" not found")]
    [InlineData(Namespace + "/pods/loop/proxy/", 400, "address not allowed")]
    [InlineData(Namespace + "/services/web:81/proxy/", 503, "no service port 81 found for service \"web\"")]
    [InlineData(Namespace + "/services/web:other/proxy/", 503, "no endpoints available for service \"web:other\"")]
    [InlineData(Namespace + "/services/empty:80/proxy/", 503, "no endpoints available for service \"empty\"")]
    [InlineData(Namespace + "/services/gone/proxy/", 404, "endpoints \"gone\" not found")]
    [InlineData("/api/v1/nodes/none/proxy/healthz", 404, "nodes \"none\" not found")]
    [InlineData(Pod + "/?dryRun=All", 400, "dryRun is not supported")]
    public async Task Nobody_is_asked_whom_there_is_not(string path, int code, string message)
    {
        await PodAsync("loop", "127.0.0.1");
        (await _server.PostAsync(Namespace + "/services", """{"metadata":{"name":"empty"},"spec":{"ports":[{"port":80}]}}""")).Expect(201);
        (await _server.PostAsync(Namespace + "/endpoints", """{"metadata":{"name":"empty"}}""")).Expect(201);
        Assert.Equal(message, (await _server.GetAsync(path)).Expect(code).Message);
        Assert.Empty(_backend.Dialled);
    }

    [Fact]
    public async Task Every_method_passes_with_its_body_and_answer()
    {
        _answer = async http =>
        {
            using var body = new StreamReader(http.Request.Body);
            http.Response.StatusCode = 418;
            http.Response.Headers["X-Mine"] = "yes";
            http.Response.Headers.AccessControlAllowOrigin = "*";
            await http.Response.WriteAsync($"{http.Request.Method} {await body.ReadToEndAsync(TestServer.Cancelled)}", TestServer.Cancelled);
        };
        foreach (var method in (string[])["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), Pod + "/a") { Version = HttpVersion.Version20, Content = new StringContent("body") };
            using var response = await _server.Admin.SendAsync(request, TestServer.Cancelled);
            Assert.Equal((418, method + " body"), ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestServer.Cancelled)));
            Assert.True(response.Headers.Contains("X-Mine"));
            Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
        }
    }

    [Fact]
    public async Task Who_asks_is_not_told_and_by_which_way_is()
    {
        IHeaderDictionary? seen = null;
        _answer = http =>
        {
            seen = new HeaderDictionary(http.Request.Headers.ToDictionary(one => one.Key, one => one.Value, StringComparer.OrdinalIgnoreCase));
            return Task.CompletedTask;
        };
        using var request = new HttpRequestMessage(HttpMethod.Get, Pod + "/a/") { Version = HttpVersion.Version20 };
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer none");
        request.Headers.TryAddWithoutValidation("X-Remote-User", "root");
        request.Headers.TryAddWithoutValidation("X-Remote-Extra-Scopes", "all");
        request.Headers.TryAddWithoutValidation("Impersonate-User", "kubernetes-admin");
        request.Headers.TryAddWithoutValidation("Impersonate-Group", "system:masters");
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", "192.0.2.1");
        request.Headers.TryAddWithoutValidation("Cookie", "a=b");
        using var response = await _server.Admin.SendAsync(request, TestServer.Cancelled);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.DoesNotContain(seen!.Keys, name => name.StartsWith("X-Remote", StringComparison.OrdinalIgnoreCase) || name.StartsWith("Impersonate", StringComparison.OrdinalIgnoreCase) || name == "Authorization");
        Assert.Equal(("192.0.2.1, 127.0.0.1", "/api/v1/namespaces/default/pods/web/proxy/a/", "a=b", _server.Endpoint.ToString()),
            (seen["X-Forwarded-For"].ToString(), seen["X-Forwarded-Uri"].ToString(), seen.Cookie.ToString(), seen.Host.ToString()));
    }

    [Fact]
    public async Task Links_to_the_backend_lead_through_the_proxy()
    {
        _answer = http =>
        {
            if (http.Request.Path == "/there")
            {
                http.Response.Redirect("/here?x=1");
                return Task.CompletedTask;
            }
            http.Response.ContentType = "text/html; charset=utf-8";
            return http.Response.WriteAsync("""
                <!-- <a href="/not"> --><A class=x HREF='/a?b=1&amp;c=2'>ä</A><img src=/i.png><a href="b/c"><a href="http://10.244.0.7:8080/d/">
                <a href="https://example.org/e"><script>var s = '<a href="/f">';</script><link href="/api/v1/namespaces/default/pods/web/proxy/g">
                """, TestServer.Cancelled);
        };
        Assert.Equal("""
            <!-- <a href="/not"> --><A class=x HREF="/api/v1/namespaces/default/pods/web/proxy/a?b=1&amp;c=2">ä</A><img src="/api/v1/namespaces/default/pods/web/proxy/i.png"><a href="b/c"><a href="/api/v1/namespaces/default/pods/web/proxy/d/">
            <a href="https://example.org/e"><script>var s = '<a href="/f">';</script><link href="/api/v1/namespaces/default/pods/web/proxy/g">
            """, (await _server.GetAsync(Pod + "/page")).Expect(200).Text);
        Assert.Equal((302, Pod + "/here?x=1"), await LedAsync(Pod + "/there"));
        Assert.Equal((301, Pod + "/?y=1"), await LedAsync(Pod + "?y=1"));
        Assert.Equal((301, "/api/v1/nodes/n/proxy/"), await LedAsync("/api/v1/nodes/n/proxy"));
    }

    [Fact]
    public async Task An_answer_comes_as_it_is_written_and_ends_when_the_client_leaves()
    {
        var (more, left) = (new TaskCompletionSource(), new TaskCompletionSource());
        _answer = async http =>
        {
            await http.Response.WriteAsync("one\n", TestServer.Cancelled);
            await http.Response.Body.FlushAsync(TestServer.Cancelled);
            await more.Task.WaitAsync(TestServer.Cancelled);
            await http.Response.WriteAsync("two\n", TestServer.Cancelled);
            await http.Response.Body.FlushAsync(TestServer.Cancelled);
            http.RequestAborted.Register(left.SetResult);
            await left.Task.WaitAsync(TestServer.Cancelled);
        };
        using (var response = await _server.Admin.GetAsync(Pod + "/", HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled))
        using (var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestServer.Cancelled)))
        {
            Assert.Equal("one", await reader.ReadLineAsync(TestServer.Cancelled));
            more.SetResult();
            Assert.Equal("two", await reader.ReadLineAsync(TestServer.Cancelled));
        }
        await left.Task.WaitAsync(TestServer.Cancelled);
    }

    [Fact]
    public async Task A_backend_that_is_not_there_and_one_that_dies_are_told_apart()
    {
        var seen = new TaskCompletionSource();
        _answer = async http =>
        {
            await http.Response.WriteAsync("half", TestServer.Cancelled);
            await http.Response.Body.FlushAsync(TestServer.Cancelled);
            await seen.Task.WaitAsync(TestServer.Cancelled);
            http.Abort();
        };
        using (var response = await _server.Admin.GetAsync(Pod + "/", HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled))
        {
            seen.SetResult();
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => response.Content.ReadAsStringAsync(TestServer.Cancelled));
        }
        await _backend.DisposeAsync();
        var reply = (await _server.GetAsync(Pod + "/")).Expect(503);
        Assert.Equal(("ServiceUnavailable", "error trying to reach service: connection refused"), (reply.Reason, reply.Message));
    }

    [Fact]
    public async Task A_connection_that_leaves_HTTP_is_carried_on()
    {
        _answer = async http =>
        {
            if (http.Request.Path == "/no")
            {
                http.Response.StatusCode = 403;
                return;
            }
            http.Response.Headers.Upgrade = http.Request.Headers.Upgrade;
            await using var stream = await http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            await stream.CopyToAsync(stream, TestServer.Cancelled);
        };
        using var socket = await RawRequest.SendAsync(_server, $"GET {Pod}/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n");
        var head = await socket.HeadAsync();
        Assert.StartsWith("HTTP/1.1 101", head, StringComparison.Ordinal);
        Assert.Contains("Upgrade: echo/1", head, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("hello", await socket.EchoAsync("hello"));
        using var refused = await RawRequest.SendAsync(_server, $"GET {Pod}/no HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 403", await refused.HeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_answers_for_itself()
    {
        foreach (var name in (string[])["n", "n:10250", "https:n:10250"])
            Assert.Equal("ok", (await _server.GetAsync($"/api/v1/nodes/{name}/proxy/healthz")).Expect(200).Text);
        (await _server.GetAsync("/api/v1/nodes/n/proxy/nothing")).Expect(404);
        (await _server.PostAsync("/api/v1/nodes/n/proxy/run/a", "")).Expect(405);
        Assert.Empty(_backend.Dialled);
    }

    [Theory]
    [InlineData("GET", "get")]
    [InlineData("POST", "create")]
    [InlineData("PUT", "update")]
    [InlineData("PATCH", "patch")]
    [InlineData("DELETE", "delete")]
    [InlineData("HEAD", "get")]
    public async Task A_right_is_to_the_subresource_by_the_method(string method, string verb)
    {
        using var client = _server.ClientOf(_server.Pki.IssueClient("jane", [], TimeSpan.FromHours(1)));
        (await _server.SendAsync(new HttpMethod(method), Pod + "/", client: client)).Expect(403);
        (await _server.PostAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
            $$"""{"metadata":{"name":"r"},"rules":[{"apiGroups":[""],"resources":["pods/proxy"],"verbs":["{{verb}}"]}]}""")).Expect(201);
        (await _server.PostAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            """{"metadata":{"name":"r"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"jane","apiGroup":"rbac.authorization.k8s.io"}]}""")).Expect(201);
        (await _server.SendAsync(new HttpMethod(method), Pod + "/", client: client)).Expect(200);
        (await _server.SendAsync(HttpMethod.Options, Pod + "/", client: client)).Expect(403);
    }

    [Fact]
    public async Task Admission_is_asked_about_the_connection()
    {
        await using var hooks = await HookServer.StartAsync();
        (await _server.PostAsync("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", $$"""
            {"metadata":{"name":"v"},"webhooks":[{{hooks.Hook("v.example.org", "/v", HookServer.Rule("CONNECT", "", "pods/proxy,services/proxy,nodes/proxy"))}}]}
            """)).Expect(201);
        hooks.On("/v", review => HookServer.Deny(review, """{"message":"not through here"}"""));
        Assert.Equal("admission webhook \"v.example.org\" denied the request: not through here", (await _server.GetAsync(Pod + "/a/b")).Expect(400).Message);
        Assert.Equal(("CONNECT", "PodProxyOptions", "/a/b", "proxy"), (
            (string?)hooks.Last["operation"], (string?)hooks.Last["object"]!["kind"], (string?)hooks.Last["object"]!["path"], (string?)hooks.Last["subResource"]));
        (await _server.GetAsync("/api/v1/nodes/n/proxy/healthz")).Expect(400);
        Assert.Equal("NodeProxyOptions", (string?)hooks.Last["object"]!["kind"]);
    }

    private static async Task Echo(HttpContext http) =>
        await http.Response.WriteAsync($"{http.Request.Method} {http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget}", TestServer.Cancelled);

    private async Task PodAsync(string name, string ip)
    {
        (await _server.PostAsync(Namespace + "/pods", $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"nodeName":"n","containers":[{"name":"a","image":"a","ports":[{"containerPort":8080}]}]}}""")).Expect(201);
        (await _server.PatchAsync($"{Namespace}/pods/{name}/status", $$$"""{"status":{"podIP":"{{{ip}}}","podIPs":[{"ip":"{{{ip}}}"}]}}""")).Expect(200);
    }

    private async Task<(int Code, string Location)> LedAsync(string path)
    {
        using var response = await RawRequest.SendAsync(_server, $"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        var head = await response.HeadAsync();
        return (int.Parse(head.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture),
            head.Split("\r\n").First(line => line.StartsWith("Location: ", StringComparison.OrdinalIgnoreCase))["Location: ".Length..]);
    }
}
