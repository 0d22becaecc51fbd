using System.Text.Json.Nodes;
using Minke.Api.Core.V1;

namespace Minke.Api.Tests.Codecs;

public sealed class RoundTripTests
{
    public static TheoryData<string> EveryKind => [.. Kinds.All.Select(kind => kind.ToString())];

    [Theory, MemberData(nameof(EveryKind))]
    public void What_is_sent_as_json_comes_back(string name)
    {
        var kind = Kinds.All.Single(candidate => candidate.ToString() == name);
        for (var seed = 0; seed < 20; seed++)
        {
            var sent = new RandomObjects(new Random(seed)).Of(kind);
            var context = new JsonReadContext();
            var value = kind.ReadJson(System.Text.Encoding.UTF8.GetBytes(sent.ToJsonString()), context);
            Assert.Empty(context.StrictErrors);
            var written = Json.Write(value);
            AssertContains(JsonNode.Parse(written), sent, name + " seed " + seed);
            Assert.Equal(written, Json.Write(kind.ReadJson(written)));
        }
    }

    [Theory, MemberData(nameof(EveryKind))]
    public void Protobuf_keeps_what_json_keeps(string name)
    {
        var kind = Kinds.All.Single(candidate => candidate.ToString() == name);
        for (var seed = 0; seed < 20; seed++)
        {
            var value = kind.ReadJson(System.Text.Encoding.UTF8.GetBytes(new RandomObjects(new Random(seed)).Of(kind).ToJsonString()));
            var envelope = ProtoEnvelope.Write(value);
            var (apiVersion, kindName, raw) = ProtoEnvelope.Open(envelope);
            Assert.Equal((kind.ApiVersion, kind.Kind), (apiVersion, kindName));
            var back = kind.ReadProto(raw.Span);
            Assert.Equal(System.Text.Encoding.UTF8.GetString(Json.Write(value)), System.Text.Encoding.UTF8.GetString(Json.Write(back)));
            Assert.Equal(envelope, ProtoEnvelope.Write(back));
        }
    }

    [Fact]
    public void An_empty_pod_is_written_as_upstream_writes_it() => Assert.Equal(
        """{"kind":"Pod","apiVersion":"v1","metadata":{"creationTimestamp":null},"spec":{"containers":null},"status":{}}""",
        new Pod().ToString());

    [Fact]
    public void Required_lists_keep_null_apart_from_empty()
    {
        Assert.Contains("\"containers\":null", new PodSpec().ToString(), StringComparison.Ordinal);
        Assert.Contains("\"containers\":[]", new PodSpec { Containers = [] }.ToString(), StringComparison.Ordinal);
        var read = Json.Read<PodSpec>("""{"containers":[]}"""u8, PodSpec.ReadJson);
        Assert.False(read.Containers.IsNull);
    }

    [Fact]
    public void A_small_config_map_has_upstreams_protobuf_bytes()
    {
        var map = new ConfigMap { Metadata = new() { Name = "a" }, Data = new Dictionary<string, string> { ["k"] = "v" } };
        // ObjectMeta: every string, generation 0 and an empty creationTimestamp are written even when zero.
        var metadata = "0a01611200" + "1a00" + "2200" + "2a00" + "3200" + "3800" + "4200";
        var raw = "0a" + Hex(metadata.Length / 2) + metadata + "1206" + "0a016b" + "120176";
        var type = "0a02" + "7631" + "1209" + Convert.ToHexStringLower("ConfigMap"u8);
        var expected = "6b387300" + "0a" + Hex(type.Length / 2) + type + "12" + Hex(raw.Length / 2) + raw;
        Assert.StartsWith(expected, Convert.ToHexStringLower(ProtoEnvelope.Write(map)), StringComparison.Ordinal);
    }

    private static string Hex(int value) => value.ToString("x2", null);

    /// <summary>Everything sent is there; the writer may add what Kubernetes never leaves out.</summary>
    private static void AssertContains(JsonNode? whole, JsonNode? part, string where)
    {
        switch (part)
        {
            case JsonObject members:
                foreach (var (name, value) in members)
                    AssertContains(Assert.IsType<JsonObject>(whole)[name], value, where + "." + name);
                break;
            case JsonArray items:
                var actual = Assert.IsType<JsonArray>(whole);
                Assert.Equal(items.Count, actual.Count);
                for (var i = 0; i < items.Count; i++)
                    AssertContains(actual[i], items[i], $"{where}[{i}]");
                break;
            default:
                Assert.True(JsonNode.DeepEquals(part, whole), $"{where}: {part?.ToJsonString()} became {whole?.ToJsonString()}");
                break;
        }
    }
}
