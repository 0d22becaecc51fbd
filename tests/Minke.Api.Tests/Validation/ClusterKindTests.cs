namespace Minke.Api.Tests.Validation;

/// <summary>
/// The kinds that say how a cluster is set up (access, networks, volumes, extensions): pairs of an object and the whole message that
/// refuses it; of an update when there is an <c>update</c>, of a status update when there is a <c>status</c>.
/// </summary>
public sealed class ClusterKindTests
{
    private const string Files = "cluster-*.yaml";

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
            Assert.Empty(errors);
            var old = value.WithMetadata(value.Metadata with { ResourceVersion = "1" });
            value = Cases.Decode(kind, change);
            value = value.WithMetadata(value.Metadata with { ResourceVersion = "1" });
            if (one["update"] is not null)
                behavior.Validate(value = behavior.PrepareForUpdate(value, old), old, errors);
            else
                behavior.ValidateStatus(value = behavior.PrepareForStatusUpdate(value, old), old, errors);
        }
        Assert.Equal(one["error"]!.GetValue<string>(), Cases.Message(kind, value, errors));
    }
}
