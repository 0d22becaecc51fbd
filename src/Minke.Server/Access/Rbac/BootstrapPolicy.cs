using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>The roles and bindings every cluster starts with: <c>bootstrap-policy.txt</c>, which stands in the binary, as objects.</summary>
/// <remarks>
/// Words of a line are separated by blanks, items of a word by commas. An indented line is a rule of the role above it.
/// <code>
/// clusterrole NAME [aggregates=X] [into=X]    X: of the labels rbac.authorization.k8s.io/aggregate-to-X
/// controller NAME                             the clusterrole system:controller:NAME, bound to the account kube-system/NAME
/// role NAMESPACE/NAME
///   VERBS GROUPS RESOURCES [NAMES]            core: the group without a name; read: get,list,watch; write: all that changes
///   VERBS url PATHS
///   events                                    writing events in both their groups
/// clusterbinding ROLE [SUBJECTS]              user=NAME, group=NAME, account=NAMESPACE/NAME; the binding has the role's name
/// binding NAMESPACE/NAME SUBJECTS [role=ROLE] without role= the role has the binding's name
/// </code>
/// </remarks>
internal static class BootstrapPolicy
{
    public const string AutoUpdate = "rbac.authorization.kubernetes.io/autoupdate";
    private const string RbacGroup = "rbac.authorization.k8s.io";
    private const string AggregateTo = "rbac.authorization.k8s.io/aggregate-to-";

    /// <summary>Every object, without uid and time.</summary>
    public static List<IKubeObject> Read()
    {
        using var stream = typeof(BootstrapPolicy).Assembly.GetManifestResourceStream("bootstrap-policy.txt")!;
        using var reader = new StreamReader(stream);
        var objects = new List<IKubeObject>();
        var rules = new List<PolicyRule>();
        Action? finish = null;
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '#')
                continue;
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (line[0] == ' ')
            {
                rules.Add(RuleOf(words));
                continue;
            }
            finish?.Invoke();
            finish = Begin(words, objects, rules);
        }
        finish?.Invoke();
        Aggregate(objects);
        return objects;
    }

    /// <summary>As the controller would, which then has nothing to write: view into edit, edit into admin.</summary>
    private static void Aggregate(List<IKubeObject> objects)
    {
        foreach (var name in (ReadOnlySpan<string>)["view", "edit", "admin"])
        {
            var at = objects.FindIndex(one => one is ClusterRole && one.Metadata.Name == name);
            var role = (ClusterRole)objects[at];
            objects[at] = role with { Rules = AggregatedRules.For(role, objects.OfType<ClusterRole>()) };
        }
    }

    /// <summary>The rules of <c>system:node</c>, which the Node authoriser grants without a binding.</summary>
    public static ApiList<PolicyRule> NodeRules() => Read().OfType<ClusterRole>().First(role => role.Metadata.Name == "system:node").Rules;

    /// <summary>What to do with the rules once they are read.</summary>
    private static Action? Begin(string[] words, List<IKubeObject> objects, List<PolicyRule> rules)
    {
        switch (words[0])
        {
            case "clusterrole":
                return () => objects.Add(ClusterRoleOf(words, Take(rules)));
            case "controller":
                var name = "system:controller:" + words[1];
                objects.Add(ClusterBindingOf(name, [Account("kube-system/" + words[1])]));
                return () => objects.Add(new ClusterRole { Metadata = Meta(name), Rules = Take(rules) });
            case "role":
                return () => objects.Add(new Role { Metadata = Meta(words[1]), Rules = Take(rules) });
            case "clusterbinding":
                objects.Add(ClusterBindingOf(words[1], words.Length > 2 ? SubjectsOf(words[2]) : default));
                return null;
            default:
                var metadata = Meta(words[1]);
                var role = words.Length > 3 ? words[3]["role=".Length..] : metadata.Name;
                objects.Add(new RoleBinding { Metadata = metadata, Subjects = SubjectsOf(words[2]), RoleRef = new() { ApiGroup = RbacGroup, Kind = "Role", Name = role } });
                return null;
        }
    }

    private static ClusterRole ClusterRoleOf(string[] words, ApiList<PolicyRule> rules)
    {
        var role = new ClusterRole { Metadata = Meta(words[1]), Rules = rules.IsEmpty ? default : rules };
        foreach (var word in words[2..])
        {
            var (what, value) = (word[..word.IndexOf('=', StringComparison.Ordinal)], word[(word.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            role = what == "into"
                ? role with { Metadata = role.Metadata with { Labels = role.Metadata.Labels.With(AggregateTo + value, "true") } }
                : role with { AggregationRule = new() { ClusterRoleSelectors = [new LabelSelector { MatchLabels = [new(AggregateTo + value, "true")] }] } };
        }
        return role;
    }

    private static ClusterRoleBinding ClusterBindingOf(string name, ApiList<Subject> subjects) => new()
    {
        Metadata = Meta(name),
        Subjects = subjects,
        RoleRef = new() { ApiGroup = RbacGroup, Kind = "ClusterRole", Name = name },
    };

    private static PolicyRule RuleOf(string[] words)
    {
        if (words[0] == "events")
            return new() { Verbs = ["create", "patch", "update"], ApiGroups = ["", "events.k8s.io"], Resources = ["events"] };
        ApiList<string> verbs = words[0] switch
        {
            "read" => ["get", "list", "watch"],
            "write" => ["create", "delete", "deletecollection", "patch", "update"],
            _ => words[0].Split(','),
        };
        if (words[1] == "url")
            return new() { Verbs = verbs, NonResourceURLs = words[2].Split(',') };
        return new()
        {
            Verbs = verbs,
            ApiGroups = words[1].Split(',').Select(group => group == "core" ? "" : group).ToApiList(),
            Resources = words[2].Split(','),
            ResourceNames = words.Length > 3 ? words[3].Split(',') : default(ApiList<string>),
        };
    }

    private static ApiList<Subject> SubjectsOf(string word) => word.Split(',').Select(subject => subject[..subject.IndexOf('=', StringComparison.Ordinal)] switch
    {
        "user" => new Subject { ApiGroup = RbacGroup, Kind = "User", Name = subject["user=".Length..] },
        "group" => new Subject { ApiGroup = RbacGroup, Kind = "Group", Name = subject["group=".Length..] },
        _ => Account(subject["account=".Length..]),
    }).ToApiList();

    private static Subject Account(string name) => new()
    {
        Kind = "ServiceAccount",
        Name = name[(name.IndexOf('/', StringComparison.Ordinal) + 1)..],
        Namespace = name[..name.IndexOf('/', StringComparison.Ordinal)],
    };

    private static ApiList<PolicyRule> Take(List<PolicyRule> rules)
    {
        ApiList<PolicyRule> taken = rules;
        rules.Clear();
        return taken;
    }

    private static ObjectMeta Meta(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        return new()
        {
            Namespace = slash < 0 ? "" : name[..slash],
            Name = name[(slash + 1)..],
            Annotations = [new(AutoUpdate, "true")],
            Labels = [new("kubernetes.io/bootstrapping", "rbac-defaults")],
        };
    }
}
