using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Cel;
using Minke.Cel.Libraries;
using Minke.Cel.Values;
using Minke.Server.Access;

namespace Minke.Server.Admission.Policies;

/// <summary>A request as expressions see it. Values are made when they are first asked for, once for all policies and webhooks.</summary>
internal sealed class AdmissionActivation(AdmissionRequest request, Func<Namespace?> findNamespace, Authorizer authorizer) : IActivation
{
    private CelValue? _object, _old, _request, _namespace, _authorizer, _requestResource;

    public CelValue? Find(string name) => name switch
    {
        AdmissionEnvironment.Object => _object ??= Read(request.Object),
        AdmissionEnvironment.OldObject => _old ??= Read(request.Old),
        AdmissionEnvironment.Request => _request ??= Describe(),
        AdmissionEnvironment.Namespace => _namespace ??= Read(findNamespace()),
        AdmissionEnvironment.Authorizer => _authorizer ??= AuthorizerLibrary.Authorizer(new RequestAuthorizer(authorizer, request.Context.User)),
        AdmissionEnvironment.RequestResource => _requestResource ??= AuthorizerLibrary.RequestResource(
            new RequestAuthorizer(authorizer, request.Context.User),
            new CelAccessCheck("", null)
            {
                Group = request.Kind.Group,
                Resource = request.Kind.Plural,
                Subresource = request.Subresource,
                Namespace = request.Namespace,
                Name = request.Name,
            }),
        _ => null,
    };

    public static CelValue Read(IKubeObject? value) =>
        value is null ? NullValue.Instance : JsonValues.Read(JsonDocument.Parse(Minke.Api.Json.Write(value)).RootElement);

    private CelValue Describe()
    {
        var (kind, user) = (request.Kind, request.Context.User);
        JsonObject KindOf() => new() { ["group"] = request.ObjectKind.Group, ["version"] = request.ObjectKind.Version, ["kind"] = request.ObjectKind.Kind };
        JsonObject ResourceOf() => new() { ["group"] = kind.Group, ["version"] = kind.Version, ["resource"] = kind.Plural };
        var described = new JsonObject
        {
            ["kind"] = KindOf(),
            ["resource"] = ResourceOf(),
            ["requestKind"] = KindOf(),
            ["requestResource"] = ResourceOf(),
            ["operation"] = request.Operation,
            ["dryRun"] = request.Context.IsDryRun,
            ["options"] = null,
        };
        var userInfo = new JsonObject();
        AddText(userInfo, "username", user.Name);
        AddText(userInfo, "uid", user.Uid);
        if (user.Groups.Count > 0)
            userInfo["groups"] = Array(user.Groups);
        if (user.Extra.Count > 0)
            userInfo["extra"] = new JsonObject(user.Extra.Select(pair => KeyValuePair.Create<string, JsonNode?>(pair.Key, Array(pair.Value))));
        described["userInfo"] = userInfo;
        AddText(described, "subResource", request.Subresource);
        AddText(described, "requestSubResource", request.Subresource);
        AddText(described, "name", request.Name);
        AddText(described, "namespace", request.Namespace);
        return JsonValues.Read(JsonDocument.Parse(described.ToJsonString()).RootElement);
    }

    private static JsonArray Array(IEnumerable<string> texts) => [.. texts.Select(text => (JsonNode)JsonValue.Create(text))];

    // Go leaves empty texts out.
    private static void AddText(JsonObject target, string name, string text)
    {
        if (text.Length > 0)
            target[name] = text;
    }
}

/// <summary>Answers expressions that ask what somebody may do.</summary>
internal sealed class RequestAuthorizer(Authorizer authorizer, UserInfo user) : ICelAuthorizer
{
    public CelAccessDecision Check(CelAccessCheck check)
    {
        var asked = check.ServiceAccount is var (@namespace, name)
            ? new UserInfo($"system:serviceaccount:{@namespace}:{name}", ["system:serviceaccounts", $"system:serviceaccounts:{@namespace}"])
            : user;
        var decision = authorizer.Decide(check.Path is { } path ? AccessQuery.OfPath(asked, check.Verb, path) : new AccessQuery
        {
            User = asked,
            Verb = check.Verb,
            Group = check.Group,
            Version = "*",
            Resource = check.Resource,
            Subresource = check.Subresource,
            Namespace = check.Namespace,
            Name = check.Name,
            FieldSelector = check.FieldSelector,
        });
        return new CelAccessDecision(decision.IsAllowed, decision.Reason);
    }
}
