using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

public sealed class RbacTests
{
    private const string Rbac = "/apis/rbac.authorization.k8s.io/v1";
    private const string Secret = """{"metadata":{"name":"s"},"data":{"a":"Yg=="}}""";

    private static HttpClient ClientOf(TestServer server, string name, params string[] groups) =>
        server.ClientOf(server.Pki.IssueClient(name, groups, TimeSpan.FromHours(1)));

    private static string RoleOf(string name, string rules) => $$"""{"metadata":{"name":"{{name}}"},"rules":[{{rules}}]}""";

    private static string BindingOf(string name, string role, string subject, string kind = "Role") => $$"""
        {"metadata":{"name":"{{name}}"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"{{kind}}","name":"{{role}}"},"subjects":[{{subject}}]}
        """;

    private static string User(string name) => $$"""{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"{{name}}"}""";

    [Fact]
    public async Task A_role_lets_its_subjects_do_what_it_says_at_once_and_no_longer_than_it_is_bound()
    {
        await using var server = await TestServer.StartAsync();
        using var bob = ClientOf(server, "bob");
        const string Pods = "/api/v1/namespaces/default/pods";
        Assert.Equal("pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
            (await server.SendAsync(HttpMethod.Get, Pods, client: bob)).Expect(403).Message);

        (await server.PostAsync($"{Rbac}/namespaces/default/roles", RoleOf("reader", """{"verbs":["list"],"apiGroups":[""],"resources":["pods"]}"""))).Expect(201);
        (await server.PostAsync($"{Rbac}/namespaces/default/rolebindings", BindingOf("b", "reader", User("bob")))).Expect(201);
        (await server.SendAsync(HttpMethod.Get, Pods, client: bob)).Expect(200);
        (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/kube-system/pods", client: bob)).Expect(403);
        (await server.SendAsync(HttpMethod.Get, "/api/v1/pods", client: bob)).Expect(403);

        (await server.PutAsync($"{Rbac}/namespaces/default/roles/reader", RoleOf("reader", """{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}"""))).Expect(200);
        (await server.SendAsync(HttpMethod.Get, Pods, client: bob)).Expect(403);
        (await server.DeleteAsync($"{Rbac}/namespaces/default/roles/reader")).Expect(200);
        Assert.EndsWith(": RBAC: role.rbac.authorization.k8s.io \"reader\" not found",
            (await server.SendAsync(HttpMethod.Get, Pods, client: bob)).Expect(403).Message, StringComparison.Ordinal);
        (await server.DeleteAsync($"{Rbac}/namespaces/default/rolebindings/b")).Expect(200);
        Assert.EndsWith("in the namespace \"default\"", (await server.SendAsync(HttpMethod.Get, Pods, client: bob)).Expect(403).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_binding_may_change_in_everything_but_its_role()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var bindings in (string[])[$"{Rbac}/clusterrolebindings", $"{Rbac}/namespaces/default/rolebindings"])
        {
            (await server.PostAsync(bindings, BindingOf("b", "view", User("bob"), "ClusterRole"))).Expect(201);
            var patched = (await server.PatchAsync(bindings + "/b", $$"""{"metadata":{"labels":{"on":"1"} },"subjects":[{{User("eve")}}] }""")).Expect(200);
            (await server.PutAsync(bindings + "/b", patched.Text)).Expect(200);
            Assert.EndsWith("roleRef: Invalid value: rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", Kind:\"ClusterRole\", Name:\"edit\"}: cannot change roleRef",
                (await server.PatchAsync(bindings + "/b", """{"roleRef":{"name":"edit"}}""")).Expect(422).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Groups_and_service_accounts_are_subjects_too()
    {
        await using var server = await TestServer.StartAsync();
        using var eve = ClientOf(server, "eve", "dev");
        (await server.PostAsync($"{Rbac}/clusterrolebindings",
            BindingOf("devs", "view-nodes", """{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"dev"}""", "ClusterRole"))).Expect(201);
        (await server.PostAsync($"{Rbac}/clusterroles", RoleOf("view-nodes", """{"verbs":["list"],"apiGroups":[""],"resources":["nodes"]}"""))).Expect(201);
        (await server.SendAsync(HttpMethod.Get, "/api/v1/nodes", client: eve)).Expect(200);

        (await server.PostAsync("/api/v1/namespaces/default/secrets", Secret)).Expect(201);
        (await server.PostAsync($"{Rbac}/namespaces/default/roles", RoleOf("one", """{"verbs":["get","list"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["s"]}"""))).Expect(201);
        // Without a namespace the subject is one of the binding's own.
        (await server.PostAsync($"{Rbac}/namespaces/default/rolebindings", BindingOf("robots", "one", """{"kind":"ServiceAccount","name":"default","namespace":"default"}"""))).Expect(201);
        var token = (await server.PostAsync("/api/v1/namespaces/default/serviceaccounts/default/token", "{}")).Expect(201).Json["status"]!["token"]!.GetValue<string>();
        using var robot = server.ClientOf(null);
        robot.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/secrets/s", client: robot)).Expect(200);
        (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/secrets/other", client: robot)).Expect(403);
        (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/secrets", client: robot)).Expect(403);
        // A list of one name is a question about that name.
        (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name=s", client: robot)).Expect(200);
    }

    [Fact]
    public async Task Nobody_grants_what_they_do_not_hold()
    {
        await using var server = await TestServer.StartAsync();
        using var ann = ClientOf(server, "ann", "team");
        (await server.PostAsync($"{Rbac}/namespaces/default/roles", RoleOf("manager", """
            {"verbs":["create","update","get","delete"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"]},{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}
            """))).Expect(201);
        (await server.PostAsync($"{Rbac}/namespaces/default/rolebindings", BindingOf("ann", "manager", User("ann")))).Expect(201);

        Task<Reply> CreateAsync(string path, string body) => server.SendAsync(HttpMethod.Post, path, body, client: ann);
        const string Roles = $"{Rbac}/namespaces/default/roles", Bindings = $"{Rbac}/namespaces/default/rolebindings";
        (await CreateAsync(Roles, RoleOf("own", """{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}"""))).Expect(201);
        var refused = (await CreateAsync(Roles, RoleOf("more", """{"verbs":["get","list"],"apiGroups":["","apps"],"resources":["pods"]}"""))).Expect(403);
        Assert.Equal("""
            roles.rbac.authorization.k8s.io "more" is forbidden: user "ann" (groups=["team" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:
            {APIGroups:[""], Resources:["pods"], Verbs:["list"]}
            {APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list"]}
            """, refused.Message);
        Assert.Contains("not currently held", (await server.SendAsync(HttpMethod.Put, $"{Roles}/own",
            RoleOf("own", """{"verbs":["delete"],"apiGroups":[""],"resources":["pods"]}"""), client: ann)).Expect(403).Message, StringComparison.Ordinal);

        (await CreateAsync(Bindings, BindingOf("mine", "own", User("eve")))).Expect(201);
        Assert.Contains("rolebindings.rbac.authorization.k8s.io \"all\" is forbidden: user \"ann\"",
            (await CreateAsync(Bindings, BindingOf("all", "cluster-admin", User("eve"), "ClusterRole"))).Expect(403).Message, StringComparison.Ordinal);
        Assert.Equal("clusterroles.rbac.authorization.k8s.io \"none\" not found",
            (await CreateAsync(Bindings, BindingOf("none", "none", User("eve"), "ClusterRole"))).Expect(404).Message);

        // With leave to bind that one role, or to escalate, it is hers to give.
        (await server.PostAsync(Roles, RoleOf("binder", """
            {"verbs":["bind"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"resourceNames":["view"]},
            {"verbs":["escalate"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles"]}
            """))).Expect(201);
        (await server.PostAsync(Bindings, BindingOf("binder", "binder", User("ann")))).Expect(201);
        (await CreateAsync(Bindings, BindingOf("viewers", "view", User("eve"), "ClusterRole"))).Expect(201);
        (await CreateAsync(Bindings, BindingOf("all", "cluster-admin", User("eve"), "ClusterRole"))).Expect(403);
        (await CreateAsync(Roles, RoleOf("more", """{"verbs":["get","list"],"apiGroups":["","apps"],"resources":["pods"]}"""))).Expect(201);
    }

    [Fact]
    public async Task Only_an_administrator_sets_an_aggregation_rule()
    {
        await using var server = await TestServer.StartAsync();
        using var ann = ClientOf(server, "ann");
        (await server.PostAsync($"{Rbac}/clusterroles", RoleOf("roles", """{"verbs":["create"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"]}"""))).Expect(201);
        (await server.PostAsync($"{Rbac}/clusterrolebindings", BindingOf("roles", "roles", User("ann"), "ClusterRole"))).Expect(201);
        const string Aggregate = """{"metadata":{"name":"agg"},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]}}""";
        Assert.Equal("clusterroles.rbac.authorization.k8s.io \"agg\" is forbidden: must have cluster-admin privileges to use the aggregationRule",
            (await server.SendAsync(HttpMethod.Post, $"{Rbac}/clusterroles", Aggregate, client: ann)).Expect(403).Message);
        (await server.PostAsync($"{Rbac}/clusterroles", Aggregate)).Expect(201);
    }

    [Fact]
    public async Task Default_roles_are_there_and_come_back_at_the_next_start_with_what_was_taken_from_them()
    {
        await using var server = await TestServer.StartAsync();
        var role = (await server.GetAsync($"{Rbac}/clusterroles/system:discovery")).Expect(200).Json;
        Assert.Equal("true", role["metadata"]!["annotations"]!["rbac.authorization.kubernetes.io/autoupdate"]!.GetValue<string>());
        Assert.Equal("rbac-defaults", role["metadata"]!["labels"]!["kubernetes.io/bootstrapping"]!.GetValue<string>());
        (await server.GetAsync($"{Rbac}/namespaces/kube-public/roles/system:controller:bootstrap-signer")).Expect(200);

        (await server.DeleteAsync($"{Rbac}/clusterrolebindings/system:basic-user")).Expect(200);
        (await server.PatchAsync($"{Rbac}/clusterroles/system:discovery", """{"rules":[{"verbs":["get"],"nonResourceURLs":["/mine"]}]}""")).Expect(200);
        (await server.PatchAsync($"{Rbac}/clusterroles/system:kube-dns", """{"metadata":{"annotations":{"rbac.authorization.kubernetes.io/autoupdate":"false"}},"rules":null}""")).Expect(200);

        await using var again = await server.StartAnotherAsync();
        (await again.GetAsync($"{Rbac}/clusterrolebindings/system:basic-user")).Expect(200);
        var urls = await again.UntilAsync($"{Rbac}/clusterroles/system:discovery", json => json["rules"]!.AsArray().Count > 1);
        Assert.Equal("/mine", urls["rules"]![0]!["nonResourceURLs"]![0]!.GetValue<string>());
        Assert.Contains("\"/apis/*\"", urls.ToJsonString(), StringComparison.Ordinal);
        Assert.Null((await again.GetAsync($"{Rbac}/clusterroles/system:kube-dns")).Expect(200).Json["rules"]);
    }

    [Fact]
    public async Task Roles_that_aggregate_have_the_rules_of_those_they_select()
    {
        await using var server = await TestServer.StartAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        var control = new Control.Access.AccessControllers(server.Server.Client, server.Pki.AuthorityPem, server.Pki.SignRequest, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance).RunAsync(stop.Token);
        // Rules come from view to edit, from edit to admin.
        var admin = await server.UntilAsync($"{Rbac}/clusterroles/admin", role => role["rules"]?.ToJsonString() is { } rules
            && rules.Contains("localsubjectaccessreviews", StringComparison.Ordinal) && rules.Contains("pods/log", StringComparison.Ordinal));
        Assert.Single(admin["rules"]!.AsArray(), rule => rule!.ToJsonString().Contains("serviceaccounts/token", StringComparison.Ordinal));

        (await server.PostAsync($"{Rbac}/clusterroles", """
            {"metadata":{"name":"mine","labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}},"rules":[{"verbs":["get"],"apiGroups":["mine"],"resources":["things"]}]}
            """)).Expect(201);
        await server.UntilAsync($"{Rbac}/clusterroles/admin", role => role["rules"]!.ToJsonString().Contains("things", StringComparison.Ordinal));
        (await server.DeleteAsync($"{Rbac}/clusterroles/mine")).Expect(200);
        await server.UntilAsync($"{Rbac}/clusterroles/view", role => !role["rules"]!.ToJsonString().Contains("things", StringComparison.Ordinal));
        await stop.CancelAsync();
        await control;
    }

    [Fact]
    public async Task Somebody_acts_as_another_with_leave_for_each_thing_they_claim()
    {
        await using var server = await TestServer.StartAsync();
        using var ann = ClientOf(server, "ann");
        async Task<Reply> AsAsync(params (string Name, string Value)[] headers)
        {
            using var client = ClientOf(server, "ann");
            foreach (var (name, value) in headers)
                client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
            return await server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", client: client);
        }
        Assert.Equal("users \"bob\" is forbidden: User \"ann\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
            (await AsAsync(("Impersonate-User", "bob"))).Expect(403).Message);
        Assert.Equal("serviceaccounts \"robot\" is forbidden: User \"ann\" cannot impersonate resource \"serviceaccounts\" in API group \"\" in the namespace \"default\"",
            (await AsAsync(("Impersonate-User", "system:serviceaccount:default:robot"))).Expect(403).Message);

        (await server.PostAsync($"{Rbac}/clusterroles", RoleOf("actor", """
            {"verbs":["impersonate"],"apiGroups":[""],"resources":["users"],"resourceNames":["bob"]},
            {"verbs":["impersonate"],"apiGroups":[""],"resources":["groups"],"resourceNames":["dev"]},
            {"verbs":["impersonate"],"apiGroups":["authentication.k8s.io"],"resources":["userextras/scopes"],"resourceNames":["view"]},
            {"verbs":["impersonate"],"apiGroups":["authentication.k8s.io"],"resources":["uids"]}
            """))).Expect(201);
        (await server.PostAsync($"{Rbac}/clusterrolebindings", BindingOf("actor", "actor", User("ann"), "ClusterRole"))).Expect(201);
        var bob = (await AsAsync(("Impersonate-User", "bob"), ("Impersonate-Group", "dev"), ("Impersonate-Uid", "7"), ("Impersonate-Extra-Scopes", "view"))).Expect(201).Json["status"]!["userInfo"]!;
        Assert.Equal("""{"username":"bob","uid":"7","groups":["dev","system:authenticated"],"extra":{"scopes":["view"]}}""", bob.ToJsonString());
        Assert.Equal("groups \"ops\" is forbidden: User \"ann\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope",
            (await AsAsync(("Impersonate-User", "bob"), ("Impersonate-Group", "ops"))).Expect(403).Message);
        Assert.Equal("userextras.authentication.k8s.io \"edit\" is forbidden: User \"ann\" cannot impersonate resource \"userextras/scopes\" in API group \"authentication.k8s.io\" at the cluster scope",
            (await AsAsync(("Impersonate-User", "bob"), ("Impersonate-Extra-Scopes", "edit"))).Expect(403).Message);
        Assert.Equal("Internal Server Error: \"/apis/authentication.k8s.io/v1/selfsubjectreviews\": requested [{Group  dev    }] without impersonating a user\n",
            (await AsAsync(("Impersonate-Group", "dev"))).Expect(500).Text);
        // What only looks like an account is a user, and an empty one is none.
        Assert.Equal("users \"system:serviceaccount:Default:robot\" is forbidden: User \"ann\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
            (await AsAsync(("Impersonate-User", "system:serviceaccount:Default:robot"))).Expect(403).Message);
        Assert.Equal("ann", (await AsAsync(("Impersonate-User", ""))).Expect(201).Json["status"]!["userInfo"]!["username"]!.ToString());
        Assert.Contains("requested [{UserExtra  view  authentication.k8s.io/v1  %zz}] without impersonating a user", (await AsAsync(("Impersonate-Extra-%zz", "view"))).Expect(500).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reviews_say_what_somebody_may_and_why()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync($"{Rbac}/clusterroles", RoleOf("pods", """{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}"""))).Expect(201);
        (await server.PostAsync($"{Rbac}/namespaces/default/rolebindings", BindingOf("b", "pods", User("bob"), "ClusterRole"))).Expect(201);
        async Task<JsonNode> ReviewAsync(string path, string spec, int code = 201, HttpClient? client = null) =>
            (await server.SendAsync(HttpMethod.Post, $"/apis/authorization.k8s.io/v1/{path}", $$"""{"spec":{{spec}} }""", client: client)).Expect(code).Json;

        const string Get = "\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"get\",\"resource\":\"pods\"}";
        var yes = await ReviewAsync("subjectaccessreviews", $$"""{"user":"bob",{{Get}}}""");
        Assert.True(yes["status"]!["allowed"]!.GetValue<bool>());
        Assert.Equal("RBAC: allowed by RoleBinding \"b/default\" of ClusterRole \"pods\" to User \"bob\"", yes["status"]!["reason"]!.GetValue<string>());
        Assert.False((await ReviewAsync("subjectaccessreviews", $$"""{"user":"eve",{{Get}}}"""))["status"]!["allowed"]!.GetValue<bool>());
        Assert.True((await ReviewAsync("namespaces/default/localsubjectaccessreviews", $$"""{"user":"bob",{{Get}}}"""))["status"]!["allowed"]!.GetValue<bool>());
        Assert.Contains("spec.resourceAttributes.namespace: Invalid value: \"default\": must match metadata.namespace",
            (await ReviewAsync("namespaces/kube-system/localsubjectaccessreviews", $$"""{"user":"bob",{{Get}}}""", 422))["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(".authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or group must be specified",
            (await ReviewAsync("subjectaccessreviews", $$"""{ {{Get}} }""", 422))["message"]!.GetValue<string>());

        using var bob = ClientOf(server, "bob");
        var rules = (await ReviewAsync("selfsubjectrulesreviews", """{"namespace":"default"}""", client: bob))["status"]!;
        Assert.Contains("""{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}""", rules["resourceRules"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Contains("/apis/*", rules["nonResourceRules"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.False(rules["incomplete"]!.GetValue<bool>());
        Assert.Equal("no namespace on request", (await ReviewAsync("selfsubjectrulesreviews", "{}", 400, bob))["message"]!.GetValue<string>());
    }
}
