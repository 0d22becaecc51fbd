using System.Text.Json.Nodes;
using Minke.Api.Core.V1;
using Minke.Server.Patching;

namespace Minke.Server.Tests.Patching;

public sealed class PatchTests
{
    [Theory]
    [InlineData("""{"a":1}""", """{"a":null}""", """{}""")]
    [InlineData("""{"a":{"b":1,"c":2}}""", """{"a":{"b":null,"d":3}}""", """{"a":{"c":2,"d":3}}""")]
    [InlineData("""{"a":[1,2]}""", """{"a":[3]}""", """{"a":[3]}""")]
    [InlineData("""{"a":1}""", """{"b":{"c":null}}""", """{"a":1,"b":{}}""")]
    [InlineData("""{"n":1.50}""", """{}""", """{"n":1.50}""")]
    public void A_merge_patch_merges(string target, string patch, string expected) =>
        Same(expected, MergePatch.Apply(JsonNode.Parse(target), JsonNode.Parse(patch)));

    [Theory]
    [InlineData("""{"a":1}""", """[{"op":"add","path":"/b","value":2}]""", """{"a":1,"b":2}""")]
    [InlineData("""{"a":[1,3]}""", """[{"op":"add","path":"/a/1","value":2}]""", """{"a":[1,2,3]}""")]
    [InlineData("""{"a":[1]}""", """[{"op":"add","path":"/a/-","value":2}]""", """{"a":[1,2]}""")]
    [InlineData("""{"a":[1,2]}""", """[{"op":"remove","path":"/a/0"}]""", """{"a":[2]}""")]
    [InlineData("""{"a/b":1}""", """[{"op":"replace","path":"/a~1b","value":2}]""", """{"a/b":2}""")]
    [InlineData("""{"a":1}""", """[{"op":"move","from":"/a","path":"/b"}]""", """{"b":1}""")]
    [InlineData("""{"a":{"x":1}}""", """[{"op":"copy","from":"/a","path":"/b"}]""", """{"a":{"x":1},"b":{"x":1}}""")]
    [InlineData("""{"a":1}""", """[{"op":"test","path":"/a","value":1}]""", """{"a":1}""")]
    [InlineData("""{"a":1}""", """[{"op":"test","path":"/b","value":null}]""", """{"a":1}""")]
    public void A_json_patch_does_what_it_says(string target, string patch, string expected) =>
        Same(expected, JsonPatch.Apply(JsonNode.Parse(target), JsonNode.Parse(patch)));

    [Theory]
    [InlineData("""[{"op":"remove","path":"/b"}]""", "remove operation does not apply: doc is missing key: /b: missing value")]
    [InlineData("""[{"op":"replace","path":"/b/c","value":1}]""", "replace operation does not apply: doc is missing path: \"/b/c\": missing value")]
    [InlineData("""[{"op":"test","path":"/a","value":2}]""", "testing value /a failed: test failed")]
    [InlineData("""[{"op":"fly","path":"/a"}]""", "Unexpected kind: fly")]
    [InlineData("""[{"op":"move","from":"/a","path":"/a/b"}]""", "move operation does not apply: /a/b is inside /a")]
    public void A_json_patch_that_does_not_fit_is_refused(string patch, string message)
    {
        var exception = Assert.Throws<PatchException>(() => JsonPatch.Apply(JsonNode.Parse("""{"a":1}"""), JsonNode.Parse(patch)));
        Assert.Equal(message, exception.Message);
        Assert.Equal(PatchFailure.Unprocessable, exception.Failure);
    }

    [Fact]
    public void A_json_patch_may_not_grow_without_bound()
    {
        var doubling = new JsonArray([.. Enumerable.Range(0, 60).Select(i => (JsonNode)new JsonObject { ["op"] = "copy", ["from"] = "", ["path"] = "/k" + i })]);
        Assert.Equal(PatchFailure.TooLarge, Assert.Throws<PatchException>(() => JsonPatch.Apply(JsonNode.Parse("""{"a":1}"""), doubling)).Failure);
    }

    public static TheoryData<string, string, string, string> Strategic => new()
    {
        {
            "a container is found by its name",
            """{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}]}}""",
            """{"spec":{"containers":[{"name":"b","image":"z"}]}}""",
            """{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"z"}]}}"""
        },
        {
            "a new container comes before those the patch does not know, after those it does",
            """{"spec":{"containers":[{"name":"a"}]}}""",
            """{"spec":{"containers":[{"name":"b"}]}}""",
            """{"spec":{"containers":[{"name":"b"},{"name":"a"}]}}"""
        },
        {
            "the order is set",
            """{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}""",
            """{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}],"containers":[{"name":"c","image":"i"}]}}""",
            """{"spec":{"containers":[{"name":"b"},{"name":"c","image":"i"},{"name":"a"}]}}"""
        },
        {
            "an item is deleted",
            """{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}""",
            """{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}""",
            """{"spec":{"containers":[{"name":"b"}]}}"""
        },
        {
            "a list is replaced",
            """{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}""",
            """{"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}}""",
            """{"spec":{"containers":[{"name":"c"}]}}"""
        },
        {
            "a map is replaced",
            """{"metadata":{"labels":{"a":"1","b":"2"}}}""",
            """{"metadata":{"labels":{"$patch":"replace","c":"3"}}}""",
            """{"metadata":{"labels":{"c":"3"}}}"""
        },
        {
            "null deletes",
            """{"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"nodeName":"n"}}""",
            """{"metadata":{"labels":{"a":null}},"spec":{"nodeName":null,"hostname":null}}""",
            """{"metadata":{"labels":{"b":"2"}},"spec":{}}"""
        },
        {
            "finalizers are a set",
            """{"metadata":{"finalizers":["a","b"]}}""",
            """{"metadata":{"finalizers":["c","a"]}}""",
            """{"metadata":{"finalizers":["c","a","b"]}}"""
        },
        {
            "values are deleted from a list of values",
            """{"metadata":{"finalizers":["a","b","c"]}}""",
            """{"metadata":{"$deleteFromPrimitiveList/finalizers":["b"]}}""",
            """{"metadata":{"finalizers":["a","c"]}}"""
        },
        {
            "only retained keys stay",
            """{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}""",
            """{"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}}""",
            """{"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}}"""
        },
        {
            "a list without a merge key is replaced",
            """{"spec":{"tolerations":[{"key":"a"}],"containers":[{"name":"c","args":["1","2"]}]}}""",
            """{"spec":{"tolerations":[{"key":"b"}],"containers":[{"name":"c","args":["3"]}]}}""",
            """{"spec":{"tolerations":[{"key":"b"}],"containers":[{"name":"c","args":["3"]}]}}"""
        },
        {
            "directives in what is new have nothing to act on",
            """{"spec":{}}""",
            """{"spec":{"containers":[{"name":"a","env":[{"name":"X","$patch":"delete"},{"name":"Y","value":"1"}],"image":null}]}}""",
            """{"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"1"}]}]}}"""
        },
    };

    [Theory, MemberData(nameof(Strategic))]
    public void A_strategic_patch_knows_its_lists(string what, string original, string patch, string expected)
    {
        Assert.NotEmpty(what);
        Same(expected, StrategicMergePatch.Apply((JsonObject)JsonNode.Parse(original)!, (JsonObject)JsonNode.Parse(patch)!, Pod.TypeSchema));
    }

    [Theory]
    [InlineData("""{"spec":{"containers":[{"image":"x"}]}}""", "map: map[image:x] does not contain declared merge key: name")]
    [InlineData("""{"metadata":{"$patch":"dance"}}""", "unknown patch type: dance in map: map[$patch:dance]")]
    [InlineData("""{"metadata":{"$patch":"merge"}}""", "unknown patch type: merge in map: map[$patch:merge]")]
    [InlineData("""{"spec":{"containers":[{"name":"a","$patch":"merge"}]}}""", "merging lists cannot yet be specified in the patch")]
    [InlineData("""{"spec":{"containers":["a"]}}""", "list element types are not identical: [[map[name:a]] [a]]")]
    [InlineData("""{"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"b"},{"name":"a"}]}}""",
        "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:a] map[name:b]]\n")]
    [InlineData("""{"spec":{"$setElementOrder/nope":[]}}""", "unable to find api field in struct PodSpec for the json field \"nope\"")]
    [InlineData("""{"spec":{"$retainKeys":["a"],"nodeName":"n"}}""", "invalid patch format of retainKeys")]
    public void A_malformed_strategic_patch_is_refused(string patch, string message) => Assert.Equal(message, Assert.Throws<PatchException>(() =>
        StrategicMergePatch.Apply((JsonObject)JsonNode.Parse("""{"metadata":{"labels":{}},"spec":{"containers":[{"name":"a"}],"nodeName":"m"}}""")!, (JsonObject)JsonNode.Parse(patch)!, Pod.TypeSchema)).Message);

    private static void Same(string expected, JsonNode? actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), actual), $"expected {expected}\nbut was  {actual?.ToJsonString()}");
}
