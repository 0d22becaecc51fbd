using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.Webhooks;

/// <summary>Which webhooks a request concerns, and in which version of its kind each is to see it.</summary>
internal sealed class WebhookMatcher(IStateStore store, ResourceCatalog catalog)
{
    private readonly Resource _namespaces = catalog.Find(Namespace.KindInfo)!;

    /// <summary>Configuration of admission is never its subject: a mistake in it could not be taken back.</summary>
    public static bool IsExempt(AdmissionRequest request) => request.Kind.Group == "admissionregistration.k8s.io"
        && request.Kind.Kind is "ValidatingWebhookConfiguration" or "MutatingWebhookConfiguration" or "ValidatingAdmissionPolicy" or "ValidatingAdmissionPolicyBinding";

    /// <summary>The resource as the webhook is to see it; null when it is not concerned.</summary>
    public Resource? Match(Webhook webhook, AdmissionRequest request)
    {
        if (!MatchesNamespace(webhook.NamespaceSelector, request) || !MatchesObject(webhook.ObjectSelector, request))
            return null;
        foreach (var rule in webhook.Rules)
        {
            if (Matches(rule, request, request.Kind))
                return request.Resource;
        }
        if (webhook.MatchPolicy == MatchPolicyType.Exact)
            return null;
        // Earlier rules first, whichever version they name.
        var others = catalog.All.Where(other => other.Prefix == request.Resource.Prefix && !ReferenceEquals(other, request.Resource)).ToList();
        foreach (var rule in others.Count == 0 ? default : webhook.Rules)
        {
            if (others.Find(other => Matches(rule, request, other.Kind)) is { } equivalent)
                return equivalent;
        }
        return null;
    }

    /// <summary>The namespace a request is about; null for what is in none.</summary>
    public Namespace? NamespaceOf(AdmissionRequest request) => request.ReviewedNamespace is { Length: > 0 } name
        && store.Snapshot().Get(_namespaces.Key("", name)) is { } entry ? (Namespace)StoredObject.Read(_namespaces, entry) : null;

    private bool MatchesNamespace(LabelSelector? selector, AdmissionRequest request)
    {
        if (IsEmpty(selector) || request.ReviewedNamespace.Length == 0)
            return true;
        // A namespace as it is to be; what is asked about it otherwise goes by what it is.
        if (request.IsNamespace && request.Subresource.Length == 0 && request.Object is { } value)
            return LabelSelectors.Matches(selector, value.Metadata.Labels);
        var found = NamespaceOf(request) ?? throw StatusException.NotFound(_namespaces.Kind, request.ReviewedNamespace);
        return LabelSelectors.Matches(selector, found.Metadata.Labels);
    }

    /// <summary>The object as it is to be or as it was: nobody slips away by changing a label.</summary>
    private static bool MatchesObject(LabelSelector? selector, AdmissionRequest request) =>
        IsEmpty(selector)
        || (request.Object is { } value && LabelSelectors.Matches(selector, value.Metadata.Labels))
        || (request.Old is { } old && LabelSelectors.Matches(selector, old.Metadata.Labels));

    private static bool Matches(RuleWithOperations rule, AdmissionRequest request, KindInfo kind) =>
        MatchesScope(rule.Scope, request) && Has(rule.Operations, request.Operation) && Has(rule.ApiGroups, kind.Group) && Has(rule.ApiVersions, kind.Version)
        && MatchesResource(rule.Resources, kind.Plural, request.Subresource);

    /// <summary>A namespace belongs to the cluster, though its requests name one.</summary>
    private static bool MatchesScope(string? scope, AdmissionRequest request) => scope switch
    {
        ScopeType.Namespaced => request.Namespace.Length > 0 && !request.IsNamespace,
        ScopeType.Cluster => request.Namespace.Length == 0 || request.IsNamespace,
        _ => true,
    };

    private static bool MatchesResource(ApiList<string> resources, string plural, string subresource)
    {
        foreach (var one in resources)
        {
            var slash = one.IndexOf('/', StringComparison.Ordinal);
            var (name, sub) = slash < 0 ? (one, "") : (one[..slash], one[(slash + 1)..]);
            if ((name == "*" || name == plural) && (sub == "*" || sub == subresource))
                return true;
        }
        return false;
    }

    private static bool Has(ApiList<string> items, string asked)
    {
        foreach (var item in items)
        {
            if (item == "*" || item == asked)
                return true;
        }
        return false;
    }

    private static bool IsEmpty(LabelSelector? selector) => selector is null || (selector.MatchLabels.IsEmpty && selector.MatchExpressions.IsEmpty);
}
