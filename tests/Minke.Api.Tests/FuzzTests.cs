using System.Text;
using System.Text.Json.Nodes;
using Minke.TestSupport.Fuzzing;
using Minke.Api.Core.V1;

namespace Minke.Api.Tests;

/// <summary>Everything here that reads what others write: what is read and written once reads the same again.</summary>
public sealed class FuzzTests
{
    private static readonly Type[] Format = [typeof(FormatException)];

    [Fact]
    public void Json() => Fuzz.Run("json", input =>
    {
        var kind = KindOf(input);
        var once = Api.Json.Write(kind.ReadJson(input, new JsonReadContext()));
        Assert.Equal(Encoding.UTF8.GetString(once), Encoding.UTF8.GetString(Api.Json.Write(kind.ReadJson(once))));
    }, [typeof(JsonReadException)]);

    [Fact]
    public void Protobuf() => Fuzz.Run("protobuf", input =>
    {
        var (apiVersion, kind, raw) = ProtoEnvelope.Open(input);
        var value = (Kinds.Find(apiVersion, kind) ?? Pod.KindInfo).ReadProto(raw.Span);
        var once = ProtoEnvelope.Write(value);
        var again = value.Info.ReadProto(ProtoEnvelope.Open(once).Raw.Span);
        Assert.Equal(once, ProtoEnvelope.Write(again));
        Assert.Equal(Encoding.UTF8.GetString(Api.Json.Write(value)), Encoding.UTF8.GetString(Api.Json.Write(again)));
    }, [typeof(ProtoReadException)]);

    // An alias is what it stands for, once more: the reader bounds how much that may be.
    [Fact]
    public void Yaml() => Fuzz.RunText("yaml", text =>
    {
        foreach (var (line, document) in YamlReader.Read(text))
        {
            Assert.True(line > 0);
            JsonNode.Parse(document.ToJsonString(), documentOptions: new() { MaxDepth = 256 });
        }
    }, Format, bytesPerByte: 200_000);

    [Fact]
    public void Label_selectors() => Fuzz.RunText("label-selector", text =>
    {
        var shown = LabelQuery.Parse(text).ToString();
        Assert.Equal(shown, LabelQuery.Parse(shown).ToString());
    }, Format);

    [Fact]
    public void Field_selectors() => Fuzz.RunText("field-selector", text => FieldQuery.Parse(text, Pod.KindInfo).Matches(new Pod()), Format);

    [Fact]
    public void Quantities() => Fuzz.RunText("quantity", text =>
    {
        var quantity = Quantity.Parse(text);
        Assert.Equal(quantity, Quantity.Parse(quantity.ToString()));
        _ = (quantity.ToInt64(), quantity.ToMillis(), quantity.RoundedUpToMillis());
    }, Format);

    [Fact]
    public void Durations() => Fuzz.RunText("duration", text =>
    {
        var duration = Duration.Parse(text);
        Assert.Equal(duration, Duration.Parse(duration.ToString()));
    }, Format);

    [Fact]
    public void Times() => Fuzz.RunText("time", text =>
    {
        var (time, exact) = (Time.Parse(text), MicroTime.Parse(text));
        Assert.True(time.IsZero || time == Time.Parse(time.ToString()));
        _ = exact.ToString();
    }, Format);

    [Fact]
    public void Schedules() => Fuzz.RunText("cron", text => Assert.NotNull(CronSchedule.Parse(text)), Format);

    [Fact]
    public void Certificate_requests() => Fuzz.Run("csr", input => Assert.NotNull(SigningRequest.Parse(input)), Format, bytesPerByte: 20_000);

    private static KindInfo KindOf(byte[] json) =>
        Kinds.All.FirstOrDefault(kind => json.AsSpan().IndexOf(Encoding.UTF8.GetBytes($"\"{kind.Kind}\"")) >= 0) ?? ConfigMap.KindInfo;
}
