using System.Text;
using Minke.Api.Core.V1;

namespace Minke.Api.Tests.Validation;

/// <summary>Pods that cannot be read, or say more than a Pod has: what a strict client is told.</summary>
public sealed class BadInputTests
{
    [Theory]
    [InlineData("""{"metadata":{"name":7}}""", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string")]
    [InlineData("""{"metadata":{"labels":["a"]}}""", "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string")]
    [InlineData("""{"metadata":{"annotations":{"a":true}}}""", "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.annotations of type string")]
    [InlineData("""{"spec":[]}""", "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec")]
    [InlineData("""{"spec":{"containers":{"name":"c"}}}""", "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container")]
    [InlineData("""{"spec":{"containers":[{"command":"sh"}]}}""", "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string")]
    [InlineData("""{"spec":{"containers":[{"env":[{"name":"A","value":1}]}]}}""", "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string")]
    [InlineData("""{"spec":{"terminationGracePeriodSeconds":"30"}}""", "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64")]
    [InlineData("""{"spec":{"containers":[{"ports":[{"containerPort":80.5}]}]}}""", "json: cannot unmarshal number 80.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32")]
    [InlineData("""{"spec":{"containers":[{"securityContext":{"privileged":"true"}}]}}""", "json: cannot unmarshal string into Go struct field SecurityContext.spec.containers.securityContext.privileged of type bool")]
    public void A_value_of_the_wrong_type_is_told_in_gos_words(string json, string message) => Assert.Equal(
        message, Assert.Throws<JsonReadException>(() => Pod.KindInfo.ReadJson(Encoding.UTF8.GetBytes(json))).Message);

    [Theory]
    [InlineData("""{"spec":{"container":[]}}""", "unknown field \"spec.container\"")]
    [InlineData("""{"spec":{"containers":[{"name":"c","Image":"i"}]}}""", "unknown field \"spec.containers[0].Image\"")]
    [InlineData("""{"spec":{"volumes":[{"name":"v","configmap":{}}]}}""", "unknown field \"spec.volumes[0].configmap\"")]
    [InlineData("""{"metadata":{"label":{}},"spec":{"nodeName":"a","nodeName":"b"}}""", "unknown field \"metadata.label\"", "duplicate field \"spec.nodeName\"")]
    public void A_strict_client_hears_of_every_field_there_is_not(string json, params string[] errors)
    {
        var context = new JsonReadContext();
        Pod.KindInfo.ReadJson(Encoding.UTF8.GetBytes(json), context);
        Assert.Equal(errors, context.StrictErrors);
    }
}
