using Minke.Api.Core.V1;

namespace Minke.Api.Tests.Validation;

/// <summary>What of a pod may change and what may not, in upstream's words.</summary>
public sealed class PodUpdateTests
{
    private const string Files = "update-pod.yaml";
    private const string Base = "{metadata: {name: x, namespace: shop, resourceVersion: '1'}, spec: {containers: [{name: c, image: i}]}}";

    public static TheoryData<string> Names => Cases.Names(Files);

    [Theory]
    [MemberData(nameof(Names))]
    public void An_update_is_taken_or_refused_in_upstreams_words(string name)
    {
        var one = Cases.Find(Files, name);
        var old = (Pod)Cases.Decode(Pod.KindInfo, Cases.Merge(Cases.Yaml(Base), one["old"]));
        var pod = (Pod)Cases.Decode(Pod.KindInfo, Cases.Merge(Cases.Yaml(Base), one["new"]));
        var behavior = KindBehaviors.For(Pod.KindInfo);
        var errors = new FieldErrors();
        behavior.Validate(behavior.PrepareForUpdate(pod, old), old, errors);

        // Upstream ends with a diff in Go's notation; its text up to there is what clients can rely on.
        var message = Cases.Message(Pod.KindInfo, pod, errors);
        var error = one["error"]!.GetValue<string>();
        if (error.EndsWith("...", StringComparison.Ordinal))
            Assert.StartsWith(error[..^3] + "\n", message, StringComparison.Ordinal);
        else
            Assert.Equal(error, message);
    }

    [Fact]
    public void A_status_update_may_not_bring_back_what_ended()
    {
        var old = Of("{spec: {restartPolicy: Never, containers: [{name: c, image: i}]}, status: {containerStatuses: [{name: c, state: {terminated: {exitCode: 0}}}]}}");
        var pod = Of("{spec: {restartPolicy: Never, containers: [{name: c, image: i}]}, status: {containerStatuses: [{name: c, state: {running: {}}}]}}");
        Assert.Equal(["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"], Errors(pod, old));
    }

    [Fact]
    public void A_pod_has_one_address_of_a_family()
    {
        var old = Of("{}");
        var pod = Of("{status: {podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}}");
        Assert.Equal(["status.podIPs: Invalid value: []string{\"10.0.0.1\", \"10.0.0.2\"}: may specify no more than one IP for each IP family"], Errors(pod, old));
        Assert.Empty(Errors(Of("{status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}}"), old));
    }

    [Fact]
    public void An_ephemeral_container_stays_as_it_was()
    {
        var old = Of("{spec: {ephemeralContainers: [{name: d, image: i}]}}");
        var errors = new FieldErrors();
        KindBehaviors.For(Pod.KindInfo).ValidateSubresource("ephemeralcontainers", Of("{}"), old, errors);
        Assert.Equal("spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be removed\n", errors.ToAggregate());

        errors = new FieldErrors();
        KindBehaviors.For(Pod.KindInfo).ValidateSubresource("ephemeralcontainers", Of("{spec: {ephemeralContainers: [{name: d, image: j}]}}"), old, errors);
        Assert.StartsWith("spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be changed\n", errors.ToAggregate(), StringComparison.Ordinal);

        errors = new FieldErrors();
        KindBehaviors.For(Pod.KindInfo).ValidateSubresource("ephemeralcontainers", Of("{spec: {ephemeralContainers: [{name: d, image: i}, {name: e, image: i, targetContainerName: c}]}}"), old, errors);
        Assert.Empty(errors);
    }

    private static Pod Of(string yaml) => (Pod)Cases.Decode(Pod.KindInfo, Cases.Merge(Cases.Yaml(Base), Cases.Yaml(yaml)));

    private static IEnumerable<string> Errors(Pod pod, Pod old)
    {
        var errors = new FieldErrors();
        KindBehaviors.For(Pod.KindInfo).ValidateStatus(pod, old, errors);
        return errors.Select(error => error.ToString());
    }
}
