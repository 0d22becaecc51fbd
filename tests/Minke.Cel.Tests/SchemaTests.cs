using System.Text.Json;
using Minke.Cel.Schemas;
using Minke.Cel.Types;

namespace Minke.Cel.Tests;

public class SchemaTests
{
    private sealed record Schema(string Type) : ICelSchema
    {
        public string Format { get; init; } = "";
        public bool IsNullable { get; init; }
        public bool IsIntOrString { get; init; }
        public bool IsEmbeddedResource { get; init; }
        public bool PreservesUnknownFields { get; init; }
        public ICelSchema? Items { get; init; }
        public IReadOnlyDictionary<string, ICelSchema>? Properties { get; init; }
        public ICelSchema? AdditionalProperties { get; init; }
        public IReadOnlyList<string> Required { get; init; } = [];
        public IReadOnlyList<string> EnumStrings { get; init; } = [];
        public bool HasDefault { get; init; }
        public long? MaxLength { get; init; }
        public long? MaxItems { get; init; }
        public long? MaxProperties { get; init; }
        public string ListType { get; init; } = "";
        public IReadOnlyList<string> ListMapKeys { get; init; } = [];
    }

    private static readonly Schema Text = new("string"), Number = new("integer");

    private static readonly Schema Root = new("object")
    {
        Properties = new Dictionary<string, ICelSchema>
        {
            ["replicas"] = Number,
            ["my-name"] = Text,
            ["namespace"] = Text,
            ["port"] = new Schema("") { IsIntOrString = true },
            ["labels"] = new Schema("object") { AdditionalProperties = Text },
            ["set"] = new Schema("array") { Items = Text, ListType = "set" },
            ["keyed"] = new Schema("array")
            {
                Items = new Schema("object") { Properties = new Dictionary<string, ICelSchema> { ["k"] = Text, ["v"] = Number } },
                ListType = "map",
                ListMapKeys = ["k"],
            },
            ["when"] = new Schema("string") { Format = "date-time" },
            ["wait"] = new Schema("string") { Format = "duration" },
            ["raw"] = new Schema("string") { Format = "byte" },
            ["ratio"] = new Schema("number"),
            ["maybe"] = new Schema("string") { IsNullable = true },
            ["inner"] = new Schema("object") { IsEmbeddedResource = true, PreservesUnknownFields = true },
            ["free"] = new Schema("") { PreservesUnknownFields = true },
        },
    };

    private const string Json = """
        {"apiVersion":"x/v1","kind":"X","metadata":{"name":"a","labels":{"q":"r"}},
         "replicas":3,"my-name":"n","namespace":"ns","port":"http","labels":{"app":"web"},"set":["a","b"],
         "keyed":[{"k":"1","v":1},{"k":"2","v":2}],"when":"2024-01-01T00:00:00Z","wait":"1h","raw":"aGk=","ratio":1,"maybe":null,
         "inner":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"x":1}},"free":{"z":1}}
        """;

    [Theory]
    [InlineData("self.replicas + 1", "4")]
    [InlineData("self.my__dash__name", "\"n\"")]
    [InlineData("self.__namespace__", "\"ns\"")]
    [InlineData("type(self.port) == string && self.port == 'http'", "true")]
    [InlineData("self.labels['app']", "\"web\"")]
    [InlineData("self.labels.app", "\"web\"")]
    [InlineData("self.set == ['b', 'a']", "true")]
    [InlineData("self.set + ['a', 'c']", "[\"a\", \"b\", \"c\"]")]
    [InlineData("self.keyed.exists(x, x.k == '2' && x.v == 2)", "true")]
    [InlineData("size(self.keyed + self.keyed)", "2")]
    [InlineData("self.when.getFullYear()", "2024")]
    [InlineData("self.wait == duration('60m')", "true")]
    [InlineData("self.raw == b'hi'", "true")]
    [InlineData("self.ratio == 1.0", "true")]
    [InlineData("has(self.maybe)", "false")]
    [InlineData("self.maybe.size() > 0", "error: no such key: maybe")]
    [InlineData("self.maybe == null", "ERROR: <input>:1:12: found no matching overload for '_==_' applied to '(string, null)'\\n | self.maybe == null\\n | ...........^")]
    [InlineData("self.metadata.name", "\"a\"")]
    [InlineData("self.inner.metadata.name + self.inner.kind", "\"pPod\"")]
    [InlineData("self.metadata.labels", "ERROR: <input>:1:14: undefined field 'labels'\\n | self.metadata.labels\\n | .............^")]
    [InlineData("self.free", "ERROR: <input>:1:5: undefined field 'free'\\n | self.free\\n | ....^")]
    [InlineData("self.inner.spec", "ERROR: <input>:1:11: undefined field 'spec'\\n | self.inner.spec\\n | ..........^")]
    [InlineData("self.labels == self.labels && self.keyed == self.keyed", "true")]
    [InlineData("self == self", "false")] // A field that is null equals nothing, itself included: as upstream has it.
    public void Fields_are_what_the_schema_says(string rule, string expected)
    {
        var type = SchemaTypes.Of(Root, "selfType", isResource: true)!;
        var compilation = CelEnvironment.Create().With(("self", type)).Compile(rule);
        var root = Root with { IsEmbeddedResource = true };
        var shown = compilation.Program is null
            ? compilation.ErrorText.Replace("\n", "\\n", StringComparison.Ordinal)
            : Eval.Show(compilation.Program.Evaluate(
                Activation.Of(("self", SchemaValues.Read(JsonDocument.Parse(Json).RootElement, root))), cancellationToken: TestContext.Current.CancellationToken).Value);
        Assert.Equal(expected, shown);
    }

    [Fact]
    public void Lengths_come_from_the_schema_or_from_how_large_a_request_can_be()
    {
        Assert.Equal(40, SchemaTypes.Of(new Schema("string") { MaxLength = 10 }, "x", false)!.MaxElements);
        Assert.Equal(3, SchemaTypes.Of(new Schema("string") { EnumStrings = ["a", "abc"] }, "x", false)!.MaxElements);
        Assert.Equal(3145726, SchemaTypes.Of(Text, "x", false)!.MaxElements);
        Assert.Equal(3145726 / 2, SchemaTypes.Of(new Schema("array") { Items = Number }, "x", false)!.MaxElements);
        Assert.Equal(7, SchemaTypes.Of(new Schema("array") { Items = Number, MaxItems = 7 }, "x", false)!.MaxElements);
        Assert.Null(SchemaTypes.Of(new Schema("array"), "x", false));
        Assert.Null(SchemaTypes.Of(new Schema("") { PreservesUnknownFields = true }, "x", false));
    }

    [Theory]
    [InlineData("a", "a")]
    [InlineData("a-b.c/d", "a__dash__b__dot__c__slash__d")]
    [InlineData("a__b", "a__underscores__b")]
    [InlineData("in", "__in__")]
    [InlineData("namespace", "__namespace__")]
    [InlineData("_x_", "_x_")]
    [InlineData("9a", null)]
    [InlineData("a$", null)]
    public void Properties_are_spelt_as_identifiers(string name, string? escaped)
    {
        Assert.Equal(escaped, PropertyNames.Escape(name));
        if (escaped is not null)
            Assert.Equal(name, PropertyNames.Unescape(escaped));
    }
}
