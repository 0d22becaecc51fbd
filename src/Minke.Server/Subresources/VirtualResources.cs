using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Authorization.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Registry;
using Minke.Server.Requests;
using ReviewedUser = Minke.Server.Access.UserInfo;

namespace Minke.Server.Subresources;

/// <summary>Resources that are answers rather than objects: reviews of tokens and rights, bindings, component statuses.</summary>
internal sealed class VirtualResources(ObjectRegistry registry, PodOperations pods, ServiceAccountTokens tokens, UsageMetrics usage)
{
    public async ValueTask HandleAsync(ApiRequest request)
    {
        var kind = request.Resource.Kind;
        if (kind == Binding.KindInfo)
        {
            await pods.BindAsync(request);
            return;
        }
        if (kind == ComponentStatus.KindInfo)
        {
            await ComponentsAsync(request);
            return;
        }
        if (kind.Group == "metrics.k8s.io")
        {
            await usage.HandleAsync(request);
            return;
        }
        var body = await request.BodyAsync();
        var context = request.Context(default);
        var asked = ObjectDecoder.Decode(request.Resource, body, request.BodyFormat, FieldValidation.Warn, context);
        IKubeObject answer = asked switch
        {
            SelfSubjectReview => new SelfSubjectReview
            {
                Metadata = new() { CreationTimestamp = Time.From(registry.Clock.GetUtcNow()) },
                Status = new() { UserInfo = request.User.ToApi() },
            },
            TokenReview review => Review(review),
            SelfSubjectAccessReview review => review with
            {
                Status = Decide(request.User, review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes),
            },
            SubjectAccessReview review => review with
            {
                Status = Decide(new ReviewedUser(review.Spec.User, [.. review.Spec.Groups]), review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes),
            },
            LocalSubjectAccessReview review => review with
            {
                Status = Decide(new ReviewedUser(review.Spec.User, [.. review.Spec.Groups]), review.Spec.ResourceAttributes, review.Spec.NonResourceAttributes),
            },
            SelfSubjectRulesReview review => review with { Status = Rules(request.User) },
            _ => throw StatusException.NoResource(),
        };
        Responses.Warn(request.Http, context.Warnings);
        await Responses.ObjectAsync(request, 201, answer);
    }

    private TokenReview Review(TokenReview review)
    {
        if (review.Spec.Token.Length == 0)
            throw StatusException.BadRequest("token is required for TokenReview in authentication");
        var audiences = review.Spec.Audiences.IsEmpty ? null : review.Spec.Audiences.ToArray();
        return tokens.Validate(review.Spec.Token, audiences) is { } valid
            ? review with { Status = new() { Authenticated = true, User = valid.User.ToApi(), Audiences = valid.Audiences.ToApiList() } }
            : review with { Status = new() { Error = "[invalid bearer token, token lookup failed]" } };
    }

    private static SubjectAccessReviewStatus Decide(ReviewedUser user, ResourceAttributes? resource, NonResourceAttributes? path)
    {
        if ((resource is null) == (path is null))
        {
            var errors = new FieldErrors();
            errors.Invalid("spec.resourceAttributes", resource is null ? null : "", resource is null
                ? "exactly one of nonResourceAttributes or resourceAttributes must be specified"
                : "cannot be specified in combination with nonResourceAttributes");
            throw StatusException.Invalid("authorization.k8s.io", "SelfSubjectAccessReview", "", errors);
        }
        var isAllowed = resource is not null
            ? Authorizer.MayUse(user, resource.Verb, resource.Group, resource.Resource)
            : Authorizer.MayGet(user, path!.Path);
        return new() { Allowed = isAllowed };
    }

    private static SubjectRulesReviewStatus Rules(ReviewedUser user) => user.IsIn(ReviewedUser.Masters)
        ? new()
        {
            ResourceRules = [new() { Verbs = ["*"], ApiGroups = ["*"], Resources = ["*"] }],
            NonResourceRules = [new() { Verbs = ["*"], NonResourceURLs = ["*"] }],
        }
        : new()
        {
            ResourceRules =
            [
                new() { Verbs = ["create"], ApiGroups = ["authorization.k8s.io"], Resources = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"] },
                new() { Verbs = ["create"], ApiGroups = ["authentication.k8s.io"], Resources = ["selfsubjectreviews"] },
            ],
            NonResourceRules =
            [
                new() { Verbs = ["get"], NonResourceURLs = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"] },
            ],
        };

    private ValueTask ComponentsAsync(ApiRequest request)
    {
        Responses.Warn(request.Http, ["v1 ComponentStatus is deprecated in v1.19+"]);
        var trouble = registry.Store.Trouble;
        ComponentStatus[] all =
        [
            Component("controller-manager", null),
            Component("scheduler", null),
            Component("etcd-0", trouble),
        ];
        if (request.Verb == "list")
            return Responses.ListAsync(request, all, ListMeta.Empty);
        return Responses.ObjectAsync(request, 200, all.FirstOrDefault(one => one.Metadata.Name == request.Name)
            ?? throw StatusException.NotFound(request.Resource.Kind, request.Name));
    }

    private static ComponentStatus Component(string name, string? trouble) => new()
    {
        Metadata = new() { Name = name },
        Conditions = [new ComponentCondition { Type = "Healthy", Status = trouble is null ? "True" : "False", Message = trouble is null ? "ok" : "", Error = trouble ?? "" }],
    };
}
