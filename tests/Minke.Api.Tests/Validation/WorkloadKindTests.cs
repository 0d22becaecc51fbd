namespace Minke.Api.Tests.Validation;

/// <summary>
/// The kinds that make pods and those that watch over them: pairs of an object and the whole message that refuses it; of an update when there
/// is an <c>update</c>, of a status update when there is a <c>status</c>.
/// </summary>
public sealed class WorkloadKindTests
{
    private const string Files = "workload-*.yaml";

    public static TheoryData<string> Names => Cases.Names(Files);

    [Theory]
    [MemberData(nameof(Names))]
    public void An_object_is_taken_or_refused_in_upstreams_words(string name)
    {
        var one = Cases.Find(Files, name);
        var kind = Kinds.Find(one["apiVersion"]!.GetValue<string>(), one["kind"]!.GetValue<string>())!;
        var behavior = KindBehaviors.For(kind);
        var (value, errors) = Cases.Create(kind, one["given"]!);
        if ((one["update"] ?? one["status"]) is { } change)
        {
            Assert.Equal("", Cases.Message(kind, value, errors));
            var old = value.WithMetadata(value.Metadata with { ResourceVersion = "1" });
            // What an update leaves out is as it was.
            value = Cases.Decode(kind, Cases.Merge(System.Text.Json.Nodes.JsonNode.Parse(Json.Write(old))!.AsObject(), change));
            if (one["update"] is not null)
                behavior.Validate(value = behavior.PrepareForUpdate(value, old), old, errors);
            else
                behavior.ValidateStatus(value = behavior.PrepareForStatusUpdate(value, old), old, errors);
        }
        Assert.Equal(one["error"]!.GetValue<string>(), Cases.Message(kind, value, errors));
    }
}
