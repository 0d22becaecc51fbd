using Minke.Api.Core.V1;
using Minke.Api.Tests.Validation;

namespace Minke.Api.Tests.Behavior;

/// <summary>The kinds of core/v1 beside Pod, and Lease: what is refused, and what is kept from writers.</summary>
public sealed class CoreKindsTests
{
    private const string Files = "core-*.yaml";

    public static TheoryData<string> Names => Cases.Names(Files);

    [Theory]
    [MemberData(nameof(Names))]
    public void An_object_is_taken_or_refused_in_upstreams_words(string name)
    {
        var one = Cases.Find(Files, name);
        Assert.Equal(one["error"]?.GetValue<string>() ?? "", Cases.Judge(one));
    }

    [Fact]
    public void A_pod_with_gates_says_from_the_first_that_they_hold_it_back()
    {
        var made = (Pod)Cases.Create(Pod.KindInfo, Cases.Yaml("{metadata: {name: x}, spec: {schedulingGates: [{name: a}], containers: [{name: c, image: i}]}}")).Value;
        Assert.Equal(
            [("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")],
            made.Status.Conditions.Select(condition => (condition.Type, condition.Status, condition.Reason, condition.Message)));
    }

    [Fact]
    public void A_namespace_is_named_by_its_label_and_kept_by_its_finalizer()
    {
        var made = (Namespace)Cases.Create(Namespace.KindInfo, Cases.Yaml("{metadata: {name: shop}, status: {phase: Terminating}}")).Value;
        Assert.Equal("shop", made.Metadata.Labels["kubernetes.io/metadata.name"]);
        Assert.Equal(["kubernetes"], made.Spec.Finalizers);
        Assert.Equal(NamespacePhase.Active, made.Status.Phase);

        var behavior = KindBehaviors.For(Namespace.KindInfo);
        var updated = (Namespace)behavior.PrepareForUpdate(Cases.Decode(Namespace.KindInfo, Cases.Yaml("{metadata: {name: shop, labels: {a: b}}}")), made);
        Assert.Equal(["kubernetes"], updated.Spec.Finalizers);
        Assert.Equal("shop", updated.Metadata.Labels["kubernetes.io/metadata.name"]);
    }

    [Fact]
    public void Text_of_a_secret_becomes_its_data()
    {
        var secret = (Secret)Cases.Decode(Secret.KindInfo, Cases.Yaml("{metadata: {name: s}, data: {a: QQ==, b: Qg==}, stringData: {b: new}}"));
        Assert.Equal("Opaque", secret.Type);
        Assert.Equal("A"u8, secret.Data["a"]);
        Assert.Equal("new"u8, secret.Data["b"]);
        Assert.True(secret.StringData.IsEmpty);
    }

    [Fact]
    public void Spec_and_status_are_written_apart()
    {
        foreach (var kind in (KindInfo[])[Namespace.KindInfo, Minke.Api.Core.V1.Node.KindInfo, Service.KindInfo, PersistentVolumeClaim.KindInfo, ReplicationController.KindInfo, ResourceQuota.KindInfo])
        {
            var random = new Codecs.RandomObjects(new Random(7));
            var (one, other) = (kind.ReadJson(Bytes(random)), kind.ReadJson(Bytes(random)));
            var behavior = KindBehaviors.For(kind);
            Assert.Equal(Part(one, "status"), Part(behavior.PrepareForUpdate(other, one), "status"));
            Assert.Equal(Part(one, "spec"), Part(behavior.PrepareForStatusUpdate(other, one), "spec"));

            byte[] Bytes(Codecs.RandomObjects objects) => System.Text.Encoding.UTF8.GetBytes(objects.Of(kind).ToJsonString());
        }

        static string? Part(IKubeObject value, string part) => System.Text.Json.Nodes.JsonNode.Parse(Json.Write(value))![part]?.ToJsonString();
    }

    [Fact]
    public void A_dropped_field_is_told() => Assert.Equal(
        ["spec.resourceClaims: dropped, feature gate DynamicResourceAllocation is off", "spec.containers[0].resizePolicy: dropped, feature gate InPlacePodVerticalScaling is off"],
        KindBehaviors.For(Pod.KindInfo).Dropped(Cases.Decode(Pod.KindInfo, Cases.Yaml(
            "{spec: {resourceClaims: [{name: r}], containers: [{name: c, image: i, resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]}]}}"))));
}
