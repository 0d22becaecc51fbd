using Minke.Api;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>Nobody grants what they do not have: by writing a role (unless they may <c>escalate</c>) or by binding one (unless they may <c>bind</c>).</summary>
internal sealed class EscalationCheck(RbacPolicy policy, Authorizer authorizer)
{
    private const string RbacGroup = "rbac.authorization.k8s.io";

    private static readonly PolicyRule[] Everything =
    [
        new() { Verbs = ["*"], ApiGroups = ["*"], Resources = ["*"] },
        new() { Verbs = ["*"], NonResourceURLs = ["*"] },
    ];

    /// <param name="user">Who writes.</param>
    /// <param name="value">The role or binding to be; anything else passes.</param>
    /// <param name="old">What it replaces; null for a new one.</param>
    /// <exception cref="StatusException">403: what they would grant and do not hold.</exception>
    public void Check(UserInfo user, IKubeObject value, IKubeObject? old)
    {
        if (value is not (Role or ClusterRole or RoleBinding or ClusterRoleBinding) || user.IsIn(UserInfo.Masters) || IsForCollector(value, old))
            return;
        var @namespace = value.Metadata.Namespace;
        switch (value)
        {
            case Role role when !MayEscalate(user, value, old):
                Confirm(user, value, @namespace, role.Rules);
                break;
            case ClusterRole role when !MayEscalate(user, value, old):
                Confirm(user, value, @namespace, role.Rules);
                if ((Aggregates(role) || Aggregates(old as ClusterRole)) && RuleCover.Missing(Held(user, @namespace), Everything).Count > 0)
                    throw StatusException.Forbidden(value.Info, value.Metadata.Name, "must have cluster-admin privileges to use the aggregationRule");
                break;
            case RoleBinding binding:
                CheckBinding(user, value, binding.RoleRef, @namespace);
                break;
            case ClusterRoleBinding binding:
                CheckBinding(user, value, binding.RoleRef, @namespace);
                break;
            default:
                break;
        }
    }

    private void CheckBinding(UserInfo user, IKubeObject value, RoleRef role, string @namespace)
    {
        var resource = role.Kind switch { "ClusterRole" => "clusterroles", "Role" => "roles", _ => "" };
        var query = new AccessQuery { User = user, Verb = "bind", Group = role.ApiGroup, Resource = resource, Name = role.Name, Namespace = @namespace };
        if (resource.Length == 0 || !authorizer.Decide(query).IsAllowed)
            Confirm(user, value, @namespace, policy.Current().RulesOf(role, @namespace) ?? throw StatusException.NotFound(RbacGroup, resource, role.Name));
    }

    // The name of a new object is not part of the request, so a rule with names does not reach it.
    private bool MayEscalate(UserInfo user, IKubeObject value, IKubeObject? old) => authorizer.Decide(new()
    {
        User = user,
        Verb = "escalate",
        Group = RbacGroup,
        Resource = value.Info.Plural,
        Name = old is null ? "" : value.Metadata.Name,
        Namespace = value.Metadata.Namespace,
    }).IsAllowed;

    private void Confirm(UserInfo user, IKubeObject value, string @namespace, IEnumerable<PolicyRule> rules)
    {
        var table = policy.Current().RulesOf(user, @namespace);
        var missing = RuleCover.Missing(Held(user, @namespace), rules);
        if (missing.Count == 0)
            return;
        var groups = string.Join(' ', user.Groups.Select(FieldErrors.Quote));
        var message = $"user {FieldErrors.Quote(user.Name)} (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{RuleCover.Describe(missing)}";
        if (table.Errors.Count > 0)
            message += $"; resolution errors: [{RbacAuthorizer.Aggregate(table.Errors)}]";
        throw StatusException.Forbidden(value.Info, value.Metadata.Name, message);
    }

    private List<PolicyRule> Held(UserInfo user, string @namespace) => [.. policy.Current().RulesOf(user, @namespace).Rules.Select(granted => granted.Rule)];

    private static bool Aggregates(ClusterRole? role) => role?.AggregationRule is { ClusterRoleSelectors.IsEmpty: false };

    /// <summary>Nothing but owners and finalizers changes: the garbage collector's business, which grants nothing.</summary>
    private static bool IsForCollector(IKubeObject value, IKubeObject? old) => old is not null && Json.Same(
        value.WithMetadata(value.Metadata with { OwnerReferences = default, Finalizers = default, ManagedFields = default }),
        old.WithMetadata(old.Metadata with { OwnerReferences = default, Finalizers = default, ManagedFields = default }));
}
