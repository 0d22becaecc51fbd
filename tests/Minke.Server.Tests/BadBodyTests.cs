using System.Net.Http.Headers;
using System.Text;

namespace Minke.Server.Tests;

public sealed class BadBodyTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    private static readonly byte[][] Bodies =
    [
        [], "null"u8.ToArray(), "[]"u8.ToArray(), "1"u8.ToArray(), "{"u8.ToArray(), "{}{}"u8.ToArray(), "{\"kind\":1}"u8.ToArray(), "\0"u8.ToArray(),
        [.. "{\"kind\":\""u8, 0xff, 0xfe, .. "\"}"u8], [.. "{\"data\":{\"a\":\""u8, 0xc3, 0x28, .. "\"}}"u8],
        "{\"data\":{\"a\":\"\\ud800\"}}"u8.ToArray(), "{\"data\":{\"a\":\"1\",\"a\":\"2\"}}"u8.ToArray(), "{\"metadata\":null}"u8.ToArray(),
        "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"yesterday\"}}"u8.ToArray(), "[{\"op\":\"add\"}]"u8.ToArray(), "[{}]"u8.ToArray(), "[null]"u8.ToArray(),
        "{\"metadata\":{\"labels\":{\"$patch\":\"replace\"}}}"u8.ToArray(), "{\"$patch\":\"delete\"}"u8.ToArray(), "{\"$setElementOrder/x\":1}"u8.ToArray(),
        Encoding.UTF8.GetBytes(new string('[', 5_000)), Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 2_000))),
        "k8s\0"u8.ToArray(), [.. "k8s\0"u8, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], "a: &a [*a, *a]\n"u8.ToArray(), "- - -"u8.ToArray(), "\"unterminated"u8.ToArray(),
    ];

    private static readonly string[] Types =
    [
        "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/json-patch+json", "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];

    [Fact]
    public async Task No_body_makes_the_server_fail()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        foreach (var body in Bodies)
        {
            foreach (var type in Types)
            {
                foreach (var (method, path) in new[] { (HttpMethod.Post, ConfigMaps), (HttpMethod.Put, ConfigMaps + "/a"), (HttpMethod.Patch, ConfigMaps + "/a"), (HttpMethod.Delete, ConfigMaps + "/none") })
                {
                    using var request = new HttpRequestMessage(method, path) { Version = new(2, 0), Content = new ByteArrayContent(body) };
                    request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
                    using var response = await server.Admin.SendAsync(request, TestServer.Cancelled);
                    Assert.True((int)response.StatusCode < 500, $"{method} {type} {Encoding.UTF8.GetString(body)}: "
                        + await response.Content.ReadAsStringAsync(TestServer.Cancelled));
                }
            }
        }
        (await server.GetAsync(ConfigMaps)).Expect(200);
    }
}
