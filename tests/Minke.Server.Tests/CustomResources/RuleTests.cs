namespace Minke.Server.Tests.CustomResources;

/// <summary>Rules of a schema in the Common Expression Language.</summary>
public sealed class RuleTests
{
    private const string Spec = """
        {"type":"object","properties":{
          "min":{"type":"integer"},"max":{"type":"integer"},"name":{"type":"string","maxLength":20,"x-kubernetes-validations":[{"rule":"self == oldSelf","message":"name is immutable"}]},
          "colour":{"type":"string","maxLength":10,"x-kubernetes-validations":[{"rule":"self != 'red'","message":"red is taken","reason":"FieldValueForbidden"}]},
          "ports":{"type":"array","maxItems":10,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
            "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string","maxLength":10},"port":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf","message":"may only grow"}]}}}},
          "any":{"x-kubernetes-int-or-string":true,"x-kubernetes-validations":[{"rule":"self < 10"}]},
          "once":{"type":"string","maxLength":10,"x-kubernetes-validations":[{"rule":"!oldSelf.hasValue() || self == oldSelf.value()","optionalOldSelf":true,"message":"once set it stays"}]},
          "labels":{"type":"object","maxProperties":3,"additionalProperties":{"type":"string","maxLength":9}},
          "pair":{"type":"object","x-kubernetes-map-type":"atomic","properties":{"size":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf","message":"may only grow"}]}}}
         },
         "x-kubernetes-validations":[
          {"rule":"!has(self.min) || !has(self.max) || self.min <= self.max","messageExpression":"'min is above max of ' + (has(self.name) ? self.name : 'nobody')","fieldPath":".min"},
          {"rule":"!has(self.labels) || !('bad' in self.labels)","message":"no such label","fieldPath":".labels['bad']"},
          {"rule":"!has(self.min) || self.min != 13"}]}
        """;

    [Theory]
    [InlineData("""{"min":5,"max":3}""", "spec.min: Invalid value: \"object\": min is above max of nobody")]
    [InlineData("""{"min":13}""", "spec: Invalid value: \"object\": failed rule: !has(self.min) || self.min != 13")]
    [InlineData("""{"colour":"red"}""", "spec.colour: Forbidden: red is taken")]
    [InlineData("""{"labels":{"bad":"x"}}""", "spec.labels[bad]: Invalid value: \"object\": no such label")]
    [InlineData("""{"any":"text"}""", "spec.any: Invalid value: \"\": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self < 10")]
    [InlineData("""{"any":12}""", "spec.any: Invalid value: \"\": failed rule: self < 10")]
    [InlineData("""{"min":"x","colour":"red"}""", "[spec.min: Invalid value: \"string\": spec.min in body must be of type integer: \"string\", <nil>: Invalid value: \"null\": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]")]
    public async Task A_rule_that_does_not_hold_is_told_in_its_own_words(string spec, string expected)
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(Spec));
        var refused = (await server.PostAsync(Definitions.Items, Definitions.Item("a", spec))).Expect(422);
        Assert.Equal("CronTab.stable.example.com \"a\" is invalid: " + expected, refused.Message);
    }

    [Fact]
    public async Task Rules_of_a_transition_compare_with_what_was_there()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab(Spec));
        (await server.PostAsync(Definitions.Items, Definitions.Item("a", """{"name":"x","ports":[{"name":"a","port":1},{"name":"b","port":2}]}"""))).Expect(201);
        Assert.Contains("spec.name: Invalid value: \"string\": name is immutable", (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"name":"y"}}""")).Expect(422).Message, StringComparison.Ordinal);
        // Items are found again by their keys, wherever they stand.
        Assert.Contains("spec.ports[0].port: Invalid value: \"integer\": may only grow",
            (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"ports":[{"name":"b","port":1},{"name":"a","port":1},{"name":"c","port":0}]}}""")).Expect(422).Message, StringComparison.Ordinal);
        (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"ports":[{"name":"b","port":2},{"name":"a","port":5}],"once":"1"}}""")).Expect(200);
        // A map that is applied as a whole has its members of before nevertheless.
        (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"pair":{"size":2}}}""")).Expect(200);
        Assert.Contains("spec.pair.size: Invalid value: \"integer\": may only grow", (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"pair":{"size":1}}}""")).Expect(422).Message, StringComparison.Ordinal);
        Assert.Contains("once set it stays", (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"once":"2"}}""")).Expect(422).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_wrong_already_is_warned_of_as_long_as_it_is_not_touched()
    {
        await using var server = await TestServer.StartAsync();
        await server.EstablishAsync(Definitions.CronTab("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"list":{"type":"array","maxItems":5,"items":{"type":"integer"}}}}"""));
        (await server.PostAsync(Definitions.Items, Definitions.Item("a", """{"a":5,"list":[5]}"""))).Expect(201);
        (await server.PatchAsync(Definitions.Path + "/crontabs.stable.example.com", """
            [{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/a/x-kubernetes-validations","value":[{"rule":"self < 3","message":"too much"}]},
             {"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/list/items/x-kubernetes-validations","value":[{"rule":"self < 3","message":"too much"}]},
             {"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/list/items/maximum","value":4}]
            """, "json-patch")).Expect(200);
        Reply touched;
        do
        {
            touched = await server.PatchAsync(Definitions.Items + "/a?dryRun=All", """{"spec":{"a":6}}""");
        }
        while (touched.Code == 200);
        Assert.Contains("spec.a: Invalid value: \"integer\": too much", touched.Message, StringComparison.Ordinal);
        // Items of a list without a type are found again by their index.
        Assert.Contains("spec.list[1]: Invalid value", (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"list":[5,6]}}""")).Expect(422).Message, StringComparison.Ordinal);
        var forgiven = (await server.PatchAsync(Definitions.Items + "/a", """{"spec":{"b":1,"list":[5,1]}}""")).Expect(200);
        Assert.Equal(
            ["299 - \"spec.a: Invalid value: \\\"integer\\\": too much\"", "299 - \"spec.list[0]: Invalid value: \\\"integer\\\": too much\""],
            forgiven.Warnings);
    }
}
