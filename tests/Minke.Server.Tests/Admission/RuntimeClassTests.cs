namespace Minke.Server.Tests.Admission;

public sealed class RuntimeClassTests
{
    private const string Pods = "/api/v1/namespaces/default/pods";
    private const string Classes = "/apis/node.k8s.io/v1/runtimeclasses";
    private const string Class = """
        {"metadata":{"name":"small"},"handler":"crun","overhead":{"podFixed":{"cpu":"250m","memory":"64Mi"}},
         "scheduling":{"nodeSelector":{"kind":"small"},"tolerations":[{"key":"small","operator":"Exists","effect":"NoSchedule"}]}}
        """;

    [Fact]
    public async Task A_class_that_is_not_there_is_refused()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal("pods \"a\" is forbidden: pod rejected: RuntimeClass \"none\" not found", (await CreateAsync(server, """ "runtimeClassName":"none" """)).Expect(403).Message);
    }

    [Fact]
    public async Task A_pod_gets_its_classes_overhead_selector_and_tolerations()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Classes, Class)).Expect(201);
        var spec = (await CreateAsync(server, """
            "runtimeClassName":"small","nodeSelector":{"disk":"fast"},"overhead":{"cpu":"0.25","memory":"64Mi"},
            "tolerations":[{"key":"small","operator":"Equal","value":"x","effect":"NoSchedule"},{"key":"other","operator":"Exists"}]
            """)).Expect(201).Json["spec"]!;
        Assert.Equal("""{"cpu":"250m","memory":"64Mi"}""", spec["overhead"]!.ToJsonString());
        Assert.Equal("""{"disk":"fast","kind":"small"}""", spec["nodeSelector"]!.ToJsonString());
        // The pod's own is covered by the class's, and gives way.
        Assert.Equal(
            ["""{"key":"other","operator":"Exists"}""", """{"effect":"NoSchedule","key":"small","operator":"Exists"}"""],
            spec["tolerations"]!.AsArray().Take(1).Append(spec["tolerations"]!.AsArray().Single(toleration => (string?)toleration!["key"] == "small"))
                .Select(toleration => new System.Text.Json.Nodes.JsonObject(toleration!.AsObject().OrderBy(pair => pair.Key, StringComparer.Ordinal)
                    .Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))).ToJsonString()));
    }

    [Theory]
    [InlineData(""" "runtimeClassName":"small","nodeSelector":{"kind":"large"} """,
        "conflict: runtimeClass.scheduling.nodeSelector[kind] = small; pod.spec.nodeSelector[kind] = large")]
    [InlineData(""" "runtimeClassName":"small","overhead":{"cpu":"1"} """, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")]
    [InlineData(""" "overhead":{"cpu":"1"} """, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")]
    public async Task What_contradicts_the_class_is_refused(string spec, string why)
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(Classes, Class)).Expect(201);
        Assert.Equal("pods \"a\" is forbidden: " + why, (await CreateAsync(server, spec)).Expect(403).Message);
    }

    private static Task<Reply> CreateAsync(TestServer server, string spec) =>
        server.PostAsync(Pods, """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"x","image":"x"}],""" + spec + "}}");
}
