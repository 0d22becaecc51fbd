using Minke.Api.Core.V1;

namespace Minke.Api.Tests.Validation;

/// <summary>Pods that Kubernetes refuses, each with the whole message it refuses them with.</summary>
public sealed class InvalidPodTests
{
    private const string Files = "pod-*.yaml";
    private const string Base = "{metadata: {name: x, namespace: shop}, spec: {containers: [{name: c, image: i}]}}";

    public static TheoryData<string> Names => Cases.Names(Files);

    [Theory]
    [MemberData(nameof(Names))]
    public void A_bad_pod_is_refused_in_upstreams_words(string name)
    {
        var one = Cases.Find(Files, name);
        var error = one["error"]!.GetValue<string>();
        one.Remove("name");
        one.Remove("error");
        var (value, errors) = Cases.Create(Pod.KindInfo, Cases.Merge(Cases.Yaml(Base), one));
        Assert.Equal(error, Cases.Message(Pod.KindInfo, value, errors));
    }

    [Fact]
    public void The_pod_they_all_differ_from_is_fine() => Assert.Empty(Cases.Create(Pod.KindInfo, Cases.Yaml(Base)).Errors);
}
