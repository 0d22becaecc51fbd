using Minke.Api;
using Minke.Server.Registry;

namespace Minke.Server.Access;

/// <summary>
/// Who may do what, until RBAC is here: administrators (<c>system:masters</c>) everything; everybody who is known discovery and
/// questions about themselves; anybody health and version. All else is refused.
/// </summary>
internal static class Authorizer
{
    private static readonly HashSet<string> SelfQuestions = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];

    public static bool MayUse(UserInfo user, string verb, string group, string resource) =>
        user.IsIn(UserInfo.Masters)
        || (user.IsIn(UserInfo.Authenticated) && verb == "create" && group is "authorization.k8s.io" or "authentication.k8s.io" && SelfQuestions.Contains(resource));

    public static bool MayGet(UserInfo user, string path) =>
        user.IsIn(UserInfo.Masters) || IsPublic(path) || (user.IsIn(UserInfo.Authenticated) && IsDiscovery(path));

    /// <exception cref="StatusException">403, in upstream's words.</exception>
    public static void Check(UserInfo user, string verb, Resource resource, string subresource, string @namespace, string name)
    {
        var kind = resource.Kind;
        if (!MayUse(user, verb, kind.Group, kind.Plural))
            throw Forbidden(user, verb, kind, subresource, @namespace, name);
    }

    public static StatusException Forbidden(UserInfo user, string verb, KindInfo kind, string subresource, string @namespace, string name)
    {
        var resource = subresource.Length > 0 ? $"{kind.Plural}/{subresource}" : kind.Plural;
        var scope = @namespace.Length > 0 ? $" in the namespace \"{@namespace}\"" : " at the cluster scope";
        return StatusException.Forbidden(kind, name,
            $"User \"{user.Name}\" cannot {verb} resource \"{resource}\" in API group \"{kind.Group}\"{scope}");
    }

    public static StatusException Forbidden(UserInfo user, string verb, string path) => StatusException.Of(
        403, "Forbidden", $"forbidden: User \"{user.Name}\" cannot {verb} path \"{path}\"", Minke.Api.Meta.V1.StatusDetails.Empty);

    private static bool IsPublic(string path) =>
        path is "/healthz" or "/livez" or "/readyz" or "/version" or "/version/";

    private static bool IsDiscovery(string path) => path is "/api" or "/apis" || path.StartsWith("/api/", StringComparison.Ordinal)
        || path.StartsWith("/apis/", StringComparison.Ordinal) || path.StartsWith("/openapi", StringComparison.Ordinal)
        || path.StartsWith("/healthz/", StringComparison.Ordinal) || path is "/.well-known/openid-configuration" or "/openid/v1/jwks";
}
