using Minke.Server.Apply;

namespace Minke.Server.Tests.Apply;

/// <summary>Walking, comparing, merging and taking apart of objects, by the types of their lists and maps.</summary>
public sealed class TypedTests
{
    private readonly ApplyState _state = new(ApplyState.Everything);

    [Theory]
    [InlineData("""{"numeric":1,"string":"a","bool":true}""", ".bool .numeric .string")]
    [InlineData("""{"set":["b","a"]}""", """.set[="a"] .set[="b"]""")]
    [InlineData("""{"set":[]}""", "")]
    [InlineData("""{"atomicList":["a","a"]}""", ".atomicList")]
    [InlineData("""{"atomicList":[]}""", ".atomicList")]
    [InlineData("""{"items":[{"name":"a","value":1}]}""", """.items[name="a"] .items[name="a"].name .items[name="a"].value""")]
    [InlineData("""{"ports":[{"port":1}]}""", """.ports[port=1,protocol="TCP"] .ports[port=1,protocol="TCP"].port""")]
    [InlineData("""{"map":{"a":"b"}}""", ".map.a")]
    [InlineData("""{"map":{}}""", ".map")]
    [InlineData("""{"map":null}""", ".map")]
    [InlineData("""{"atomicMap":{"a":"b"}}""", ".atomicMap")]
    [InlineData("""{"mapOfMaps":{"a":{"b":"c"}}}""", ".mapOfMaps.a .mapOfMaps.a.b")]
    [InlineData("""{"struct":{"name":"a"}}""", ".struct.name")]
    [InlineData("""{"struct":{}}""", ".struct")]
    [InlineData("""{"atomicStruct":{"name":"a"}}""", ".atomicStruct")]
    [InlineData("""{"any":{"a":[1]}}""", ".any")]
    public void An_applier_owns_the_leaves_and_items_it_mentions(string json, string paths)
    {
        using var value = _state.Typed(json);
        Assert.Equal(paths, Paths(value.Fields));
    }

    [Theory]
    [InlineData("""{"numeric":1}""", """{"numeric":1}""", "", "", "")]
    [InlineData("""{"numeric":1}""", """{"numeric":1.0}""", "", "", "")]
    [InlineData("""{"numeric":1}""", """{"numeric":2,"string":"x"}""", ".string", ".numeric", "")]
    [InlineData("""{"numeric":1}""", """{}""", "", "", ".numeric")]
    [InlineData("""{"set":["a","b"]}""", """{"set":["b","c"]}""", """.set[="c"]""", "", """.set[="a"]""")]
    [InlineData("""{"set":["a","b"]}""", """{"set":["b","a"]}""", "", "", "")]
    [InlineData("""{"atomicList":["a","b"]}""", """{"atomicList":["b","a"]}""", "", ".atomicList", "")]
    [InlineData("""{"items":[{"name":"a","value":1}]}""", """{"items":[{"name":"b"},{"name":"a","value":2}]}""",
        """.items[name="b"] .items[name="b"].name""", """.items[name="a"].value""", "")]
    [InlineData("""{}""", """{"items":[{"name":"b"}]}""", """.items .items[name="b"] .items[name="b"].name""", "", "")]
    [InlineData("""{"items":[{"name":"b"}]}""", """{"items":[]}""", "", "", """.items[name="b"] .items[name="b"].name""")]
    [InlineData("""{"ports":[{"port":1}]}""", """{"ports":[{"port":1,"protocol":"TCP"}]}""", """.ports[port=1,protocol="TCP"].protocol""", "", "")]
    [InlineData("""{"map":{"a":"1"}}""", """{"map":{"a":"2","b":"1"}}""", ".map.b", ".map.a", "")]
    [InlineData("""{"map":{}}""", """{"map":null}""", "", ".map", "")]
    [InlineData("""{"atomicMap":{"a":"1"}}""", """{"atomicMap":{"a":"2"}}""", "", ".atomicMap", "")]
    [InlineData("""{"struct":{"name":"a"}}""", """{}""", "", "", ".struct .struct.name")]
    [InlineData("""{"atomicStruct":{"name":"a","value":1}}""", """{"atomicStruct":{"value":1,"name":"a"}}""", "", "", "")]
    [InlineData("""{"items":[{"name":"a"},{"name":"a"}]}""", """{"items":[{"name":"a","value":1}]}""",
        """.items[name="a"] .items[name="a"].name .items[name="a"].value""", "", """.items[name="a"]""")]
    public void A_comparison_tells_what_was_added_modified_and_removed(string old, string @new, string added, string modified, string removed)
    {
        using var before = _state.Typed(old);
        using var after = _state.Typed(@new);
        var comparison = before.CompareTo(after);
        Assert.Equal((added, modified, removed), (Paths(comparison.Added), Paths(comparison.Modified), Paths(comparison.Removed)));
    }

    [Theory]
    [InlineData("""{"numeric":1,"string":"a"}""", """{"numeric":2}""", """{"numeric":2,"string":"a"}""")]
    [InlineData("""{"set":["a","b"]}""", """{"set":["c","a"]}""", """{"set":["c","a","b"]}""")]
    [InlineData("""{"set":["a","b","c","d"]}""", """{"set":["d","b"]}""", """{"set":["a","c","d","b"]}""")]
    [InlineData("""{"atomicList":["a"]}""", """{"atomicList":["b"]}""", """{"atomicList":["b"]}""")]
    [InlineData("""{"items":[{"name":"a","value":1},{"name":"b"}]}""", """{"items":[{"name":"c"},{"name":"a","set":["x"]}]}""",
        """{"items":[{"name":"c"},{"name":"a","value":1,"set":["x"]},{"name":"b"}]}""")]
    [InlineData("""{"map":{"a":"1"}}""", """{"map":{"b":"2"}}""", """{"map":{"a":"1","b":"2"}}""")]
    [InlineData("""{"map":{"a":"1"}}""", """{"map":null}""", """{"map":{"a":"1"}}""")]
    [InlineData("""{"map":{"a":"1"}}""", """{"map":{}}""", """{"map":{"a":"1"}}""")]
    [InlineData("""{"atomicMap":{"a":"1"}}""", """{"atomicMap":{"b":"2"}}""", """{"atomicMap":{"b":"2"}}""")]
    [InlineData("""{"struct":{"name":"a","value":1}}""", """{"struct":{"value":2}}""", """{"struct":{"name":"a","value":2}}""")]
    [InlineData("""{"any":{"a":1}}""", """{"any":[2]}""", """{"any":[2]}""")]
    [InlineData("""{"items":[{"name":"a"},{"name":"a"},{"name":"b"}]}""", """{"items":[{"name":"b","value":1}]}""",
        """{"items":[{"name":"a"},{"name":"a"},{"name":"b","value":1}]}""")]
    public void A_merge_has_what_is_applied_and_keeps_the_rest(string live, string config, string merged)
    {
        using var a = _state.Typed(live);
        using var b = _state.Typed(config);
        using var result = a.Merge(b);
        Assert.Equal(merged, ApplyState.Text(result.Json));
    }

    [Theory]
    [InlineData("""{"numeric":1,"string":"a"}""", """{"f:numeric":{}}""", """{"string":"a"}""", """{"numeric":1}""")]
    [InlineData("""{"set":["a","b"]}""", """{"f:set":{"v:\"a\"":{}}}""", """{"set":["b"]}""", """{"set":["a"]}""")]
    [InlineData("""{"items":[{"name":"a","value":1}]}""", """{"f:items":{"k:{\"name\":\"a\"}":{"f:value":{}}}}""",
        """{"items":[{"name":"a"}]}""", """{"items":[{"value":1}]}""")]
    [InlineData("""{"items":[{"name":"a","value":1}],"bool":true}""", """{"f:items":{"k:{\"name\":\"a\"}":{}}}""",
        """{"items":null,"bool":true}""", """{"items":[{"name":"a","value":1}]}""")]
    [InlineData("""{"map":{"a":"1"}}""", """{"f:map":{"f:a":{}}}""", """{"map":null}""", """{"map":{"a":"1"}}""")]
    [InlineData("""{"atomicMap":{"a":"1"},"bool":true}""", """{"f:atomicMap":{}}""", """{"bool":true}""", """{"atomicMap":{"a":"1"}}""")]
    public void Fields_can_be_taken_out_and_picked_out(string json, string fields, string without, string alone)
    {
        using var value = _state.Typed(json);
        var set = FieldsV1.Read(new(fields));
        Assert.Equal(without, ApplyState.Text(TypedRemoval.Remove(value.Root, set, value.Shape)));
        Assert.Equal(alone, ApplyState.Text(TypedRemoval.Extract(value.Root, set, value.Shape)));
    }

    [Theory]
    [InlineData("""{"nope":1}""", ".nope: field not declared in schema")]
    [InlineData("""{"numeric":"x"}""", ".numeric: expected numeric (int or float), got string")]
    [InlineData("""{"string":1}""", ".string: expected string, got &value.valueUnstructured{Value:1}")]
    [InlineData("""{"bool":"x"}""", ".bool: expected boolean, got &{x}")]
    [InlineData("""{"map":["x"]}""", ".map: expected map, got &{[x]}")]
    [InlineData("""{"atomicList":{"a":1}}""", ".atomicList: expected list, got &{map[a:1]}")]
    [InlineData("""{"set":["a","a"]}""", ".set: duplicate entries for key [=\"a\"]")]
    [InlineData("""{"set":[{}]}""", ".set: element 0: associative list without keys has an element that's a map type")]
    [InlineData("""{"set":[null]}""", ".set: element 0: associative list without keys has an element that's an explicit null")]
    [InlineData("""{"items":[{"value":1}]}""", ".items: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)")]
    [InlineData("""{"items":["x"]}""", ".items: element 0: associative list with keys may not have non-map elements")]
    [InlineData("""{"items":[null]}""", ".items: element 0: associative list with keys may not have a null element")]
    [InlineData("""{"atomicList":["a",1]}""", ".atomicList[1]: expected string, got &value.valueUnstructured{Value:1}")]
    [InlineData("""{"numeric":true,"bool":1}""", "errors:\n  .numeric: expected numeric (int or float), got bool\n  .bool: expected boolean, got &{1}")]
    public void What_does_not_fit_the_type_is_told_in_upstreams_words(string json, string problem)
    {
        using var value = _state.Typed(json);
        Assert.Equal(problem, TypedValidation.Check(value.Root, value.Shape, allowDuplicates: false));
    }

    [Fact]
    public void Without_a_schema_maps_are_owned_in_parts_and_lists_as_a_whole()
    {
        var state = new ApplyState(TypeShape.Deduced);
        using var value = state.Typed("""{"a":{"b":[1,{"c":2}],"d":{}},"e":1}""");
        Assert.Equal(".a .e .a.b .a.d", Paths(value.Fields));
        using var other = state.Typed("""{"a":{"b":{"x":1}},"e":"1"}""");
        var comparison = value.CompareTo(other);
        Assert.Equal((".a.b.x", ".e .a.b"), (Paths(comparison.Added), Paths(comparison.Modified)));
    }

    private static string Paths(FieldSet set) => string.Join(' ', set.Paths().Select(path => PathElement.ToText(path)));
}
