using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Cli.Manifests;

namespace Minke.Cli.Tests.Manifests;

public class ThreeWayPatchTests
{
    /// <summary>A kind with a merged list of maps, a merged list of values, and a plain list.</summary>
    private static readonly TypeSchema Spec = Schema("Spec",
        List("containers", Container, merged: true, key: "name"), List("finalizers", null, merged: true), List("args", null, merged: false));

    private static TypeSchema Container() => Schema("Container", List("args", null, merged: false));

    private static readonly TypeSchema Kind = Schema("Kind", new FieldSchema
    {
        JsonName = "spec",
        Type = new TypeRef { Type = SchemaType.Struct, StructFactory = () => Spec },
    });

    [Theory]
    [InlineData("{}", """{"spec":{"a":1}}""", """{"spec":{"a":1}}""")]
    [InlineData("""{"spec":{"a":1,"b":2}}""", """{"spec":{"a":1}}""", """{"spec":{"a":1,"b":null}}""")]
    [InlineData("""{"spec":{"args":["x","y"]}}""", """{"spec":{"args":["x"]}}""", """{"spec":{"args":["x"]}}""")]
    [InlineData("""{"spec":{"finalizers":["x","y"]}}""", """{"spec":{"finalizers":["x"]}}""",
        """{"spec":{"finalizers":["x"],"$deleteFromPrimitiveList/finalizers":["y"]}}""")]
    [InlineData("""{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}""", """{"spec":{"containers":[{"name":"b"}]}}""",
        """{"spec":{"containers":[{"name":"b"},{"name":"a","$patch":"delete"}]}}""")]
    [InlineData("""{"spec":{"containers":[{"name":"a","image":"i","tty":true}]}}""", """{"spec":{"containers":[{"name":"a","image":"j"}]}}""",
        """{"spec":{"containers":[{"name":"a","image":"j","tty":null}]}}""")]
    public void What_was_said_before_and_is_said_no_more_is_removed(string before, string now, string patch) =>
        Assert.Equal(patch, ThreeWayPatch.Make(Object(before), Object(now), Kind).ToJsonString());

    [Fact]
    public void Lists_of_unknown_kinds_are_replaced() =>
        Assert.Equal("""{"spec":{"containers":[{"name":"b"}]}}""", ThreeWayPatch.Make(
            Object("""{"spec":{"containers":[{"name":"a"}]}}"""), Object("""{"spec":{"containers":[{"name":"b"}]}}"""), schema: null).ToJsonString());

    private static JsonObject Object(string json) => (JsonObject)JsonNode.Parse(json)!;

    private static TypeSchema Schema(string name, params FieldSchema[] fields) => new(name, name, "", false, "", "", fields);

    private static FieldSchema List(string name, Func<TypeSchema>? item, bool merged, string key = "") => new()
    {
        JsonName = name,
        IsMerged = merged,
        MergeKey = key,
        Type = new TypeRef
        {
            Type = SchemaType.List,
            Element = item is null ? new TypeRef { Type = SchemaType.String } : new TypeRef { Type = SchemaType.Struct, StructFactory = item },
        },
    };
}
