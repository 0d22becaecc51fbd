using System.Text.Json.Nodes;
using Minke.Api.Core.V1;
using Minke.Api.Tests.Validation;

namespace Minke.Api.Tests.Behavior;

/// <summary>What is filled in for absent fields.</summary>
public sealed class DefaultsTests
{
    private const string Files = "default-*.yaml";

    public static TheoryData<string> Names => Cases.Names(Files);

    [Theory]
    [MemberData(nameof(Names))]
    public void Absent_fields_are_filled_in(string name)
    {
        var one = Cases.Find(Files, name);
        var kind = Kinds.Find("v1", one["kind"]?.GetValue<string>() ?? "Pod")!;
        var once = Cases.Decode(kind, one["given"]!);
        AssertHas(one["expect"]!, JsonNode.Parse(Json.Write(once))!, "");

        // What is read back from disk is not defaulted into anything else.
        var twice = KindBehaviors.For(kind).Default(once.WithConstantDefaults());
        Assert.True(Json.Same(once, twice));
    }

    private static void AssertHas(JsonNode expected, JsonNode? actual, string path)
    {
        switch (expected)
        {
            case JsonObject members:
                foreach (var (key, value) in members)
                    AssertHas(value!, actual?[key], path + "." + key);
                if (members.Count == 0)
                    Assert.Equal("{}", actual?.ToJsonString());
                break;
            case JsonArray items:
                Assert.Equal(items.Count, actual?.AsArray().Count);
                for (var i = 0; i < items.Count; i++)
                    AssertHas(items[i]!, actual![i], $"{path}[{i}]");
                break;
            default:
                Assert.Equal(path + ": " + expected.ToJsonString(), path + ": " + actual?.ToJsonString());
                break;
        }
    }
}
