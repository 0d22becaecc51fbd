namespace Minke.Server.Tests.CustomResources;

/// <summary>What a definition must promise before it is accepted.</summary>
public sealed class DefinitionCheckTests
{
    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer","default":"x"}}}""",
        "spec.validation.openAPIV3Schema.properties[spec].properties[a].default: Invalid value: \"string\":  in body must be of type integer: \"string\"")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"object","default":{"b":1},"properties":{}}}}""",
        "spec.validation.openAPIV3Schema.properties[spec].properties[a].default: Invalid value: map[string]interface {}{\"b\":1}: must not have unknown fields")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"x-kubernetes-validations":[{"rule":"self.a"}]}""",
        "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:\"self.a\", Message:\"\", MessageExpression:\"\", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:\"\", OptionalOldSelf:(*bool)(nil)}: cel expression must evaluate to a bool")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"x-kubernetes-validations":[{"rule":"self.b > 0"}]}""",
        "compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 0\n | ....^")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{"type":"array","items":{"type":"string"}},"x-kubernetes-validations":[{"rule":"self.all(x, x.all(y, y.contains('a')))"}]}}}""",
        "spec.validation.openAPIV3Schema.properties[spec].properties[a].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"}},"x-kubernetes-validations":[{"rule":"self.a > 1","messageExpression":"'a is ' + string(self.a)"}]}""",
        "x-kubernetes-validations[0].messageExpression: Forbidden: contributed to estimated rule & messageExpression cost total exceeding cost limit for entire OpenAPIv3 schema, spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule & messageExpression cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","maxItems":3,"items":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf"}]}}}}""",
        "oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec].properties[a]")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer","x-kubernetes-validations":[{"rule":"self > 1","optionalOldSelf":true}]}}}""",
        "x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule")]
    public async Task A_schema_that_does_not_hold_what_it_says_is_refused(string spec, string expected)
    {
        await using var server = await TestServer.StartAsync();
        var refused = (await server.PostAsync(Definitions.Path, Definitions.CronTab(spec))).Expect(422);
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }
}
