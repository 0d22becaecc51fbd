using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Access.Credentials;
using Minke.Server.Admission;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary>Tokens for service accounts, bound to the pod that asks for them.</summary>
internal sealed class TokenRequests(ObjectRegistry registry, ServiceAccountTokens tokens, NodeRestriction nodes)
{
    private const long DefaultSeconds = 3600;
    private const long MinSeconds = 600;
    private const long MaxSeconds = 1L << 32;

    private readonly Resource _accounts = registry.Catalog.Find(ServiceAccount.KindInfo)!;

    public async ValueTask CreateAsync(ApiRequest request)
    {
        var body = await request.BodyAsync();
        var asked = ObjectDecoder.Decode("TokenRequest", body, request.BodyFormat, TokenRequest.ReadJson, TokenRequest.ReadProto);
        nodes.RequestToken(request.User, request.Namespace, request.Name, asked);
        var options = QueryValues.Read(request.Http, CreateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager, options.FieldValidation);
        var answer = await CreateAsync(request.Namespace, request.Name, asked, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.PlainAsync(request.Http, 201, answer, request.Media with { Projection = Projection.None });
    }

    private async ValueTask<TokenRequest> AdmitAsync(string @namespace, string name, TokenRequest asked, WriteContext context, CancellationToken cancellationToken)
    {
        var body = AdmittedBody.Of(AdmittedBody.TokenRequest, asked, asked.Metadata);
        var admitted = await registry.AdmitAsync(new AdmissionRequest
        {
            Resource = _accounts,
            Subresource = "token",
            ObjectKind = body.Info,
            Operation = AdmissionOperation.Create,
            Namespace = @namespace,
            Name = name,
            Object = body,
            Context = context,
        }, cancellationToken);
        return ReferenceEquals(admitted, body) ? asked : Json.Read(((AdmittedBody)admitted).Utf8, TokenRequest.ReadJson);
    }

    public async ValueTask<TokenRequest> CreateAsync(string @namespace, string name, TokenRequest asked, WriteContext context, CancellationToken cancellationToken) =>
        Create(@namespace, name, await AdmitAsync(@namespace, name, asked, context, cancellationToken));

    private TokenRequest Create(string @namespace, string name, TokenRequest asked)
    {
        var account = (ServiceAccount?)registry.TryGet(_accounts, @namespace, name) ?? throw StatusException.NotFound(_accounts.Kind, name);
        var seconds = asked.Spec.ExpirationSeconds ?? DefaultSeconds;
        var errors = new FieldErrors();
        if (seconds < MinSeconds)
            errors.Invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes");
        if (seconds > MaxSeconds)
            errors.Invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds");
        if (errors.Count > 0)
            throw StatusException.Invalid("authentication.k8s.io", "TokenRequest", "", errors);

        (string, string, string)? bound = null;
        (string Name, string Uid) node = ("", "");
        if (asked.Spec.BoundObjectRef is { } reference)
        {
            var target = FindBound(@namespace, reference);
            if (reference.Uid.Length > 0 && reference.Uid != target.Metadata.Uid)
            {
                throw StatusException.Conflict(target.Info, reference.Name,
                    $"the UID in the bound object reference ({reference.Uid}) does not match the UID in record. The object might have been deleted and then recreated");
            }
            bound = (reference.Kind, target.Metadata.Name, target.Metadata.Uid);
            if (target is Pod pod)
            {
                if (pod.Spec.ServiceAccountName != name)
                {
                    throw StatusException.BadRequest(
                        $"cannot bind token for serviceaccount \"{name}\" to pod running with different serviceaccount name.");
                }
                if (pod.Spec.NodeName.Length > 0)
                    node = (pod.Spec.NodeName, registry.TryGet(registry.Catalog.Find(Node.KindInfo)!, "", pod.Spec.NodeName)?.Metadata.Uid ?? "");
            }
        }
        var audiences = asked.Spec.Audiences.IsEmpty ? tokens.DefaultAudiences : [.. asked.Spec.Audiences];
        var (token, expires) = tokens.Issue(account, audiences, TimeSpan.FromSeconds(seconds), bound, node);
        return asked with
        {
            Metadata = new() { Name = name, Namespace = @namespace, CreationTimestamp = Time.From(registry.Clock.GetUtcNow()) },
            Spec = asked.Spec with { Audiences = audiences.ToApiList(), ExpirationSeconds = seconds },
            Status = new() { Token = token, ExpirationTimestamp = Time.From(expires) },
        };
    }

    private IKubeObject FindBound(string @namespace, BoundObjectReference reference)
    {
        KindInfo kind = (reference.ApiVersion, reference.Kind) switch
        {
            ("v1" or "", "Pod") => Pod.KindInfo,
            ("v1" or "", "Secret") => Secret.KindInfo,
            ("v1" or "", "Node") => Node.KindInfo,
            _ => throw StatusException.BadRequest($"cannot bind token to object of type {reference.ApiVersion}, Kind={reference.Kind}"),
        };
        var resource = registry.Catalog.Find(kind)!;
        return registry.TryGet(resource, resource.IsNamespaced ? @namespace : "", reference.Name) ?? throw StatusException.NotFound(kind, reference.Name);
    }
}
