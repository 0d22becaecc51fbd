using Minke.Api;
using Minke.Server.Access;
using Minke.Server.Admission.Policies;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.Webhooks;

/// <summary>The <c>matchConditions</c> of webhooks: expressions over a request that keep it from one.</summary>
internal sealed class WebhookConditions(IStateStore store, ResourceCatalog catalog, Authorizer authorizer)
{
    private readonly RequestMatcher _requests = new(store, catalog);

    /// <exception cref="StatusException">403: they could not be evaluated, and the failure policy is Fail.</exception>
    public bool Match(Webhook webhook, AdmissionRequest request, ReviewedObjects reviewed, CancellationToken cancellationToken)
    {
        if (webhook.MatchConditions.IsEmpty)
            return true;
        var shown = request.As(reviewed.Resource, reviewed.Object, reviewed.Old);
        var outcome = webhook.Conditions.Match(new AdmissionActivation(shown, () => _requests.NamespaceOf(shown), authorizer), webhook.FailurePolicy, cancellationToken);
        return outcome.Error is { } error ? throw StatusException.Forbidden(request.Kind, request.Name, error) : outcome.Matches;
    }
}
