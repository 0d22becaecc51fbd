using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.CustomResources;
using Minke.Server.CustomResources.Schemas;

namespace Minke.Server.Tests.CustomResources;

/// <summary>Any schema over any object: nothing breaks, and what is said of the outcome holds.</summary>
public sealed class SchemaFuzzTests
{
    private const int Rounds = 3000;

    [Fact]
    public void Any_object_under_any_schema_is_pruned_defaulted_and_judged()
    {
        for (var seed = 0; seed < Rounds; seed++)
        {
            var random = new Random(seed);
            var schema = StructuralSchema.Of((JSONSchemaProps?)Schema(random, 4));
            var value = Value(random, 5);
            Pruning.Prune(value, schema, []);
            Pruning.DropNulls(value, schema);
            var pruned = JsonTree.Write(value);
            var again = new List<string>();
            Pruning.Prune(value, schema, again);
            Assert.True(again.Count == 0, $"seed {seed}: pruning twice finds {string.Join(',', again)}");
            Assert.Equal(pruned, JsonTree.Write(value));

            Defaulting.Default(value, schema);
            var defaulted = JsonTree.Write(value);
            Defaulting.Default(value, schema);
            Assert.True(defaulted.AsSpan().SequenceEqual(JsonTree.Write(value)), $"seed {seed}: defaulting twice changes something");

            var errors = new FieldErrors();
            SchemaValidator.Validate(value, schema, errors);
            // What is wrong already is forgiven when nothing changes.
            var forgiven = new FieldErrors();
            SchemaValidator.ValidateUpdate(value, value?.DeepClone(), hasOld: true, schema, forgiven);
            Assert.Empty(forgiven);
            ListTypes.Validate(value, schema);
            EmbeddedMetadata.Validate(value, schema, errors);
            Assert.All(errors, error => Assert.False(string.IsNullOrEmpty(error.Body)));
            // The canonical form is one.
            Assert.Equal(defaulted, JsonTree.Write(JsonTree.Parse(defaulted)));
        }
    }

    [Theory]
    [InlineData(@"^\d+$", "12", true), InlineData(@"^\d+$", "12\n", false), InlineData(@"^\d+$", "\u0663", false), InlineData("[[:alpha:]]+", "1a", true)]
    [InlineData("^(?P<x>a)$", "a", true), InlineData(@"\Aa\z", "a", true), InlineData(@"^[^\s]+$", "a b", false), InlineData("(?i)^A$", "a", true)]
    [InlineData(@"^\Q.*\E$", ".*", true), InlineData("^[]a]+$", "]a", true), InlineData("^[a[b]+$", "a[b", true), InlineData(@"^\pL+$", "ä", true)]
    public void Patterns_mean_what_they_mean_in_Go(string pattern, string text, bool expected) => Assert.Equal(expected, new SchemaPattern(pattern).IsMatch(text));

    [Theory]
    [InlineData(1.5, "1.5"), InlineData(0.1, "0.1"), InlineData(1e21, "1e+21"), InlineData(1000000.0, "1e+06"), InlineData(123456.5, "123456.5"), InlineData(1e-7, "1e-07"), InlineData(-2.25, "-2.25"), InlineData(123456789.0, "1.23456789e+08")]
    public void Numbers_are_shown_as_Go_shows_them(double value, string expected) => Assert.Equal(expected, GoSyntax.Number(value));

    private static JSONSchemaProps Schema(Random random, int depth)
    {
        var type = depth == 0 ? random.Next(4) : random.Next(6);
        var schema = new JSONSchemaProps { Type = type switch { 0 => "string", 1 => "integer", 2 => "number", 3 => "boolean", 4 => "array", _ => "object" }, Nullable = random.Next(4) == 0 };
        if (random.Next(3) == 0)
            schema = schema with { Default = new RawJson(JsonTree.Write(Value(random, depth))) };
        if (random.Next(8) == 0)
            schema = schema with { Enum = [new RawJson(JsonTree.Write(Value(random, 1))), new RawJson("\"a\"")] };
        if (depth > 0 && random.Next(6) == 0)
            schema = schema with { AnyOf = [Schema(random, 0), Schema(random, 0)], Not = random.Next(2) == 0 ? Schema(random, 0) : null };
        if (depth > 0 && random.Next(6) == 0)
            schema = schema with { OneOf = [Schema(random, 0), Schema(random, 0)], AllOf = [Schema(random, 0)] };
        return type switch
        {
            0 => schema with { MaxLength = Maybe(random), MinLength = Maybe(random), Pattern = random.Next(4) == 0 ? "^[a-c]*$" : "", Format = random.Next(4) == 0 ? "date-time" : "" },
            1 or 2 => schema with { Maximum = Maybe(random), Minimum = Maybe(random), MultipleOf = random.Next(4) == 0 ? 0.5 + random.Next(3) : null, ExclusiveMaximum = random.Next(2) == 0 },
            4 => schema with
            {
                Items = new() { Schema = Schema(random, depth - 1) },
                MaxItems = Maybe(random),
                XKubernetesListType = random.Next(3) switch { 0 => "set", 1 => "map", _ => null },
                XKubernetesListMapKeys = ["a"],
            },
            5 => schema with
            {
                Properties = random.Next(3) == 0 ? default : Enumerable.Range(0, random.Next(4)).Select(i => KeyValuePair.Create(((char)('a' + i)).ToString(), Schema(random, depth - 1))).ToApiMap(),
                AdditionalProperties = random.Next(4) == 0 ? new() { Allows = true, Schema = random.Next(2) == 0 ? Schema(random, depth - 1) : null } : null,
                XKubernetesPreserveUnknownFields = random.Next(4) == 0 ? true : null,
                XKubernetesEmbeddedResource = random.Next(6) == 0,
                Required = random.Next(3) == 0 ? ["a"] : default,
                MinProperties = Maybe(random),
                MaxProperties = Maybe(random),
            },
            _ => schema,
        };
    }

    private static long? Maybe(Random random) => random.Next(3) == 0 ? random.Next(4) : null;

    private static JsonNode? Value(Random random, int depth)
    {
        switch (depth == 0 ? random.Next(6) : random.Next(9))
        {
            case 0:
                return null;
            case 1:
                return JsonValue.Create(random.Next(2) == 0);
            case 2:
                return JsonValue.Create((long)random.Next(-3, 6));
            case 3:
                return JsonValue.Create(random.Next(-3, 6) + 0.25);
            case 4 or 5:
                return JsonValue.Create(random.Next(3) switch { 0 => "", 1 => "abc", _ => "2026-01-02T03:04:05Z" });
            case 6:
                return new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(random, depth - 1))]);
            default:
                var members = new JsonObject();
                foreach (var name in (string[])["a", "b", "c", "d", "metadata", "kind", "apiVersion"])
                {
                    if (random.Next(2) == 0)
                        members[name] = Value(random, depth - 1);
                }
                return members;
        }
    }
}
