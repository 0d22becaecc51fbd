using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.Policies;

/// <summary>Whether the rules and selectors of a policy, a binding or a webhook mean a request.</summary>
internal sealed class RequestMatcher(IStateStore store, ResourceCatalog catalog)
{
    private readonly Resource _namespaces = catalog.Find(Namespace.KindInfo)!;

    /// <summary>Configuration of admission is never its subject: a mistake in it could not be taken back.</summary>
    public static bool IsExempt(AdmissionRequest request) => request.Kind.Group == "admissionregistration.k8s.io"
        && request.Kind.Plural is "validatingwebhookconfigurations" or "mutatingwebhookconfigurations" or "validatingadmissionpolicies"
            or "validatingadmissionpolicybindings";

    public bool Matches(AdmissionRequest request, MatchResources constraints)
    {
        if (!MatchesRules(request, constraints.ResourceRules, constraints.MatchPolicy, whenNone: true))
            return false;
        if (MatchesRules(request, constraints.ExcludeResourceRules, constraints.MatchPolicy, whenNone: false))
            return false;
        return MatchesNamespace(request, constraints.NamespaceSelector) && MatchesObject(request, constraints.ObjectSelector);
    }

    /// <summary>The namespace a request is about, which for a namespace itself is none.</summary>
    public Namespace? NamespaceOf(AdmissionRequest request) =>
        request.Namespace.Length == 0 || request.Kind == Namespace.KindInfo ? null : Find(request.Namespace);

    /// <exception cref="StatusException">404: the namespace is not there.</exception>
    public bool MatchesNamespace(AdmissionRequest request, LabelSelector? selector)
    {
        // What lives in no namespace is not kept out by a selector of namespaces.
        if (IsEmpty(selector) || request.ReviewedNamespace.Length == 0)
            return true;
        // A namespace as it is to be; what is asked about it otherwise goes by what it is.
        if (request.IsNamespace && request.Subresource.Length == 0 && request.Object is { } value)
            return LabelSelectors.Matches(selector, value.Metadata.Labels);
        var found = Find(request.ReviewedNamespace) ?? throw StatusException.NotFound(_namespaces.Kind, request.ReviewedNamespace);
        return LabelSelectors.Matches(selector, found.Metadata.Labels);
    }

    /// <summary>The object as it is to be or as it was: nobody slips away by changing a label.</summary>
    public static bool MatchesObject(AdmissionRequest request, LabelSelector? selector) =>
        IsEmpty(selector)
        || (request.Object is { } value && LabelSelectors.Matches(selector, value.Metadata.Labels))
        || (request.Old is { } old && LabelSelectors.Matches(selector, old.Metadata.Labels));

    /// <param name="kind">That of the request, or another version of it.</param>
    public static bool MatchesRule(AdmissionRequest request, KindInfo kind, string? scope, ApiList<string> operations, ApiList<string> groups, ApiList<string> versions, ApiList<string> resources) =>
        MatchesScope(request, scope)
        && Contains(operations, request.Operation) && Contains(groups, kind.Group) && Contains(versions, kind.Version)
        && resources.Any(resource => MatchesResource(resource, kind.Plural, request.Subresource));

    private bool MatchesRules(AdmissionRequest request, ApiList<NamedRuleWithOperations> rules, string? matchPolicy, bool whenNone)
    {
        if (rules.IsEmpty)
            return whenNone;
        if (rules.Any(rule => Matches(request, request.Kind, rule)))
            return true;
        // Another version of the same objects is the same to a policy, unless it says otherwise.
        return matchPolicy != MatchPolicyType.Exact && request.Resource.Custom is not null
            && catalog.All.Any(other => other.Prefix == request.Resource.Prefix && other.Kind != request.Kind && rules.Any(rule => Matches(request, other.Kind, rule)));
    }

    private static bool Matches(AdmissionRequest request, KindInfo kind, NamedRuleWithOperations rule) =>
        MatchesRule(request, kind, rule.Scope, rule.Operations, rule.ApiGroups, rule.ApiVersions, rule.Resources)
        && (rule.ResourceNames.IsEmpty || rule.ResourceNames.Contains(request.Name));

    /// <summary>A namespace belongs to the cluster, though its requests name one.</summary>
    private static bool MatchesScope(AdmissionRequest request, string? scope) => scope switch
    {
        ScopeType.Namespaced => request.Namespace.Length > 0 && !request.IsNamespace,
        ScopeType.Cluster => request.Namespace.Length == 0 || request.IsNamespace,
        _ => true,
    };

    private static bool MatchesResource(string rule, string plural, string subresource)
    {
        var slash = rule.IndexOf('/', StringComparison.Ordinal);
        var (resource, sub) = slash < 0 ? (rule, "") : (rule[..slash], rule[(slash + 1)..]);
        return (resource == "*" || resource == plural) && (sub == "*" || sub == subresource);
    }

    private static bool Contains(ApiList<string> allowed, string value) => allowed.Any(one => one == "*" || one == value);

    private static bool IsEmpty(LabelSelector? selector) => selector is null || (selector.MatchLabels.IsEmpty && selector.MatchExpressions.IsEmpty);

    private Namespace? Find(string name) =>
        store.Snapshot().Get(_namespaces.Key("", name)) is { } entry ? (Namespace)StoredObject.Read(_namespaces, entry) : null;
}
