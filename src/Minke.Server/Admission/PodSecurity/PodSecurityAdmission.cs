using System.Globalization;
using Minke.Api;
using Minke.Api.Apps.V1;
using Minke.Api.Batch.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.PodSecurity;

/// <summary>
/// The Pod Security Standards as labels of a namespace ask for them: enforced on pods; warned of and put into the audit log for
/// pods and whatever has a template of them. Upstream: k8s.io/pod-security-admission, KEP-2579.
/// </summary>
internal sealed class PodSecurityAdmission(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string AuditPrefix = "pod-security.kubernetes.io/";
    private const int MaxPodsToCheck = 3000;

    private readonly Resource _namespaces = catalog.Find(Namespace.KindInfo)!;
    private readonly Resource _pods = catalog.Find(Pod.KindInfo)!;

    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        switch (request)
        {
            case { IsDelete: true }:
                break;
            case { Object: Namespace value, Subresource: "" }:
                CheckNamespace(request, value);
                break;
            case { Object: Pod pod, Subresource: "" or "ephemeralcontainers" or "resize" } when request.Old is not Pod old || IsSignificant(pod.Spec, old.Spec):
                Judge(request, pod.Metadata, pod.Spec, isPod: true);
                break;
            case { Subresource: "" } when TemplateOf(request.Object) is { } template:
                Judge(request, template.Metadata, template.Spec, isPod: false);
                break;
            default:
                break;
        }
        return default;
    }

    private void Judge(AdmissionRequest request, ObjectMeta metadata, PodSpec spec, bool isPod)
    {
        if (store.Snapshot().Get(_namespaces.Key("", request.Namespace)) is not { } entry)
            return; // NamespaceLifecycle speaks of that.
        var labels = StoredObject.Read(_namespaces, entry).Metadata.Labels;
        if (labels.IsEmpty)
            return;
        var policy = NamespacePolicy.Of(labels, new FieldErrors());
        if (isPod ? policy.IsOpen : policy.HasNothingToTell)
            return;
        if (isPod)
            request.Context.Audit?.Annotate(AuditPrefix + "enforce-policy", policy.Enforce.ToString());
        if (SecurityChecks.Evaluate(policy.Audit, metadata, spec) is { Count: > 0 } audited)
            request.Context.Audit?.Annotate(AuditPrefix + "audit-violations", $"would violate PodSecurity \"{policy.Audit}\": {string.Join(", ", audited)}");
        if (isPod && SecurityChecks.Evaluate(policy.Enforce, metadata, spec) is { Count: > 0 } violations)
            throw request.Forbidden($"violates PodSecurity \"{policy.Enforce}\": {string.Join(", ", violations)}");
        if (SecurityChecks.Evaluate(policy.Warn, metadata, spec) is { Count: > 0 } warned)
            request.Context.Warnings.Add($"would violate PodSecurity \"{policy.Warn}\": {string.Join(", ", warned)}");
    }

    private void CheckNamespace(AdmissionRequest request, Namespace value)
    {
        var errors = new FieldErrors();
        var policy = NamespacePolicy.Of(value.Metadata.Labels, errors);
        if (request.Old is not Namespace old)
        {
            if (errors.Count > 0)
                throw StatusException.Invalid(request.Kind, value.Metadata.Name, errors);
            return;
        }
        var oldErrors = new FieldErrors();
        var before = NamespacePolicy.Of(old.Metadata.Labels, oldErrors);
        if (errors.Count > 0)
        {
            // Labels that were wrong already may stay.
            var refusal = StatusException.Invalid(request.Kind, value.Metadata.Name, errors);
            if (oldErrors.Count == 0 || StatusException.Invalid(request.Kind, value.Metadata.Name, oldErrors).Message != refusal.Message)
                throw refusal;
        }
        var isStricter = policy.Enforce != before.Enforce && policy.Enforce.Level != SecurityLevel.Privileged
            && (policy.Enforce.Minor != before.Enforce.Minor || policy.Enforce.Level > before.Enforce.Level);
        if (isStricter)
            request.Context.Warnings.AddRange(WarningsOfPods(value.Metadata.Name, policy.Enforce));
    }

    /// <summary>Which of the pods that are there would not be let in any more; those alike are told together.</summary>
    private IEnumerable<string> WarningsOfPods(string @namespace, LeveledVersion enforce)
    {
        var alike = new SortedDictionary<string, (string First, int Count)>(StringComparer.Ordinal);
        var (total, seen) = (0, 0);
        foreach (var entry in store.Snapshot().Range(_pods.ListPrefix(@namespace)))
        {
            total++;
            if (seen == MaxPodsToCheck)
                continue;
            seen++;
            var pod = (Pod)StoredObject.Read(_pods, entry);
            var reasons = string.Join(", ", SecurityChecks.Evaluate(enforce, pod.Metadata, pod.Spec).Select(violation => violation.Reason));
            if (reasons.Length > 0)
                alike[reasons] = alike.TryGetValue(reasons, out var others) ? (others.First, others.Count + 1) : (pod.Metadata.Name, 1);
        }
        if (seen < total)
            yield return string.Create(CultureInfo.InvariantCulture, $"new PodSecurity enforce level only checked against the first {seen} of {total} existing pods");
        if (alike.Count == 0)
            yield break;
        yield return $"existing pods in namespace \"{@namespace}\" violate the new PodSecurity enforce level \"{enforce}\"";
        foreach (var warning in alike.Select(pair => Told(pair.Value, pair.Key)).Order(StringComparer.Ordinal))
            yield return warning;
    }

    private static string Told((string First, int Count) pods, string reasons) => pods.Count switch
    {
        1 => $"{pods.First}: {reasons}",
        2 => $"{pods.First} (and 1 other pod): {reasons}",
        _ => string.Create(CultureInfo.InvariantCulture, $"{pods.First} (and {pods.Count - 1} other pods): {reasons}"),
    };

    /// <summary>More than what may change without concern: images, tolerations, deadline.</summary>
    private static bool IsSignificant(PodSpec now, PodSpec before)
    {
        static PodSpec Rest(PodSpec spec) => spec with
        {
            ActiveDeadlineSeconds = null,
            Tolerations = default,
            Containers = spec.Containers.Map(container => container with { Image = "" }),
            InitContainers = spec.InitContainers.Map(container => container with { Image = "" }),
            EphemeralContainers = spec.EphemeralContainers.Map(container => container with { Image = "" }),
        };
        return !ReferenceEquals(now, before) && !Json.Same(Rest(now), Rest(before));
    }

    private static PodTemplateSpec? TemplateOf(IKubeObject? value) => value switch
    {
        PodTemplate one => one.Template,
        ReplicationController one => one.Spec.Template,
        ReplicaSet one => one.Spec.Template,
        Deployment one => one.Spec.Template,
        DaemonSet one => one.Spec.Template,
        StatefulSet one => one.Spec.Template,
        Job one => one.Spec.Template,
        CronJob one => one.Spec.JobTemplate.Spec.Template,
        _ => null,
    };
}
