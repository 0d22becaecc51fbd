using Minke.Server.Services;

namespace Minke.Server.Tests;

/// <summary>Services get their addresses and node ports, keep them, and give them back.</summary>
public sealed class ServiceAllocationTests
{
    private const string Path = "/api/v1/namespaces/default/services";

    private static string Service(string name, string spec) => $$$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"{{{name}}}"},"spec":{"ports":[{"port":80}],{{{spec}}}}}""";

    private static string Address(Reply reply) => reply.Json["spec"]!["clusterIP"]!.GetValue<string>();

    private static int NodePort(Reply reply, int index = 0) => reply.Json["spec"]!["ports"]![index]!["nodePort"]?.GetValue<int>() ?? 0;

    private static Task<TestServer> StartAsync(ServiceNetwork? network = null) =>
        TestServer.StartAsync(change: options => options with { ServiceNetwork = network ?? new() });

    [Theory]
    [InlineData("ClusterIP", """{"ip":"203.0.113.1"}""", "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is \"LoadBalancer\"")]
    [InlineData("LoadBalancer", """{"hostname":"203.0.113.1"}""", "status.loadBalancer.ingress[0].hostname: Invalid value: \"203.0.113.1\": must be a DNS name, not an IP address")]
    [InlineData("LoadBalancer", """{"ip":"203.0.113.1","ipMode":"Half"}""", "status.loadBalancer.ingress[0].ipMode: Unsupported value: \"Half\": supported values: \"Proxy\", \"VIP\"")]
    [InlineData("LoadBalancer", """{"ip":"203.0.113.1"}""", "")]
    public async Task Only_a_load_balancer_says_where_it_is(string type, string ingress, string problem)
    {
        await using var server = await StartAsync();
        (await server.PostAsync(Path, Service("a", $"\"type\":\"{type}\""))).Expect(201);
        var reply = await server.PatchAsync(Path + "/a/status", $$"""{"status":{"loadBalancer":{"ingress":[{{ingress}}]} } }""");
        Assert.Equal(problem.Length == 0 ? (200, "") : (422, $"Service \"a\" is invalid: {problem}"), (reply.Code, problem.Length == 0 ? "" : reply.Message));
    }

    [Fact]
    public async Task A_service_has_an_address_of_the_upper_band_and_says_which_family()
    {
        await using var server = await StartAsync();
        var made = (await server.PostAsync(Path, Service("a", "\"selector\":{\"a\":\"b\"}"))).Expect(201);
        var spec = made.Json["spec"]!;
        Assert.Matches(@"^10\.(9[6-9]|1[01][0-9])\.", Address(made));
        Assert.DoesNotMatch(@"^10\.96\.0\.", Address(made));
        Assert.Equal(Address(made), Assert.Single(spec["clusterIPs"]!.AsArray())!.GetValue<string>());
        Assert.Equal("""["IPv4"]""", spec["ipFamilies"]!.ToJsonString());
        Assert.Equal("SingleStack", spec["ipFamilyPolicy"]!.GetValue<string>());
        Assert.Contains("299 - \"spec: accepted but not acted on by Minke yet: Services are not routed\"", made.Warnings);
    }

    [Theory]
    [InlineData("\"clusterIP\":\"10.96.0.10\"", "spec.clusterIPs: Invalid value: []string{\"10.96.0.10\"}: failed to allocate IP 10.96.0.10: provided IP is already allocated")]
    [InlineData("\"clusterIP\":\"10.1.0.10\"", "spec.clusterIPs: Invalid value: []string{\"10.1.0.10\"}: failed to allocate IP 10.1.0.10: the provided IP (10.1.0.10) is not in the valid range. The range of valid IPs is 10.96.0.0/12")]
    [InlineData("\"clusterIP\":\"10.96.0.0\"", "spec.clusterIPs: Invalid value: []string{\"10.96.0.0\"}: failed to allocate IP 10.96.0.0: the provided IP (10.96.0.0) is not in the valid range. The range of valid IPs is 10.96.0.0/12")]
    [InlineData("\"clusterIP\":\"fd00::1\"", "spec.clusterIPs[0]: Invalid value: []string{\"fd00::1\"}: IPv6 is not configured on this cluster")]
    [InlineData("\"ipFamilies\":[\"IPv6\"]", "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster")]
    [InlineData("\"ipFamilyPolicy\":\"RequireDualStack\"", "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services")]
    [InlineData("\"ipFamilies\":[\"IPv4\",\"IPv6\"]", "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified")]
    [InlineData("\"clusterIP\":\"10.96.0.11\",\"ipFamilies\":[\"IPv6\"]", "spec.clusterIPs[0]: Invalid value: \"10.96.0.11\": expected an IPv6 value as indicated by `ipFamilies[0]`")]
    public async Task An_address_that_cannot_be_had_is_refused(string spec, string error)
    {
        await using var server = await StartAsync();
        (await server.PostAsync(Path, Service("first", "\"clusterIP\":\"10.96.0.10\""))).Expect(201);
        Assert.Equal("Service \"second\" is invalid: " + error, (await server.PostAsync(Path, Service("second", spec + ",\"selector\":{\"a\":\"b\"}"))).Expect(422).Message);
    }

    [Fact]
    public async Task A_deleted_service_and_a_refused_one_give_back_what_they_had()
    {
        await using var server = await StartAsync();
        var wanted = Service("a", "\"clusterIP\":\"10.96.0.10\",\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30080}]").Replace("\"ports\":[{\"port\":80}],", "", StringComparison.Ordinal);
        (await server.PostAsync(Path + "?dryRun=All", wanted)).Expect(201);
        (await server.PostAsync(Path, wanted.Replace("\"name\":\"a\"", "\"name\":\"A\"", StringComparison.Ordinal))).Expect(422);
        (await server.PostAsync(Path, wanted)).Expect(201);
        (await server.PostAsync(Path, wanted)).Expect(422);
        (await server.DeleteAsync(Path + "/a")).Expect(200);
        (await server.PostAsync(Path, wanted)).Expect(201);
    }

    [Fact]
    public async Task Node_ports_are_given_and_refused_in_upstreams_words()
    {
        await using var server = await StartAsync();
        var made = (await server.PostAsync(Path, Service("a", "\"type\":\"NodePort\""))).Expect(201);
        Assert.InRange(NodePort(made), 30086, 32767);
        string With(string name, int port) => $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":{{{port}}}}]}}""";
        Assert.Equal($"Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: {NodePort(made)}: provided port is already allocated", (await server.PostAsync(Path, With("b", NodePort(made)))).Expect(422).Message);
        Assert.Equal("Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767", (await server.PostAsync(Path, With("b", 80))).Expect(422).Message);
        var dns = (await server.PostAsync(Path, """{"metadata":{"name":"dns"},"spec":{"type":"NodePort","ports":[{"name":"t","port":53},{"name":"u","port":53,"protocol":"UDP"}]}}""")).Expect(201);
        Assert.Equal(NodePort(dns), NodePort(dns, 1));
    }

    [Fact]
    public async Task A_change_of_type_gives_and_takes_what_the_type_needs()
    {
        await using var server = await StartAsync();
        var plain = (await server.PostAsync(Path, Service("a", "\"selector\":{\"a\":\"b\"}"))).Expect(201);
        var node = (await server.PatchAsync(Path + "/a", """{"spec":{"type":"NodePort"}}""")).Expect(200);
        Assert.Equal(Address(plain), Address(node));
        Assert.NotEqual(0, NodePort(node));
        var balanced = (await server.PatchAsync(Path + "/a", """{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local"}}""")).Expect(200);
        Assert.Equal(NodePort(node), NodePort(balanced));
        Assert.InRange(balanced.Json["spec"]!["healthCheckNodePort"]!.GetValue<int>(), 30086, 32767);
        var back = (await server.PatchAsync(Path + "/a", """{"spec":{"type":"ClusterIP"}}""")).Expect(200);
        Assert.Equal(Address(plain), Address(back));
        Assert.Equal(0, NodePort(back));
        Assert.Null(back.Json["spec"]!["healthCheckNodePort"]);
        Assert.Null(back.Json["spec"]!["externalTrafficPolicy"]);
        Assert.Null(back.Json["spec"]!["allocateLoadBalancerNodePorts"]);
        var named = (await server.PatchAsync(Path + "/a", """{"spec":{"type":"ExternalName","externalName":"example.com"}}""")).Expect(200);
        Assert.Null(named.Json["spec"]!["clusterIP"]);
        Assert.Null(named.Json["spec"]!["ipFamilies"]);
        // What it had is free: another may ask for it.
        (await server.PostAsync(Path, Service("b", $"\"clusterIP\":\"{Address(plain)}\""))).Expect(201);
        (await server.PostAsync(Path, $$$"""{"metadata":{"name":"c"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":{{{NodePort(node)}}}}]}}""")).Expect(201);
        var again = (await server.PatchAsync(Path + "/a", """{"spec":{"type":"ClusterIP","externalName":null}}""")).Expect(200);
        Assert.NotEqual(Address(plain), Address(again));
    }

    [Fact]
    public async Task A_manifest_that_names_no_address_keeps_the_one_there_is()
    {
        await using var server = await StartAsync();
        var made = (await server.PostAsync(Path, Service("a", "\"type\":\"NodePort\""))).Expect(201);
        var put = (await server.PutAsync(Path + "/a", Service("a", "\"type\":\"NodePort\""))).Expect(200);
        Assert.Equal((Address(made), NodePort(made)), (Address(put), NodePort(put)));
        var moved = (await server.PatchAsync(Path + "/a", """{"spec":{"clusterIP":"10.96.0.77","clusterIPs":["10.96.0.77"]}}""")).Expect(422);
        Assert.Equal("Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: []string{\"10.96.0.77\"}: may not change once set", moved.Message);
        (await server.PostAsync(Path, Service("b", "\"clusterIP\":\"10.96.0.77\""))).Expect(201);
    }

    [Fact]
    public async Task A_headless_service_has_no_address_and_keeps_none()
    {
        await using var server = await StartAsync();
        var made = (await server.PostAsync(Path, Service("a", "\"clusterIP\":\"None\",\"selector\":{\"a\":\"b\"}"))).Expect(201);
        Assert.Equal("None", Address(made));
        Assert.Equal("""["IPv4"]""", made.Json["spec"]!["ipFamilies"]!.ToJsonString());
        var open = (await server.PostAsync(Path, Service("b", "\"clusterIP\":\"None\""))).Expect(201);
        Assert.Equal("""["IPv4","IPv6"]""", open.Json["spec"]!["ipFamilies"]!.ToJsonString());
        Assert.Equal("RequireDualStack", open.Json["spec"]!["ipFamilyPolicy"]!.GetValue<string>());
        Assert.Equal("None", Address((await server.PatchAsync(Path + "/a", """{"metadata":{"labels":{"x":"y"}}}""")).Expect(200)));
    }

    [Fact]
    public async Task Many_at_once_never_share_an_address_and_a_full_range_says_so()
    {
        await using var server = await StartAsync(new ServiceNetwork { Addresses = System.Net.IPNetwork.Parse("10.96.0.0/26") });
        var replies = await Task.WhenAll(Enumerable.Range(0, 70).Select(index => server.PostAsync(Path, Service($"s{index}", "\"selector\":{\"a\":\"b\"}"))));
        var given = replies.Where(reply => reply.Code == 201).Select(Address).ToList();
        Assert.Equal(62, given.Count);
        Assert.Equal(62, given.Distinct().Count());
        Assert.All(replies.Where(reply => reply.Code != 201), reply =>
        {
            Assert.Equal(500, reply.Code);
            Assert.Equal("Internal error occurred: failed to allocate a serviceIP: range is full", reply.Message);
        });
    }

    [Fact]
    public async Task A_server_that_starts_over_a_store_knows_what_was_given_out()
    {
        await using var server = await StartAsync();
        // Written by what came before this server: its allocator is asked for the first time below.
        var value = new Minke.Api.Core.V1.Service
        {
            Metadata = new() { Name = "old", Namespace = "default", Uid = "u" },
            Spec = new() { Type = "ClusterIP", ClusterIP = "10.96.0.10", ClusterIPs = ["10.96.0.10"], Ports = [new() { Port = 80 }] },
        };
        await server.Store.PutAsync("/services/default/old", Minke.Server.Registry.StoredObject.Encode(value), Minke.Store.Revision.None, TestServer.Cancelled);
        (await server.PostAsync(Path, Service("a", "\"clusterIP\":\"10.96.0.10\""))).Expect(422);
    }
}
