using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Authorization.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Access.Credentials;
using Minke.Server.Access.Nodes;
using Minke.Server.Access.Rbac;
using AskingUser = Minke.Server.Access.UserInfo;

namespace Minke.Server.Subresources;

/// <summary>Answers to questions about users and rights: who does this token belong to, who am I, may they, what may I.</summary>
internal sealed class AccessReviews(Authorizer authorizer, RbacPolicy policy, TokenAuthenticators tokens, TimeProvider clock)
{
    /// <summary>The question with its answer; null when it is none.</summary>
    public async ValueTask<IKubeObject?> AnswerAsync(IKubeObject asked, AskingUser user, string @namespace, CancellationToken cancellationToken) => asked switch
    {
        SelfSubjectReview => new SelfSubjectReview
        {
            Metadata = new() { CreationTimestamp = Time.From(clock.GetUtcNow()) },
            Status = new() { UserInfo = user.ToApi() },
        },
        TokenReview review => await ReviewAsync(review, cancellationToken),
        SelfSubjectAccessReview review => Decide(review, user),
        SubjectAccessReview review => Decide(review),
        LocalSubjectAccessReview review => Decide(review, @namespace),
        SelfSubjectRulesReview review => review with { Status = Rules(user, review.Spec.Namespace) },
        _ => null,
    };

    private async ValueTask<TokenReview> ReviewAsync(TokenReview review, CancellationToken cancellationToken)
    {
        if (review.Spec.Token.Length == 0)
            throw StatusException.BadRequest("token is required for TokenReview in authentication");
        var audiences = review.Spec.Audiences.IsEmpty ? null : review.Spec.Audiences.ToArray();
        return await tokens.AuthenticateAsync(review.Spec.Token, audiences, cancellationToken) is { } valid
            ? review with { Status = new() { Authenticated = true, User = valid.User.ToApi(), Audiences = valid.Audiences.ToApiList() } }
            : review with { Status = new() { Error = "[invalid bearer token, token lookup failed]" } };
    }

    private SelfSubjectAccessReview Decide(SelfSubjectAccessReview review, AskingUser user)
    {
        var errors = new FieldErrors();
        Validate(review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes, errors);
        ValidateMetadata(review.Metadata, ObjectMeta.Empty, "must be empty", errors);
        ThrowIfAny(errors);
        return review with { Status = Decide(user, review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes) };
    }

    private SubjectAccessReview Decide(SubjectAccessReview review)
    {
        var errors = new FieldErrors();
        Validate(review.Spec, errors);
        ValidateMetadata(review.Metadata, ObjectMeta.Empty, "must be empty", errors);
        ThrowIfAny(errors);
        return review with { Status = Decide(UserOf(review.Spec), review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes) };
    }

    private LocalSubjectAccessReview Decide(LocalSubjectAccessReview review, string @namespace)
    {
        if (review.Metadata.Namespace.Length == 0)
            review = review with { Metadata = review.Metadata with { Namespace = @namespace } };
        if (review.Metadata.Namespace != @namespace)
            throw StatusException.BadRequest("the namespace of the provided object does not match the namespace sent on the request");
        var errors = new FieldErrors();
        Validate(review.Spec, errors);
        ValidateMetadata(review.Metadata, new() { Namespace = @namespace }, "must be empty except for namespace", errors);
        if (review.Spec.ResourceAttributes is { } resource && resource.Namespace != @namespace)
            errors.Invalid("spec.resourceAttributes.namespace", resource.Namespace, "must match metadata.namespace");
        if (review.Spec.NonResourceAttributes is not null)
            errors.Invalid("spec.nonResourceAttributes", new Given(), "disallowed on this kind of request");
        ThrowIfAny(errors);
        return review with { Status = Decide(UserOf(review.Spec), review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes) };
    }

    private SubjectAccessReviewStatus Decide(AskingUser user, ResourceAttributes? resource, NonResourceAttributes? path)
    {
        var decision = authorizer.Decide(resource is not null
            ? new()
            {
                User = user,
                Verb = resource.Verb,
                Group = resource.Group,
                Version = resource.Version,
                Resource = resource.Resource,
                Subresource = resource.Subresource,
                Namespace = resource.Namespace,
                Name = resource.Name,
                FieldSelector = SelectorOf(resource.FieldSelector),
            }
            : AccessQuery.OfPath(user, path!.Verb, path.Path));
        return new() { Allowed = decision.IsAllowed, Reason = decision.Reason };
    }

    private SubjectRulesReviewStatus Rules(AskingUser user, string @namespace)
    {
        if (@namespace.Length == 0)
            throw StatusException.BadRequest("no namespace on request");
        var table = policy.Current().RulesOf(user, @namespace);
        var errors = new List<string>();
        if (NodeIdentity.Of(user) is not null)
            errors.Add("node authorizer does not support user rule resolution");
        errors.AddRange(table.Errors);
        var rules = table.Rules.Select(granted => granted.Rule).ToList();
        return new()
        {
            ResourceRules = rules.Where(rule => !rule.Resources.IsEmpty).Select(rule => new ResourceRule
            {
                Verbs = rule.Verbs,
                ApiGroups = rule.ApiGroups,
                Resources = rule.Resources,
                ResourceNames = rule.ResourceNames,
            }).ToApiList(),
            NonResourceRules = rules.Where(rule => !rule.NonResourceURLs.IsEmpty)
                .Select(rule => new NonResourceRule { Verbs = rule.Verbs, NonResourceURLs = rule.NonResourceURLs }).ToApiList(),
            Incomplete = errors.Count > 0,
            EvaluationError = errors.Count > 0 ? RbacAuthorizer.Aggregate(errors) : "",
        };
    }

    private static AskingUser UserOf(SubjectAccessReviewSpec spec) => new(spec.User, [.. spec.Groups]) { Uid = spec.Uid, Extra = [.. spec.Extra] };

    private static string SelectorOf(FieldSelectorAttributes? selector) => selector is null ? ""
        : selector.RawSelector.Length > 0 ? selector.RawSelector
        : string.Join(',', selector.Requirements.Where(one => one.Operator == "In" && one.Values.Count == 1).Select(one => $"{one.Key}={one.Values[0]}"));

    private static void Validate(SubjectAccessReviewSpec spec, FieldErrors errors)
    {
        Validate(spec.ResourceAttributes, spec.NonResourceAttributes, errors);
        if (spec.User.Length == 0 && spec.Groups.IsEmpty)
            errors.Invalid("spec.user", spec.User, "at least one of user or group must be specified");
    }

    private static void Validate(ResourceAttributes? resource, NonResourceAttributes? path, FieldErrors errors)
    {
        if (resource is not null && path is not null)
            errors.Invalid("spec.nonResourceAttributes", new Given(), "cannot be specified in combination with resourceAttributes");
        if (resource is null && path is null)
            errors.Invalid("spec.resourceAttributes", null, "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    }

    private static void ValidateMetadata(ObjectMeta metadata, ObjectMeta allowed, string message, FieldErrors errors)
    {
        if (!Json.Same(metadata with { ManagedFields = default }, allowed))
            errors.Invalid("metadata", new Given(), message);
    }

    // Upstream has lost the kind by the time it says what is wrong.
    private static void ThrowIfAny(FieldErrors errors)
    {
        if (errors.Count > 0)
            throw StatusException.Invalid("authorization.k8s.io", "", "", errors);
    }

    /// <summary>A whole struct, which nobody wants to read in an error.</summary>
    private sealed record Given
    {
        public override string ToString() => "{...}";
    }
}
