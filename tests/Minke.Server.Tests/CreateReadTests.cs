namespace Minke.Server.Tests;

public sealed class CreateReadTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    [Fact]
    public async Task What_is_created_can_be_read_listed_and_deleted()
    {
        await using var server = await TestServer.StartAsync();
        var created = (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a","labels":{"x":"1"}},"data":{"k":"v"}}""")).Expect(201);
        Assert.Equal("ConfigMap", created.Json["kind"]!.GetValue<string>());
        Assert.Equal("default", created.Json["metadata"]!["namespace"]!.GetValue<string>());
        Assert.Equal(36, created.Json["metadata"]!["uid"]!.GetValue<string>().Length);

        var read = (await server.GetAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal(created.Text, read.Text);
        Assert.Equal(["a"], (await server.GetAsync("/api/v1/configmaps?labelSelector=x%3D1")).Expect(200).Names);

        var deleted = (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal("Success", deleted.Json["status"]!.GetValue<string>());
        Assert.Equal("configmaps", deleted.Json["details"]!["kind"]!.GetValue<string>());
        var gone = (await server.GetAsync(ConfigMaps + "/a")).Expect(404);
        Assert.Equal("configmaps \"a\" not found", gone.Message);
    }
}
