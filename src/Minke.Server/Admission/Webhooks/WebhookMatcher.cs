using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Server.Admission.Policies;
using Minke.Server.Registry;

namespace Minke.Server.Admission.Webhooks;

/// <summary>Which webhooks a request concerns, and in which version of its kind each is to see it.</summary>
internal sealed class WebhookMatcher(RequestMatcher requests, ResourceCatalog catalog)
{
    /// <summary>The resource as the webhook is to see it; null when it is not concerned.</summary>
    public Resource? Match(Webhook webhook, AdmissionRequest request)
    {
        if (!requests.MatchesNamespace(request, webhook.NamespaceSelector) || !RequestMatcher.MatchesObject(request, webhook.ObjectSelector))
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

    private static bool Matches(RuleWithOperations rule, AdmissionRequest request, KindInfo kind) =>
        RequestMatcher.MatchesRule(request, kind, rule.Scope, rule.Operations, rule.ApiGroups, rule.ApiVersions, rule.Resources);
}
