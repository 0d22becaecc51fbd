using System.Collections.Concurrent;
using System.Collections.Immutable;
using Minke.Api;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>All roles and bindings as of one moment, by whom they are for. Immutable; what a user has is worked out once and kept with it.</summary>
internal sealed record RbacIndex
{
    private const int SubjectsAtMost = 4096;

    private ImmutableDictionary<string, ClusterRole> ClusterRoles { get; init; } = ImmutableDictionary<string, ClusterRole>.Empty;
    private ImmutableDictionary<(string Namespace, string Name), Role> Roles { get; init; } = ImmutableDictionary<(string, string), Role>.Empty;
    private Grants ClusterGrants { get; init; } = Grants.None;
    private ImmutableDictionary<string, Grants> NamespaceGrants { get; init; } = ImmutableDictionary<string, Grants>.Empty;

    private ConcurrentDictionary<(string Identity, string Namespace), RuleTable>? _tables; // made when somebody asks

    public static RbacIndex Empty => new();

    /// <summary>The rules of a user in a namespace, those of the whole cluster first; only those when it is empty.</summary>
    public RuleTable RulesOf(UserInfo user, string @namespace)
    {
        // A namespace without bindings is as the cluster.
        if (@namespace.Length > 0 && !NamespaceGrants.ContainsKey(@namespace))
            @namespace = "";
        var tables = LazyInitializer.EnsureInitialized(ref _tables, () => new());
        var key = (user.Identity, @namespace);
        if (tables.TryGetValue(key, out var known))
            return known;
        if (tables.Count >= SubjectsAtMost)
            tables.Clear();
        return tables.GetOrAdd(key, MakeTable(user, @namespace));
    }

    /// <summary>The rules of the role a binding in a namespace (empty for the cluster) refers to; null when there is no such role.</summary>
    public ApiList<PolicyRule>? RulesOf(RoleRef role, string @namespace) => role.Kind switch
    {
        "Role" => Roles.GetValueOrDefault((@namespace, role.Name))?.Rules,
        "ClusterRole" => ClusterRoles.GetValueOrDefault(role.Name)?.Rules,
        _ => null,
    };

    /// <summary>With one object in place of another; null for none.</summary>
    public RbacIndex With(IKubeObject? old, IKubeObject? now) => (this with { _tables = null }).Without(old).Plus(now);

    private RbacIndex Without(IKubeObject? old) => old switch
    {
        ClusterRole role => this with { ClusterRoles = ClusterRoles.Remove(role.Metadata.Name) },
        Role role => this with { Roles = Roles.Remove((role.Metadata.Namespace, role.Metadata.Name)) },
        ClusterRoleBinding binding => this with { ClusterGrants = ClusterGrants.Without(Binding.Of(binding)) },
        RoleBinding binding when NamespaceGrants.TryGetValue(binding.Metadata.Namespace, out var grants) => grants.Without(Binding.Of(binding)) is var left && left.IsEmpty
            ? this with { NamespaceGrants = NamespaceGrants.Remove(binding.Metadata.Namespace) }
            : this with { NamespaceGrants = NamespaceGrants.SetItem(binding.Metadata.Namespace, left) },
        _ => this,
    };

    private RbacIndex Plus(IKubeObject? now) => now switch
    {
        ClusterRole role => this with { ClusterRoles = ClusterRoles.SetItem(role.Metadata.Name, role) },
        Role role => this with { Roles = Roles.SetItem((role.Metadata.Namespace, role.Metadata.Name), role) },
        ClusterRoleBinding binding => this with { ClusterGrants = ClusterGrants.With(Binding.Of(binding)) },
        RoleBinding binding => this with
        {
            NamespaceGrants = NamespaceGrants.SetItem(
                binding.Metadata.Namespace, (NamespaceGrants.GetValueOrDefault(binding.Metadata.Namespace) ?? Grants.None).With(Binding.Of(binding))),
        },
        _ => this,
    };

    private RuleTable MakeTable(UserInfo user, string @namespace)
    {
        var (rules, errors) = (new List<GrantedRule>(), new List<string>());
        Collect(ClusterGrants.Of(user), rules, errors);
        if (@namespace.Length > 0)
            Collect(NamespaceGrants[@namespace].Of(user), rules, errors);
        return rules.Count == 0 && errors.Count == 0 ? RuleTable.Empty : new(rules, errors);
    }

    private void Collect(IEnumerable<(Binding Binding, Subject Subject)> grants, List<GrantedRule> rules, List<string> errors)
    {
        foreach (var (binding, subject) in grants)
        {
            if (RulesOf(binding.RoleRef, binding.Namespace) is not { } granted)
            {
                errors.Add($"{binding.RoleRef.Kind.ToLowerInvariant()}.rbac.authorization.k8s.io \"{binding.RoleRef.Name}\" not found");
                continue;
            }
            var source = binding.Describe(subject);
            foreach (var rule in granted)
                rules.Add(new(rule, source));
        }
    }
}
