using System.Text.Json.Nodes;
using Minke.Server.Tests.CustomResources;

namespace Minke.Server.Tests;

/// <summary>Objects that are larger than upstream lets them be, by validation or by its database.</summary>
public sealed class OversizedTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Secrets = "/api/v1/namespaces/default/secrets";
    private const string EtcdMessage = "etcdserver: request is too large";

    [Fact]
    public async Task Annotations_have_256_KiB_together()
    {
        await using var server = await TestServer.StartAsync();
        string Annotated(int bytes) => $$"""{"metadata":{"name":"a","annotations":{"k":"{{new string('x', bytes - 2)}}","l":""} } }""";
        var refused = (await server.PostAsync(ConfigMaps, Annotated((256 << 10) + 1))).Expect(422);
        Assert.Equal("ConfigMap \"a\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes", refused.Message);
        (await server.PostAsync(ConfigMaps, Annotated(256 << 10))).Expect(201);
    }

    [Fact]
    public async Task A_config_map_and_a_secret_have_a_MiB_of_data()
    {
        await using var server = await TestServer.StartAsync();
        string Holding(int bytes) => new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = "a" },
            // A line break takes two bytes of JSON and one of the object.
            ["data"] = new JsonObject { ["k"] = new string('\n', bytes) },
        }.ToJsonString();
        Assert.Equal("ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes", (await server.PostAsync(ConfigMaps, Holding((1 << 20) + 1))).Expect(422).Message);
        (await server.PostAsync(ConfigMaps, Holding(1 << 20))).Expect(201);
        string Hiding(int bytes) => $$"""{"metadata":{"name":"a"},"data":{"k":"{{Convert.ToBase64String(new byte[bytes])}}"} }""";
        Assert.Equal("Secret \"a\" is invalid: data: Too long: may not be more than 1048576 bytes", (await server.PostAsync(Secrets, Hiding((1 << 20) + 1))).Expect(422).Message);
        (await server.PostAsync(Secrets, Hiding(1 << 20))).Expect(201);
    }

    [Fact]
    public async Task No_object_is_larger_than_etcd_takes()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab());
        string Sized(int bytes) => Definitions.Item("a", $$"""{"k":"{{new string('x', bytes)}}"}""");
        var refused = (await server.PostAsync(Definitions.Items, Sized(1536 << 10))).Expect(500);
        Assert.Equal((EtcdMessage, ""), (refused.Message, refused.Reason));
        (await server.PostAsync(Definitions.Items, Sized(1535 << 10))).Expect(201);
        Assert.Equal(EtcdMessage, (await server.PatchAsync(Definitions.Items + "/a", $$"""{"spec":{"l":"{{new string('x', 1 << 10)}}"} }""")).Expect(500).Message);
        Assert.Null((await server.GetAsync(Definitions.Items + "/a")).Expect(200).Json["spec"]!["l"]);
        // One that is judged by nothing else. What only would be written is not.
        var pod = $$"""{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i","env":[{"name":"E","value":"{{new string('x', 1536 << 10)}}"}]}]} }""";
        Assert.Equal(EtcdMessage, (await server.PostAsync("/api/v1/namespaces/default/pods", pod)).Expect(500).Message);
        (await server.PostAsync("/api/v1/namespaces/default/pods?dryRun=All", pod)).Expect(201);
    }
}
