using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

/// <summary>HorizontalPodAutoscalers are the same objects in autoscaling/v1 and v2.</summary>
public sealed class AutoscalerTests
{
    private const string Old = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    private const string New = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    private const string Target = "\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"}";

    [Fact]
    public async Task What_the_older_form_has_no_fields_for_it_carries_in_annotations()
    {
        await using var server = await TestServer.StartAsync();
        var made = (await server.PostAsync(New, $$$$$"""
            {"metadata":{"name":"web","annotations":{"a":"b"}},"spec":{{{{{{Target}}}}},"maxReplicas":5,
             "metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":60}}},
                        {"type":"Pods","pods":{"metric":{"name":"hits"},"target":{"type":"AverageValue","averageValue":"10"}}}],
             "behavior":{"scaleUp":{"stabilizationWindowSeconds":30}}}}
            """)).Expect(201);
        (await server.PatchAsync(New + "/web/status", """
            {"status":{"currentReplicas":2,"desiredReplicas":3,
             "currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":55,"averageValue":"100m"}}}],
             "conditions":[{"type":"AbleToScale","status":"True"}]}}
            """)).Expect(200);
        var old = (await server.GetAsync(Old + "/web")).Expect(200).Json;
        Assert.Equal(60, old["spec"]!["targetCPUUtilizationPercentage"]!.GetValue<int>());
        Assert.Equal(55, old["status"]!["currentCPUUtilizationPercentage"]!.GetValue<int>());
        var annotations = old["metadata"]!["annotations"]!.AsObject();
        Assert.Equal("""[{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"10"}}]""", annotations["autoscaling.alpha.kubernetes.io/metrics"]!.GetValue<string>());
        Assert.Equal(
            """{"ScaleUp":{"StabilizationWindowSeconds":30,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},{"Type":"Percent","Value":100,"PeriodSeconds":15}]},"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}]}}""",
            annotations["autoscaling.alpha.kubernetes.io/behavior"]!.GetValue<string>());
        Assert.Equal("""[{"type":"AbleToScale","status":"True","lastTransitionTime":null}]""", annotations["autoscaling.alpha.kubernetes.io/conditions"]!.GetValue<string>());

        // Written back as it was read, it loses nothing.
        old["spec"]!["maxReplicas"] = 6;
        (await server.PutAsync(Old + "/web", old.ToJsonString())).Expect(200);
        var now = (await server.GetAsync(New + "/web")).Json;
        Assert.Equal(["a"], now["metadata"]!["annotations"]!.AsObject().Select(pair => pair.Key));
        Assert.Equal(6, now["spec"]!["maxReplicas"]!.GetValue<int>());
        Assert.Equal(made.Json["spec"]!["behavior"]!.ToJsonString(), now["spec"]!["behavior"]!.ToJsonString());
        Assert.Equal(["Pods", "Resource"], now["spec"]!["metrics"]!.AsArray().Select(metric => metric!["type"]!.GetValue<string>()));
        Assert.Equal("100m", now["status"]!["currentMetrics"]![0]!["resource"]!["current"]!["averageValue"]!.GetValue<string>());
    }

    [Fact]
    public async Task One_without_a_target_gets_eighty_percent_of_the_cpu()
    {
        await using var server = await TestServer.StartAsync();
        var old = (await server.PostAsync(Old, $$$"""{"metadata":{"name":"web"},"spec":{{{{Target}}},"maxReplicas":5}}""")).Expect(201).Json;
        Assert.Equal(80, old["spec"]!["targetCPUUtilizationPercentage"]!.GetValue<int>());
        Assert.Equal(1, old["spec"]!["minReplicas"]!.GetValue<int>());
        var table = (await server.GetAsync(Old, "application/json;as=Table;v=v1;g=meta.k8s.io")).Json;
        Assert.Equal(["web", "Deployment/web", "cpu: <unknown>/80%", "1", "5", "0"], table["rows"]![0]!["cells"]!.AsArray().Take(6).Select(cell => cell!.ToString()));
        Assert.Equal("v2", (await server.GetAsync("/apis/autoscaling")).Json["preferredVersion"]!["version"]!.GetValue<string>());
    }

    [Fact]
    public async Task Text_in_the_annotations_that_is_not_ours_does_no_harm()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var text in new[] { "{", "[1]", "7", "[{\"type\":3}]", "{\"ScaleUp\":5}", "null" })
        {
            var body = JsonNode.Parse($$$"""{"metadata":{"generateName":"web-"},"spec":{{{{Target}}},"maxReplicas":5}}""")!;
            body["metadata"]!["annotations"] = new JsonObject
            {
                ["autoscaling.alpha.kubernetes.io/metrics"] = text,
                ["autoscaling.alpha.kubernetes.io/behavior"] = text,
                ["autoscaling.alpha.kubernetes.io/conditions"] = text,
            };
            var made = (await server.PostAsync(Old, body.ToJsonString())).Expect(201);
            (await server.GetAsync($"{New}/{made.Json["metadata"]!["name"]}")).Expect(200);
        }
    }
}
