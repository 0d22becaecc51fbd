using System.Text;
using Minke.Api.Core.V1;

namespace Minke.Api.Tests.Codecs;

public sealed class StrictReadTests
{
    [Fact]
    public void All_unknown_and_duplicate_fields_are_reported_in_one_pass()
    {
        var context = new JsonReadContext();
        Pod.KindInfo.ReadJson("""
            {"kind":"Pod","apiVersion":"v1","bogus":1,"metadata":{"name":"a","name":"b","labels":{"x":"1","x":"2"}},
             "spec":{"containers":[{"name":"c","imagee":"i"},{"name":"d","ports":[{"containerPort":1,"extra":{"a":[1]}}]}],"hostNetwork":true,"hostNetwork":false}}
            """u8, context);
        Assert.Equal(
        [
            "unknown field \"bogus\"",
            "duplicate field \"metadata.name\"",
            "duplicate field \"metadata.labels.x\"",
            "unknown field \"spec.containers[0].imagee\"",
            "unknown field \"spec.containers[1].ports[0].extra\"",
            "duplicate field \"spec.hostNetwork\"",
        ], context.StrictErrors);
    }

    [Theory]
    [InlineData("""{"spec":{"containers":"x"}}""", "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container")]
    [InlineData("""{"spec":{"containers":[{"ports":[{"containerPort":"http"}]}]}}""", "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32")]
    [InlineData("""{"spec":{"hostNetwork":"yes"}}""", "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool")]
    [InlineData("""{"metadata":{"labels":{"a":1}}}""", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string")]
    [InlineData("""{"spec":{"containers":[{"resources":{"limits":{"cpu":"1x"}}}]}}""", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    public void A_value_of_the_wrong_type_is_told_in_gos_words(string json, string message) => Assert.Equal(
        message, Assert.Throws<JsonReadException>(() => Pod.KindInfo.ReadJson(Encoding.UTF8.GetBytes(json))).Message);

    [Fact]
    public void Null_is_the_zero_value()
    {
        var pod = (Pod)Pod.KindInfo.ReadJson("""{"metadata":null,"spec":{"containers":[null],"nodeName":null,"activeDeadlineSeconds":null}}"""u8);
        Assert.Equal("", pod.Spec.Containers[0].Name);
        Assert.Null(pod.Spec.ActiveDeadlineSeconds);
    }

    [Fact]
    public void Depth_is_limited()
    {
        var deep = "{\"metadata\":{\"managedFields\":[{\"fieldsV1\":" + string.Concat(Enumerable.Repeat("{\"a\":", 500)) + "1" + new string('}', 500) + "}]}}";
        Assert.Throws<JsonReadException>(() => Pod.KindInfo.ReadJson(Encoding.UTF8.GetBytes(deep)));
    }
}
