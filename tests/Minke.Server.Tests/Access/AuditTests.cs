using System.Text.Json.Nodes;
using Minke.Server.Access;
using Minke.Server.Audit;

namespace Minke.Server.Tests;

public sealed class AuditTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-audit-").FullName;

    private string LogPath => Path.Combine(_directory, "audit.log");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>What was recorded of some requests, read once the server has ended.</summary>
    private async Task<List<JsonNode>> RecordAsync(string policy, Func<TestServer, Task> requests, Func<AuditOptions, AuditOptions>? change = null)
    {
        var file = Path.Combine(_directory, "policy.yaml");
        await File.WriteAllTextAsync(file, policy, TestServer.Cancelled);
        var options = new AuditOptions { PolicyFile = file, LogPath = LogPath };
        await using (var server = await TestServer.StartAsync(change: one => one with { Audit = change?.Invoke(options) ?? options }))
            await requests(server);
        return [.. (await File.ReadAllLinesAsync(LogPath, TestServer.Cancelled)).Select(line => JsonNode.Parse(line)!)];
    }

    [Fact]
    public async Task Admission_policies_annotate_events()
    {
        const string Api = "/apis/admissionregistration.k8s.io/v1/";
        var events = await RecordAsync("""
            apiVersion: audit.k8s.io/v1
            kind: Policy
            omitStages: [RequestReceived]
            rules:
            - {level: Metadata, resources: [{group: "", resources: [configmaps]}]}
            - {level: None}
            """, async server =>
        {
            (await server.PostAsync(Api + "validatingadmissionpolicies", """
                {"metadata":{"name":"demo"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["configmaps"]}]},
                 "validations":[{"expression":"false","message":"oh"}],"auditAnnotations":[{"key":"named","valueExpression":"'it is ' + object.metadata.name"}]}}
                """)).Expect(201);
            (await server.PostAsync(Api + "validatingadmissionpolicybindings", """{"metadata":{"name":"bind"},"spec":{"policyName":"demo","validationActions":["Audit"]}}""")).Expect(201);
            (await server.PostAsync("/api/v1/namespaces/default/configmaps", """{"metadata":{"name":"c"}}""")).Expect(201);
        });
        var annotations = Assert.Single(events)["annotations"]!;
        Assert.Equal("it is c", annotations["demo/named"]!.ToString());
        Assert.Equal("""[{"message":"oh","policy":"demo","binding":"bind","expressionIndex":0,"validationActions":["Audit"]}]""",
            annotations["validation.policy.admission.k8s.io/validation_failure"]!.ToString());
    }

    [Fact]
    public async Task Pod_security_annotates_events()
    {
        var events = await RecordAsync("""
            apiVersion: audit.k8s.io/v1
            kind: Policy
            omitStages: [RequestReceived]
            rules:
            - {level: Metadata, resources: [{group: "", resources: [pods]}]}
            - {level: None}
            """, async server =>
        {
            (await server.PatchAsync("/api/v1/namespaces/default", """{"metadata":{"labels":{"pod-security.kubernetes.io/audit":"baseline"}}}""")).Expect(200);
            (await server.PostAsync("/api/v1/namespaces/default/pods", """{"metadata":{"name":"p"},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i"}]}}""")).Expect(201);
        });
        var annotations = Assert.Single(events)["annotations"]!;
        Assert.Equal("privileged:latest", annotations["pod-security.kubernetes.io/enforce-policy"]!.ToString());
        Assert.Equal("would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)",
            annotations["pod-security.kubernetes.io/audit-violations"]!.ToString());
    }

    [Fact]
    public async Task An_event_says_who_did_what_to_which_object_and_how_it_ended()
    {
        var events = await RecordAsync("""
            apiVersion: audit.k8s.io/v1
            kind: Policy
            omitStages: [RequestReceived]
            omitManagedFields: true
            rules:
            - {level: None, verbs: [list]}
            - level: RequestResponse
              resources: [{group: "", resources: [configmaps]}]
            - {level: Metadata}
            """, async server =>
        {
            (await server.PostAsync("/api/v1/namespaces/default/configmaps", """{"metadata":{"name":"c"},"data":{"a":"b"}}""")).Expect(201);
            (await server.GetAsync("/api/v1/namespaces/default/configmaps")).Expect(200);
            (await server.PostAsync("/api/v1/namespaces/default/secrets", """{"metadata":{"name":"s"},"stringData":{"a":"swordfish"}}""")).Expect(201);
            (await server.GetAsync("/api/v1/namespaces/default/pods/none")).Expect(404);
            using var bob = server.ClientOf(server.Pki.IssueClient("bob", [], TimeSpan.FromHours(1)));
            (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/secrets/s", client: bob)).Expect(403);
            using var nobody = server.ClientOf(null);
            nobody.DefaultRequestHeaders.Authorization = new("Bearer", "nonsense");
            (await server.SendAsync(HttpMethod.Get, "/version", client: nobody)).Expect(401);
        });
        Assert.Equal(["create", "create", "get", "get", "get"], events.Select(one => one["verb"]!.GetValue<string>()));
        var made = events[0];
        Assert.Equal(("Event", "audit.k8s.io/v1", "RequestResponse", "ResponseComplete"), (made["kind"]!.ToString(), made["apiVersion"]!.ToString(), made["level"]!.ToString(), made["stage"]!.ToString()));
        Assert.Equal("/api/v1/namespaces/default/configmaps", made["requestURI"]!.ToString());
        Assert.Equal("kubernetes-admin", made["user"]!["username"]!.ToString());
        Assert.Equal("127.0.0.1", made["sourceIPs"]![0]!.ToString());
        Assert.StartsWith("""{"resource":"configmaps","namespace":"default","name":"c",""", made["objectRef"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("""{"metadata":{},"code":201}""", made["responseStatus"]!.ToJsonString());
        Assert.Equal("""{"metadata":{"name":"c"},"data":{"a":"b"}}""", made["requestObject"]!.ToJsonString());
        Assert.Equal("b", made["responseObject"]!["data"]!["a"]!.ToString());
        Assert.Null(made["responseObject"]!["metadata"]!["managedFields"]);
        Assert.Equal("allow", made["annotations"]!["authorization.k8s.io/decision"]!.ToString());
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", made["stageTimestamp"]!.ToString());

        Assert.DoesNotContain("swordfish", await File.ReadAllTextAsync(LogPath, TestServer.Cancelled), StringComparison.Ordinal);
        Assert.Equal("""{"metadata":{},"status":"Failure","message":"pods \"none\" not found","reason":"NotFound","details":{"name":"none","kind":"pods"},"code":404}""",
            events[2]["responseStatus"]!.ToJsonString().Replace("\\u0022", "\\\"", StringComparison.Ordinal));
        Assert.Equal("forbid", events[3]["annotations"]!["authorization.k8s.io/decision"]!.ToString());
        Assert.Equal(("ResponseStarted", 401, "Authentication failed, attempted: bearer"),
            (events[4]["stage"]!.ToString(), events[4]["responseStatus"]!["code"]!.GetValue<int>(), events[4]["responseStatus"]!["message"]!.ToString()));
    }

    [Fact]
    public async Task Each_stage_has_an_event_and_a_watch_one_when_it_begins_to_answer()
    {
        var events = await RecordAsync("""
            apiVersion: audit.k8s.io/v1
            kind: Policy
            rules:
            - {level: Request, verbs: [watch, patch]}
            """, async server =>
        {
            (await server.GetAsync("/api/v1/pods?watch=true&timeoutSeconds=1")).Expect(200);
            using var client = server.ClientOf(server.Pki.Admin);
            client.DefaultRequestHeaders.Add("Impersonate-User", "ann");
            (await server.SendAsync(HttpMethod.Patch, "/api/v1/namespaces/default", """{"metadata":{"labels":{"a":"b"}}}""", "application/merge-patch+json", client: client)).Expect(403);
        });
        Assert.Equal(["watch RequestReceived", "watch ResponseStarted", "watch ResponseComplete", "patch RequestReceived", "patch ResponseComplete"],
            events.Select(one => $"{one["verb"]} {one["stage"]}"));
        Assert.Single(events.Take(3).Select(one => one["auditID"]!.ToString()).Distinct());
        Assert.Equal(("kubernetes-admin", "ann"), (events[4]["user"]!["username"]!.ToString(), events[4]["impersonatedUser"]!["username"]!.ToString()));
    }

    [Fact]
    public async Task A_full_file_is_renamed_and_the_oldest_go()
    {
        var events = await RecordAsync("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}", async server =>
        {
            for (var i = 0; i < 40; i++)
                (await server.GetAsync("/version")).Expect(200);
        }, options => options with { MaxBytes = 4000, MaxBackups = 2 });
        Assert.NotEmpty(events);
        var files = Directory.GetFiles(_directory, "audit*.log").Order(StringComparer.Ordinal).ToList();
        Assert.Equal(3, files.Count);
        Assert.All(files, file => Assert.InRange(new FileInfo(file).Length, 1, 4000));
        Assert.All(files, file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    [Theory]
    [InlineData("""{"level":"Metadata"}""", "get pods default a", "Metadata")]
    [InlineData("""{"level":"Metadata","users":["bob"]}""", "get pods default a", "None")]
    [InlineData("""{"level":"Metadata","userGroups":["dev"]}""", "get pods default a", "Metadata")]
    [InlineData("""{"level":"Request","namespaces":["default"]}""", "get pods default a", "Request")]
    [InlineData("""{"level":"Request","namespaces":["other"]}""", "get pods default a", "None")]
    [InlineData("""{"level":"Request","namespaces":[""]}""", "get nodes - a", "Request")]
    [InlineData("""{"level":"Request","resources":[{"group":"","resources":["pods"]}]}""", "get pods/log default a", "None")]
    [InlineData("""{"level":"Request","resources":[{"group":"","resources":["pods/*"]}]}""", "get pods/log default a", "Request")]
    [InlineData("""{"level":"Request","resources":[{"group":"","resources":["*/log"]}]}""", "get pods/log default a", "Request")]
    [InlineData("""{"level":"Request","resources":[{"group":""}]}""", "get pods/log default a", "Request")]
    [InlineData("""{"level":"Request","resources":[{"group":"apps"}]}""", "get pods default a", "None")]
    [InlineData("""{"level":"Request","resources":[{"group":"","resources":["pods"],"resourceNames":["b"]}]}""", "get pods default a", "None")]
    [InlineData("""{"level":"Metadata","nonResourceURLs":["/healthz*"]}""", "get /healthz/ping", "Metadata")]
    [InlineData("""{"level":"Metadata","nonResourceURLs":["/healthz*"]}""", "get pods default a", "None")]
    [InlineData("""{"level":"Metadata","verbs":["list"]}""", "get pods default a", "None")]
    public void The_first_rule_that_matches_counts(string rule, string asked, string level)
    {
        var user = new UserInfo("ann", ["dev"]);
        var parts = asked.Split(' ');
        var query = parts[1].StartsWith('/') ? AccessQuery.OfPath(user, parts[0], parts[1]) : new AccessQuery
        {
            User = user,
            Verb = parts[0],
            Resource = parts[1].Split('/')[0],
            Subresource = parts[1].Contains('/', StringComparison.Ordinal) ? parts[1].Split('/')[1] : "",
            Namespace = parts[2] == "-" ? "" : parts[2],
            Name = parts[3],
        };
        var policy = AuditPolicy.Parse((JsonObject)JsonNode.Parse($$"""{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{{rule}}]}""")!);
        Assert.Equal(level, policy.Decide(query).Level.ToString());
    }

    [Theory]
    [InlineData("""{"kind":"Policy"}""", "unknown group version field")]
    [InlineData("""{"apiVersion":"audit.k8s.io/v1","kind":"Policy"}""", "loaded illegal policy with 0 rules")]
    [InlineData("""{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"All"}]}""", "rules[0].level: Unsupported value: \"All\"")]
    [InlineData("""{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None","user":["a"]}]}""", "unknown field \"rules[0].user\"")]
    [InlineData("""{"apiVersion":"audit.k8s.io/v1","kind":"Policy","omitStages":["Never"],"rules":[{"level":"None"}]}""", "omitStages: Invalid value: \"Never\"")]
    public void A_policy_that_cannot_be_meant_is_refused(string policy, string why)
    {
        var file = Path.Combine(_directory, "bad.yaml");
        File.WriteAllText(file, policy);
        var refused = Assert.Throws<FormatException>(() => AuditPolicy.Read(file));
        Assert.StartsWith($"loading audit policy file {file}: ", refused.Message, StringComparison.Ordinal);
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
    }
}
