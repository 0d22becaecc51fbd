using System.Text;
using Minke.Api.Core.V1;

namespace Minke.Api.Tests.Behavior;

public sealed class PodWarningsTests
{
    [Fact]
    public void Fields_that_nothing_acts_on_are_told_when_a_pod_is_made()
    {
        var pod = Read("""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"securityContext":{"seLinuxOptions":{"level":"s0"}},"containers":[
              {"name":"a","image":"app:1"},
              {"name":"b","image":"app:1","resources":{"limits":{"ephemeral-storage":"1Gi"}}}]}}
            """);
        Assert.Equal(
            [
                "spec.securityContext.seLinuxOptions: accepted but not acted on by Minke yet",
                "spec.containers[1].resources.limits[ephemeral-storage]: accepted but not acted on by Minke yet: the disk space of containers is not limited",
            ],
            KindBehaviors.For(Pod.KindInfo).Warnings(pod, null));
        Assert.Empty(KindBehaviors.For(Pod.KindInfo).Warnings(pod, pod));
    }

    [Fact]
    public void An_ordinary_pod_warns_of_nothing() => Assert.Empty(KindBehaviors.For(Pod.KindInfo).Warnings(
        Read("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"a","image":"app:1","resources":{"limits":{"memory":"1Gi"}}}]}}"""), null));

    private static IKubeObject Read(string json) => KindBehaviors.For(Pod.KindInfo).Default(Pod.KindInfo.ReadJson(Encoding.UTF8.GetBytes(json)));
}
