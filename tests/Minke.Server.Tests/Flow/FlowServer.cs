using System.Net;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests.Flow;

/// <summary>A server with one small priority level for a group of users, and requests that stay in it until they are let go.</summary>
internal sealed class FlowServer : IAsyncDisposable
{
    public const string Group = "/apis/flowcontrol.apiserver.k8s.io/v1/";
    public const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    /// <summary>Of the level: its shares of 600.</summary>
    public const int Seats = 3;

    private readonly List<HeldRequest> _held = [];

    private FlowServer(TestServer server) => Server = server;

    public TestServer Server { get; }

    /// <param name="response">The level's <c>limitResponse</c>.</param>
    /// <param name="clock">The server's.</param>
    public static async Task<FlowServer> StartAsync(string response = """{"type":"Reject"}""", TimeProvider? clock = null)
    {
        var server = await TestServer.StartAsync(clock);
        (await server.PostAsync("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", """
            {"metadata":{"name":"testers"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},
             "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"testers"},{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"others"}]}
            """)).Expect(201);
        (await server.PostAsync(Group + "prioritylevelconfigurations", $$$"""
            {"metadata":{"name":"small"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":1,"lendablePercent":0,"borrowingLimitPercent":0,"limitResponse":{{{response}}} } } }
            """)).Expect(201);
        (await server.PostAsync(Group + "flowschemas", """
            {"metadata":{"name":"testers"},"spec":{"priorityLevelConfiguration":{"name":"small"},"matchingPrecedence":50,"distinguisherMethod":{"type":"ByUser"},
             "rules":[{"subjects":[{"kind":"Group","group":{"name":"testers"}}],
             "resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"],"clusterScope":true}]}]}}
            """)).Expect(201);
        // A schema that says where its level is, is in force.
        await server.UntilAsync(Group + "flowschemas/testers", schema => schema["status"]?["conditions"] is JsonArray { Count: > 0 });
        return new(server);
    }

    public static HttpRequestMessage As(string user, HttpMethod method, string path, string group = "testers")
    {
        var request = new HttpRequestMessage(method, path) { Version = HttpVersion.Version20 };
        request.Headers.Add("Impersonate-User", user);
        request.Headers.Add("Impersonate-Group", group);
        return request;
    }

    public Task<HttpResponseMessage> GetAsync(string user, string path = ConfigMaps, string group = "testers", CancellationToken? cancelled = null) =>
        Server.Admin.SendAsync(As(user, HttpMethod.Get, path, group), cancelled ?? TestServer.Cancelled);

    /// <summary>A request in its level, whose body has not come yet.</summary>
    public HeldRequest Begin(string user, string query = "")
    {
        var held = new HeldRequest(this, user, query);
        _held.Add(held);
        return held;
    }

    /// <summary>Takes all seats of the level.</summary>
    public async Task<List<HeldRequest>> FillAsync(string user)
    {
        List<HeldRequest> filling = [];
        for (var i = 0; i < Seats; i++)
        {
            filling.Add(Begin(user));
            await UntilAsync("current_executing_requests", i + 1);
        }
        return filling;
    }

    /// <summary>What is counted of the level's schema.</summary>
    public async Task<double> MetricAsync(string name, string more = "")
    {
        var line = $"apiserver_flowcontrol_{name}{{flow_schema=\"testers\",priority_level=\"small\"{more}}} ";
        var text = (await Server.GetAsync("/metrics")).Expect(200).Text;
        var at = text.IndexOf(line, StringComparison.Ordinal);
        return at < 0 ? 0 : double.Parse(text.AsSpan(at + line.Length, text.IndexOf('\n', at) - at - line.Length), System.Globalization.CultureInfo.InvariantCulture);
    }

    public async Task UntilAsync(string metric, double value, string more = "")
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        var now = await MetricAsync(metric, more);
        while (now != value)
        {
            Assert.False(deadline.IsCancellationRequested, $"{metric} stays {now}, not {value}");
            now = await MetricAsync(metric, more);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var held in _held)
            held.LetGo();
        foreach (var held in _held)
            await held.EndedAsync();
        await Server.DisposeAsync();
    }
}

/// <summary>A POST whose body comes when it is let go.</summary>
internal sealed class HeldRequest
{
    private static int s_count;
    private readonly TaskCompletionSource _let = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HeldRequest(FlowServer server, string user, string query)
    {
        var request = FlowServer.As(user, HttpMethod.Post, FlowServer.ConfigMaps + query);
        request.Content = new Body(_let.Task, $$"""{"metadata":{"name":"held-{{Interlocked.Increment(ref s_count)}}"} }""");
        Answer = server.Server.Admin.SendAsync(request, TestServer.Cancelled);
    }

    public Task<HttpResponseMessage> Answer { get; }

    public void LetGo() => _let.TrySetResult();

    public async Task<int> CodeAsync() => (int)(await Answer).StatusCode;

    public Task EndedAsync() => Answer.ContinueWith(static _ => { }, TestServer.Cancelled, TaskContinuationOptions.None, TaskScheduler.Default);

    private sealed class Body(Task until, string text) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            // Headers first: the request is on its way.
            await stream.FlushAsync(cancellationToken);
            await until.WaitAsync(cancellationToken);
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(text), cancellationToken);
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, TestServer.Cancelled);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
