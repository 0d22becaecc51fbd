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
        Assert.Equal(one["error"]!.GetValue<string>(), Cases.Judge(one));
    }
}
