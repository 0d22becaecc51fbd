using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Access.Nodes;
using Minke.Server.Access.Rbac;

namespace Minke.Server.Access;

/// <summary>Who may do what: administrators (<c>system:masters</c>) everything, nodes what their pods need, everybody what RBAC grants.</summary>
internal sealed class Authorizer(NodeAuthorizer nodes, RbacAuthorizer rbac)
{
    public Decision Decide(in AccessQuery query)
    {
        if (query.User.IsIn(UserInfo.Masters))
            return Decision.Allowed;
        var node = nodes.Decide(query);
        if (node.IsAllowed)
            return node;
        var role = rbac.Decide(query);
        return role.IsAllowed || node.Reason.Length == 0 ? role
            : Decision.NoOpinion(role.Reason.Length == 0 ? node.Reason : $"{node.Reason}\n{role.Reason}");
    }

    /// <exception cref="StatusException">403, in upstream's words.</exception>
    public void Check(in AccessQuery query)
    {
        var decision = Decide(query);
        if (!decision.IsAllowed)
            throw Forbidden(query, decision.Reason);
    }

    public static StatusException Forbidden(in AccessQuery query, string reason)
    {
        var user = FieldErrors.Quote(query.User.Name);
        var said = query.Path is { } path
            ? $"User {user} cannot {query.Verb} path {FieldErrors.Quote(path)}"
            : $"User {user} cannot {query.Verb} resource {FieldErrors.Quote(query.QualifiedResource)} in API group {FieldErrors.Quote(query.Group)}"
                + (query.Namespace.Length > 0 ? $" in the namespace {FieldErrors.Quote(query.Namespace)}" : " at the cluster scope");
        // The text may end up in a browser.
        said = said.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);
        if (reason.Length > 0)
            said = $"{said}: {reason}";
        if (!query.IsResource)
            return StatusException.Of(403, StatusReason.Forbidden, $"forbidden: {said}", StatusDetails.Empty);
        var resource = query.Group.Length == 0 ? query.Resource : $"{query.Resource}.{query.Group}";
        return StatusException.Of(403, StatusReason.Forbidden,
            query.Name.Length == 0 ? $"{resource} is forbidden: {said}" : $"{resource} \"{query.Name}\" is forbidden: {said}",
            new() { Name = query.Name, Group = query.Group, Kind = query.Resource });
    }
}
