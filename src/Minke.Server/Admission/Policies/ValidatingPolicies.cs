using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.Policies;

/// <summary>
/// ValidatingAdmissionPolicies, as their bindings put them in force. All is read from memory when a write comes, so a policy holds from the
/// write that made it on; compiled once for each version of it.
/// </summary>
internal sealed class ValidatingPolicies(IStateStore store, ResourceCatalog catalog, Authorizer authorizer) : IAdmission
{
    private const int MaxAnnotationLength = 10 * 1024;

    private readonly Resource? _policies = catalog.Find(ValidatingAdmissionPolicy.KindInfo);
    private readonly Resource? _bindings = catalog.Find(ValidatingAdmissionPolicyBinding.KindInfo);
    private readonly RequestMatcher _matcher = new(store, catalog);
    private readonly PolicyParameters _parameters = new(store, catalog);

    // Objects of the store are shared as long as they are current: so is what was compiled of them.
    private readonly ConditionalWeakTable<ValidatingAdmissionPolicy, CompiledPolicy> _compiled = [];

    private sealed record Denial(ValidatingAdmissionPolicy Policy, ValidatingAdmissionPolicyBinding? Binding, string Message, string? Reason);

    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (_policies is null || _bindings is null)
            return default;
        var snapshot = store.Snapshot();
        // The usual cluster has none, and pays one look-up.
        if (snapshot.Count(_bindings.Prefix) == 0 || RequestMatcher.IsExempt(request))
            return default;

        var bindings = snapshot.Range(_bindings.Prefix).Select(entry => (ValidatingAdmissionPolicyBinding)StoredObject.Read(_bindings, entry)).ToList();
        var denials = new List<Denial>();
        var activation = new AdmissionActivation(request, () => _matcher.NamespaceOf(request), authorizer);
        foreach (var entry in snapshot.Range(_policies.Prefix))
        {
            var policy = (ValidatingAdmissionPolicy)StoredObject.Read(_policies, entry);
            var own = bindings.FindAll(binding => binding.Spec.PolicyName == policy.Metadata.Name);
            if (own.Count > 0 && policy.Spec.MatchConstraints is { } constraints && _matcher.Matches(request, constraints))
                Enforce(request, policy, own, activation, denials, cancellationToken);
        }
        return denials.Count == 0 ? default : throw Refusal(request, denials[0]);
    }

    private void Enforce(
        AdmissionRequest request, ValidatingAdmissionPolicy policy, List<ValidatingAdmissionPolicyBinding> bindings, AdmissionActivation activation,
        List<Denial> denials, CancellationToken cancellationToken)
    {
        var spec = policy.Spec;
        Resource? parameterKind = null;
        if (spec.ParamKind is { } kind && (parameterKind = _parameters.FindKind(kind)) is null)
        {
            var slash = kind.ApiVersion.IndexOf('/', StringComparison.Ordinal);
            var shown = slash < 0 ? $"/{kind.ApiVersion}" : kind.ApiVersion;
            Misconfigured(policy, null, $"failed to configure policy: failed to find resource referenced by paramKind: '{shown}, Kind={kind.Kind}'", denials);
            return;
        }

        var compiled = _compiled.GetValue(policy, static policy => new CompiledPolicy(policy.Spec));
        var published = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var binding in bindings)
        {
            if (binding.Spec.MatchResources is { } constraints && !_matcher.Matches(request, constraints))
                continue;
            try
            {
                foreach (var parameters in _parameters.Collect(parameterKind, binding.Spec.ParamRef, request.Namespace))
                {
                    var (decisions, annotations) = compiled.Judge(activation, parameters, cancellationToken);
                    foreach (var decision in decisions.Where(decision => decision.IsDenied))
                        Act(request, policy, binding, decision, denials);
                    foreach (var annotation in annotations)
                        Annotate(policy, binding, annotation, published, denials);
                }
            }
            catch (PolicyConfigurationException error)
            {
                Misconfigured(policy, binding, $"failed to configure binding: {error.Message}", denials);
            }
        }
        foreach (var (key, values) in published)
            request.Context.Audit?.Annotate($"{policy.Metadata.Name}/{key}", string.Join(", ", values));
    }

    private static void Act(
        AdmissionRequest request, ValidatingAdmissionPolicy policy, ValidatingAdmissionPolicyBinding binding, PolicyDecision decision, List<Denial> denials)
    {
        foreach (var action in binding.Spec.ValidationActions)
        {
            switch (action)
            {
                case ValidationAction.Deny:
                    denials.Add(new(policy, binding, decision.Message, decision.Reason));
                    break;
                case ValidationAction.Warn:
                    request.Context.Warnings.Add(
                        $"Validation failed for ValidatingAdmissionPolicy '{policy.Metadata.Name}' with binding '{binding.Metadata.Name}': {decision.Message}");
                    break;
                case ValidationAction.Audit:
                    request.Context.Audit?.Annotate("validation.policy.admission.k8s.io/validation_failure", Failure(binding, decision));
                    break;
            }
        }
    }

    private static string Failure(ValidatingAdmissionPolicyBinding binding, PolicyDecision decision) => new JsonArray(new JsonObject
    {
        ["message"] = decision.Message,
        ["policy"] = binding.Spec.PolicyName,
        ["binding"] = binding.Metadata.Name,
        ["expressionIndex"] = decision.Index,
        ["validationActions"] = new JsonArray([.. binding.Spec.ValidationActions.Select(action => (JsonNode)JsonValue.Create(action))]),
    }).ToJsonString();

    private static void Annotate(
        ValidatingAdmissionPolicy policy, ValidatingAdmissionPolicyBinding binding, PolicyAnnotation annotation,
        SortedDictionary<string, List<string>> published, List<Denial> denials)
    {
        if (annotation.Error is { } error)
        {
            denials.Add(new(policy, binding, error, null));
            return;
        }
        var value = annotation.Value!.Length > MaxAnnotationLength ? annotation.Value[..MaxAnnotationLength] : annotation.Value;
        if (!published.TryGetValue(annotation.Key, out var values))
            published[annotation.Key] = values = [];
        if (!values.Contains(value))
            values.Add(value);
    }

    private static void Misconfigured(ValidatingAdmissionPolicy policy, ValidatingAdmissionPolicyBinding? binding, string message, List<Denial> denials)
    {
        if (policy.Spec.FailurePolicy != FailurePolicyType.Ignore)
            denials.Add(new(policy, binding, message, null));
    }

    private static StatusException Refusal(AdmissionRequest request, Denial denial)
    {
        var with = denial.Binding is { } binding ? $" with binding '{binding.Metadata.Name}'" : "";
        var message = $"ValidatingAdmissionPolicy '{denial.Policy.Metadata.Name}'{with} denied request: {denial.Message}";
        var reason = denial.Reason is { Length: > 0 } own ? own : StatusReason.Invalid;
        var status = request.Forbidden(message).Status;
        return new StatusException(status with
        {
            Reason = reason,
            Code = reason switch
            {
                StatusReason.Forbidden => 403,
                StatusReason.Unauthorized => 401,
                StatusReason.RequestEntityTooLarge => 413,
                _ => 422,
            },
            Details = status.Details! with { Causes = [new StatusCause { Message = message }] },
        });
    }
}
