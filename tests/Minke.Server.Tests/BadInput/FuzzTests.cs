using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Access.Credentials;
using Minke.Server.Admission.Webhooks;
using Minke.Server.Apply;
using Minke.Server.Audit;
using Minke.Server.CustomResources;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Patching;
using Minke.Server.Registry;
using Minke.Server.Requests;
using Minke.Server.Streaming;
using Minke.Server.Streaming.Spdy;
using Minke.Server.Streaming.WebSockets;
using Minke.Server.Tests.Streaming.Spdy;
using Minke.TestSupport.Fuzzing;

namespace Minke.Server.Tests;

/// <summary>Everything in the server that reads what clients, webhooks and providers send.</summary>
public sealed class FuzzTests
{
    private static readonly Type[] Refusal = [typeof(StatusException)];
    private static readonly Type[] Format = [typeof(FormatException)];

    private const string Pod = """{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","labels":{"a":"b"},"finalizers":["a","x"]},"spec":{"containers":[{"name":"c","image":"i"},{"name":"d","image":"i"}],"volumes":[]}}""";

    [Fact]
    public void Objects_of_no_declared_type() => Fuzz.Run("json-tree", input =>
    {
        // The first time a number may become another form of itself: -0.0 is -0, and that is 0.
        var form = JsonTree.Write(JsonTree.Parse(JsonTree.Write(JsonTree.Parse(input))));
        Assert.Equal(form, JsonTree.Write(JsonTree.Parse(form)));
    }, [typeof(JsonReadException)]);

    [Fact]
    public void Json_patches() => Fuzz.Run("json-patch", input => JsonPatch.Apply(JsonNode.Parse("""{"a":{"b":2},"c":[1,2,3],"d":"e"}"""), JsonTree.Parse(input)),
        [typeof(PatchException), typeof(JsonReadException)], bytesPerByte: 100_000);

    [Fact]
    public void Merge_patches() => Fuzz.Run("strategic-patch", input => MergePatch.Apply(JsonNode.Parse(Pod), JsonTree.Parse(input)), [typeof(JsonReadException)]);

    [Fact]
    public void Strategic_patches() => Fuzz.Run("strategic-patch", input =>
    {
        if (JsonTree.Parse(input) is JsonObject patch)
            StrategicMergePatch.Apply(JsonNode.Parse(Pod)!.AsObject(), patch, Minke.Api.Core.V1.Pod.KindInfo.Schema);
    }, [typeof(PatchException), typeof(JsonReadException)], bytesPerByte: 20_000);

    [Fact]
    public void Sets_of_fields() => Fuzz.Run("fields-v1", input =>
    {
        var once = FieldsV1.Write(FieldsV1.Read(new RawJson(input)));
        Assert.Equal(once.Utf8.ToArray(), FieldsV1.Write(FieldsV1.Read(once)).Utf8.ToArray());
    }, Format);

    [Fact]
    public void Media_types() => Fuzz.RunText("accept", text =>
    {
        Assert.NotEmpty(MediaType.Negotiate(text, isWatch: text.Length % 2 == 0).ContentType);
        MediaType.OfBody(text);
    }, Refusal);

    [Fact]
    public void Paths() => Fuzz.RunText("path", text => Assert.True(RequestTarget.Parse(text) is var target && (!target.IsResource || target.Plural.Length > 0)), []);

    [Fact]
    public void Continue_tokens() => Fuzz.RunText("continue-token", text =>
    {
        var token = ContinueToken.Decode(text, "/pods/");
        Assert.StartsWith("/pods/", token.StartAfter, StringComparison.Ordinal);
        Assert.Equal(token, ContinueToken.Decode(token.Encode("/pods/"), "/pods/"));
    }, Refusal);

    [Fact]
    public void Paths_into_custom_objects()
    {
        var value = new CustomObject(ConfigMap.KindInfo, new() { Name = "a" }, CustomObject.MembersOf((JsonObject)JsonTree.Parse("""{"a":{"b":[{"c":1},2,null]},"b":[]}"""u8)!), 0);
        Fuzz.RunText("json-path", text => _ = SimplePath.Parse(text).Find(value), []);
    }

    [Fact]
    public void Tokens()
    {
        using var key = RSA.Create(2048);
        Fuzz.RunText("jwt", text => JsonWebToken.TryParse(text)?.IsSignedBy(key), []);
    }

    [Fact]
    public void Key_sets() => Fuzz.Run("jwks", input => JsonWebKeys.Parse(input), Format, bytesPerByte: 20_000);

    [Fact]
    public void Token_files() => Fuzz.RunText("static-tokens", text => StaticTokens.Parse("f", text), Format);

    [Fact]
    public void Audit_policies() => Fuzz.RunText("audit-policy", text =>
    {
        if (YamlReader.Read(text) is [var (_, document)] && document is JsonObject policy)
            AuditPolicy.Parse(policy);
    }, [typeof(FormatException), typeof(InvalidOperationException)], bytesPerByte: 200_000);

    [Fact]
    public void Answers_of_webhooks() => Fuzz.Run("admission-review", input =>
    {
        foreach (var version in (string[])["v1", "v1beta1"])
        {
            var answer = ReviewAnswer.Read(input, version, "u", isMutating: true);
            if (answer.Patch.Length > 0)
                ObjectPatch.Decode("hook", answer.Patch);
        }
    }, [typeof(JsonReadException), typeof(UnfitAnswerException), typeof(CallFailedException)]);

    [Fact]
    public void Header_blocks_of_spdy() => Fuzz.Run("spdy-headers", input =>
    {
        using var reader = new SpdyHeaderReader();
        reader.Read(input);
        reader.Read(input);
    }, [typeof(SpdyException)], bytesPerByte: 100_000);

    [Fact]
    public void Connections_of_spdy() => Fuzz.Run("spdy-session", input => HangUpAfterAsync(input).GetAwaiter().GetResult(), [], bytesPerByte: 100_000);

    private static async Task HangUpAfterAsync(byte[] input)
    {
        await using var client = new SpdyTestClient();
        // Nobody waits for the streams that open: what they hold may stop the reading, and hanging up must end it all the same.
        await Task.WhenAny(client.SendAsync(input), Task.Delay(Timeout.Infinite, client.Session.Gone));
        await client.HangUpAsync();
    }

    [Theory]
    [InlineData("channel.k8s.io"), InlineData("v4.channel.k8s.io"), InlineData("v5.channel.k8s.io"), InlineData("base64.channel.k8s.io"), InlineData("v4.base64.channel.k8s.io")]
    public void Messages_of_web_sockets(string protocol) => Fuzz.Run("channel-messages", input =>
    {
        var decoder = new ChannelDecoder(ChannelProtocol.Named(protocol));
        var buffer = new byte[64];
        for (var start = 0; start <= input.Length; start += 31)
        {
            var piece = input.AsSpan(start, Math.Min(31, input.Length - start));
            piece.CopyTo(buffer.AsSpan(decoder.Held));
            var read = decoder.Decode(buffer, piece.Length, isEnd: start + 31 > input.Length);
            Assert.True(read.Length >= 0 && read.Start + read.Length <= buffer.Length);
            decoder.KeepRest(buffer);
        }
    }, [typeof(InvalidDataException)]);

    [Fact]
    public async Task Bodies_get_an_answer_that_is_not_the_servers_fault()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (corpus, type) in (ReadOnlySpan<(string, string)>)
            [("json", "application/json"), ("yaml", "application/yaml"), ("protobuf", "application/vnd.kubernetes.protobuf"), ("json-patch", "application/json-patch+json"),
             ("strategic-patch", "application/strategic-merge-patch+json"), ("strategic-patch", "application/merge-patch+json"), ("yaml", "application/apply-patch+yaml")])
        {
            var (method, path) = type.Contains("patch", StringComparison.Ordinal) ? (HttpMethod.Patch, "/api/v1/namespaces/default/pods/p?fieldManager=m") : (HttpMethod.Post, "/api/v1/namespaces/default/pods");
            Fuzz.Run(corpus, input => JudgeAsync(server, method, path, input, type).GetAwaiter().GetResult(), [], bytesPerByte: int.MaxValue, rounds: 150);
        }
        (await server.GetAsync("/api/v1/namespaces/default/pods")).Expect(200);
    }

    [Fact]
    public async Task Queries_get_an_answer_that_is_not_the_servers_fault()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Delete])
        {
            Fuzz.Run("query", input => JudgeAsync(server, method, "/api/v1/namespaces/default/configmaps?timeoutSeconds=1&" + Escaped(input), null, "").GetAwaiter().GetResult(),
                [], bytesPerByte: int.MaxValue, rounds: 150);
        }
    }

    /// <summary>Percent-encoded where a client could not send it.</summary>
    private static string Escaped(byte[] query) => string.Concat(query.Take(4096).Select(letter => letter is > 32 and < 127 and not (byte)'#' and not (byte)'"' and not (byte)'<' and not (byte)'>'
        ? ((char)letter).ToString() : $"%{letter:x2}"));

    private static async Task JudgeAsync(TestServer server, HttpMethod method, string path, byte[]? body, string type)
    {
        using var request = new HttpRequestMessage(method, path) { Version = HttpVersion.Version20 };
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        }
        using var response = await server.Admin.SendAsync(request, TestServer.Cancelled);
        var text = await response.Content.ReadAsStringAsync(TestServer.Cancelled);
        if ((int)response.StatusCode < 400 || response.Content.Headers.ContentType?.MediaType != "application/json")
            return;
        var status = JsonDocument.Parse(text).RootElement;
        Assert.Equal("Status", status.GetProperty("kind").GetString());
        // Of what upstream has no code for it says 500 too: misused directives, and sets of fields that do not fit the schema.
        Assert.True((int)response.StatusCode < 500 || !status.TryGetProperty("reason", out _), $"{method} {type}: {text}");
    }
}
