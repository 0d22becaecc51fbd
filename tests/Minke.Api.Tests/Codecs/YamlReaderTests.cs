using Minke.Api;

namespace Minke.Api.Tests.Codecs;

public class YamlReaderTests
{
    [Theory]
    [InlineData("a: 1", """{"a":1}""")]
    [InlineData("a: 0644", """{"a":420}""")]
    [InlineData("a: 0o644", """{"a":420}""")]
    [InlineData("a: 0x1F", """{"a":31}""")]
    [InlineData("a: 1_000", """{"a":1000}""")]
    [InlineData("a: -5", """{"a":-5}""")]
    [InlineData("a: 08", """{"a":8}""")]
    [InlineData("a: 1.5", """{"a":1.5}""")]
    [InlineData("a: 1e3", """{"a":1000}""")]
    [InlineData("a: yes\nb: Off\nc: 'yes'", """{"a":true,"b":false,"c":"yes"}""")]
    [InlineData("a: ~\nb: null\nc:\nd: \"\"", """{"a":null,"b":null,"c":null,"d":""}""")]
    [InlineData("a: 2024-01-02\nb: 100m\nc: 1.2.3\nd: 0.0.0.0\ne: 12:30", """{"a":"2024-01-02","b":"100m","c":"1.2.3","d":"0.0.0.0","e":"12:30"}""")]
    [InlineData("a: !!str 5", """{"a":"5"}""")]
    [InlineData("a: |\n  x\n  y\n", """{"a":"x\ny\n"}""")]
    [InlineData("base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3", """{"base":{"x":1,"y":2},"c":{"y":3,"x":1}}""")]
    [InlineData("a: &l [1, 2]\nb: *l", """{"a":[1,2],"b":[1,2]}""")]
    [InlineData("{\n\t\"a\": [true,\n\tnull, \"x\"]}", """{"a":[true,null,"x"]}""")]
    [InlineData("a: 18446744073709551615", """{"a":18446744073709551615}""")]
    [InlineData("a: 18446744073709551616", """{"a":1.8446744073709552E+19}""")]
    public void Values_mean_what_they_mean_to_kubectl(string yaml, string json)
    {
        var (_, document) = Assert.Single(YamlReader.Read(yaml));
        var expected = System.Text.Json.Nodes.JsonNode.Parse(json);
        Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(expected, System.Text.Json.Nodes.JsonNode.Parse(document.ToJsonString())), document.ToJsonString());
    }

    [Fact]
    public void A_stream_has_many_documents_and_empty_ones_do_not_count()
    {
        var documents = YamlReader.Read("---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n...\n");
        Assert.Equal([4, 8], documents.Select(document => document.Line));
    }

    [Theory]
    [InlineData("a: 1\na: 2", "line 2: key \"a\" already set in map")]
    [InlineData("a: [", "line 2: ")]
    [InlineData("a: *x", "line 1: unknown anchor 'x' referenced")]
    [InlineData("a: b: c", "line 1: ")]
    [InlineData("a:\n\t- 1", "line 1: ")]
    public void What_is_wrong_is_said_with_its_line(string yaml, string message) =>
        Assert.StartsWith(message, Assert.Throws<FormatException>(() => YamlReader.Read(yaml)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_billion_laughs_are_refused()
    {
        var yaml = "a0: &a0 [x]\n" + string.Concat(Enumerable.Range(1, 30).Select(i => $"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n"));
        Assert.Throws<FormatException>(() => YamlReader.Read(yaml));
    }
}
