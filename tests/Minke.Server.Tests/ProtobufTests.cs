using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Minke.Server.Tests;

/// <summary>Protobuf as somebody else reads it: a decoder of its own, which knows the wire format and nothing of Minke's codecs.</summary>
public sealed class ProtobufTests
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Protobuf = "application/vnd.kubernetes.protobuf";

    [Fact]
    public async Task An_object_is_an_envelope_with_its_type_and_fields()
    {
        await using var server = await WithTwoAsync();
        var (typeMeta, raw) = Open(await BytesAsync(server, ConfigMaps + "/a"));
        Assert.Equal(("v1", "ConfigMap"), (Text(typeMeta, 1), Text(typeMeta, 2)));
        Assert.Equal("a", Text(Message(raw, 1), 1)); // metadata.name
        Assert.Equal("default", Text(Message(raw, 1), 3)); // metadata.namespace
        var entry = Message(raw, 2); // data, an entry a key
        Assert.Equal(("k", "ä"), (Text(entry, 1), Text(entry, 2)));
    }

    [Fact]
    public async Task A_list_is_metadata_and_items()
    {
        await using var server = await WithTwoAsync();
        var (typeMeta, raw) = Open(await BytesAsync(server, ConfigMaps + "?limit=1"));
        Assert.Equal(("v1", "ConfigMapList"), (Text(typeMeta, 1), Text(typeMeta, 2)));
        var metadata = Message(raw, 1);
        Assert.NotEqual("", Text(metadata, 2)); // resourceVersion
        Assert.NotEqual("", Text(metadata, 3)); // continue
        Assert.Equal(1UL, Fields(metadata).Single(field => field.Number == 4).Value); // remainingItemCount
        Assert.Equal(["a"], Fields(raw).Where(field => field.Number == 2).Select(item => Text(Message(item.Bytes, 1), 1)));

        var (partialType, partial) = Open(await BytesAsync(server, ConfigMaps, Protobuf + ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"));
        Assert.Equal(("meta.k8s.io/v1", "PartialObjectMetadataList"), (Text(partialType, 1), Text(partialType, 2)));
        Assert.Equal(["a", "b"], Fields(partial).Where(field => field.Number == 2).Select(item => Text(Message(item.Bytes, 1), 1)));
    }

    /// <summary>Sent in pieces, some of them one object that is larger than a piece.</summary>
    [Fact]
    public async Task A_long_list_is_one_message_too()
    {
        await using var server = await WithTwoAsync();
        for (var i = 0; i < 60; i++)
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"c{{i:00}}"},"data":{"k":"{{new string('x', i == 30 ? 200_000 : 5_000)}}"} }""")).Expect(201);
        var (_, raw) = Open(await BytesAsync(server, ConfigMaps));
        var items = Fields(raw).Where(field => field.Number == 2).Select(item => Text(Message(item.Bytes, 1), 1)).ToArray();
        Assert.Equal(["a", "b", .. Enumerable.Range(0, 60).Select(i => $"c{i:00}")], items);
    }

    [Fact]
    public async Task A_refusal_is_a_status()
    {
        await using var server = await WithTwoAsync();
        var (typeMeta, raw) = Open(await BytesAsync(server, ConfigMaps + "/none", code: 404));
        Assert.Equal(("v1", "Status"), (Text(typeMeta, 1), Text(typeMeta, 2)));
        Assert.Equal(("Failure", "configmaps \"none\" not found", "NotFound"), (Text(raw, 2), Text(raw, 3), Text(raw, 4)));
    }

    [Fact]
    public async Task A_watch_is_frames_of_a_length_and_an_event()
    {
        await using var server = await WithTwoAsync();
        const string Streamed = ConfigMaps + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        using var request = new HttpRequestMessage(HttpMethod.Get, Streamed) { Version = HttpVersion.Version20 };
        request.Headers.TryAddWithoutValidation("Accept", Protobuf + ";stream=watch");
        using var response = await server.Admin.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled);
        Assert.Equal(Protobuf + ";stream=watch", response.Content.Headers.ContentType!.ToString().Replace(" ", "", StringComparison.Ordinal));
        await using var stream = await response.Content.ReadAsStreamAsync(TestServer.Cancelled);

        Assert.Equal(("ADDED", "a"), await NextAsync());
        Assert.Equal(("ADDED", "b"), await NextAsync());
        Assert.Equal(("BOOKMARK", ""), await NextAsync());
        (await server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
        Assert.Equal(("DELETED", "a"), await NextAsync());

        async Task<(string Type, string Name)> NextAsync()
        {
            var length = new byte[4];
            await stream.ReadExactlyAsync(length, TestServer.Cancelled);
            var frame = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
            await stream.ReadExactlyAsync(frame, TestServer.Cancelled);
            // WatchEvent { 1 type, 2 object { 1 raw } }, and the raw bytes are an envelope again.
            var (typeMeta, raw) = Open(Message(Message(frame, 2), 1));
            Assert.Equal("ConfigMap", Text(typeMeta, 2));
            return (Text(frame, 1), Text(Message(raw, 1), 1));
        }
    }

    /// <summary><c>k8s\0</c>, then runtime.Unknown { 1 typeMeta { 1 apiVersion, 2 kind }, 2 raw }.</summary>
    private static (byte[] TypeMeta, byte[] Raw) Open(byte[] body)
    {
        Assert.Equal("k8s\0"u8.ToArray(), body[..4]);
        return (Message(body[4..], 1), Message(body[4..], 2));
    }

    private static byte[] Message(byte[] message, int number) => Fields(message).First(field => field.Number == number).Bytes;

    private static string Text(byte[] message, int number) => Encoding.UTF8.GetString(Fields(message).FirstOrDefault(field => field.Number == number).Bytes ?? []);

    private static IEnumerable<(int Number, ulong Value, byte[] Bytes)> Fields(byte[] message)
    {
        var at = 0;
        while (at < message.Length)
        {
            var key = Varint();
            var number = (int)(key >> 3);
            switch (key & 7)
            {
                case 0:
                    yield return (number, Varint(), []);
                    break;
                case 1:
                    at += 8;
                    break;
                case 2:
                    var length = (int)Varint();
                    yield return (number, 0, message[at..(at + length)]);
                    at += length;
                    break;
                case 5:
                    at += 4;
                    break;
                default:
                    Assert.Fail($"wire type {key & 7}");
                    break;
            }
        }

        ulong Varint()
        {
            var (value, shift) = (0UL, 0);
            while (true)
            {
                var next = message[at++];
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                    return value;
                shift += 7;
            }
        }
    }

    private static async Task<byte[]> BytesAsync(TestServer server, string path, string accept = Protobuf, int code = 200)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = HttpVersion.Version20 };
        request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await server.Admin.SendAsync(request, TestServer.Cancelled);
        Assert.Equal((code, Protobuf), ((int)response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        return await response.Content.ReadAsByteArrayAsync(TestServer.Cancelled);
    }

    private static async Task<TestServer> WithTwoAsync()
    {
        var server = await TestServer.StartAsync();
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"},"data":{"k":"ä"}}""")).Expect(201);
        (await server.PostAsync(ConfigMaps, """{"metadata":{"name":"b"}}""")).Expect(201);
        return server;
    }
}
