using Minke.Api;
using Minke.Api.Flowcontrol.V1;
using Minke.Server.Access;

namespace Minke.Server.Flow;

/// <summary>A FlowSchema made ready for being asked about every request. (apiserver/pkg/util/flowcontrol/rule.go)</summary>
internal sealed class FlowSchemaMatcher(FlowSchema schema, PriorityLevel level, FlowSeries series)
{
    private readonly RuleMatcher[] _rules = [.. schema.Spec.Rules.Select(rule => new RuleMatcher(rule))];
    private readonly string _distinguisher = schema.Spec.DistinguisherMethod?.Type ?? "";

    public string Name => schema.Metadata.Name;
    public string Uid => schema.Metadata.Uid;
    public PriorityLevel Level => level;
    public FlowSeries Series => series;

    public bool Matches(in FlowRequest request)
    {
        foreach (var rule in _rules)
        {
            if (rule.Matches(request))
                return true;
        }
        return false;
    }

    /// <summary>What tells the flows of one schema apart: by user, by namespace, or nothing.</summary>
    public string Distinguisher(in FlowRequest request) => _distinguisher switch
    {
        "ByUser" => request.User.Name,
        "ByNamespace" => request.Target.IsResource ? request.Namespace : "",
        _ => "",
    };

    private sealed class RuleMatcher(PolicyRulesWithSubjects rule)
    {
        private readonly Subjects _subjects = new(rule.Subjects);
        private readonly ResourceMatcher[] _resources = [.. rule.ResourceRules.Select(one => new ResourceMatcher(one))];
        private readonly (NameSet Verbs, PathSet Paths)[] _paths = [.. rule.NonResourceRules.Select(one => (new NameSet(one.Verbs), new PathSet(one.NonResourceURLs)))];

        public bool Matches(in FlowRequest request)
        {
            if (!_subjects.Include(request.User))
                return false;
            if (!request.Target.IsResource)
            {
                foreach (var (verbs, paths) in _paths)
                {
                    if (verbs.Has(request.Verb) && paths.Has(request.Path))
                        return true;
                }
                return false;
            }
            foreach (var resource in _resources)
            {
                if (resource.Matches(request))
                    return true;
            }
            return false;
        }
    }

    private sealed class ResourceMatcher(ResourcePolicyRule rule)
    {
        private readonly NameSet _verbs = new(rule.Verbs);
        private readonly NameSet _groups = new(rule.ApiGroups);
        private readonly NameSet _resources = new(rule.Resources);
        private readonly NameSet _namespaces = new(rule.Namespaces);
        private readonly bool _isOfCluster = rule.ClusterScope;

        public bool Matches(in FlowRequest request)
        {
            if (!_verbs.Has(request.Verb) || !_groups.Has(request.Target.Group) || !_resources.Has(request.Target.Plural, request.Target.Subresource))
                return false;
            return request.Namespace is { Length: > 0 } @namespace ? _namespaces.Has(@namespace) : _isOfCluster;
        }
    }

    /// <summary>Users, groups and service accounts; a service account is a user by its name.</summary>
    private sealed class Subjects
    {
        private readonly NameSet _users;
        private readonly NameSet _groups;
        private readonly string[] _accounts; // of whole namespaces: how their users' names begin

        public Subjects(ApiList<Subject> subjects)
        {
            var (users, groups, accounts) = (new List<string>(), new List<string>(), new List<string>());
            foreach (var subject in subjects)
            {
                switch (subject)
                {
                    case { Kind: SubjectKind.User, User: { } user }:
                        users.Add(user.Name);
                        break;
                    case { Kind: SubjectKind.Group, Group.Name: "*" }:
                        users.Add("*");
                        break;
                    case { Kind: SubjectKind.Group, Group: { } group }:
                        groups.Add(group.Name);
                        break;
                    case { Kind: SubjectKind.ServiceAccount, ServiceAccount: { Name: "*" } account }:
                        accounts.Add($"system:serviceaccount:{account.Namespace}:");
                        break;
                    case { Kind: SubjectKind.ServiceAccount, ServiceAccount: { } account }:
                        users.Add($"system:serviceaccount:{account.Namespace}:{account.Name}");
                        break;
                }
            }
            (_users, _groups, _accounts) = (new(users), new(groups), [.. accounts]);
        }

        public bool Include(UserInfo user)
        {
            if (_users.Has(user.Name))
                return true;
            for (var i = 0; i < user.Groups.Count && !_groups.IsEmpty; i++)
            {
                if (_groups.Has(user.Groups[i]))
                    return true;
            }
            foreach (var start in _accounts)
            {
                if (user.Name.StartsWith(start, StringComparison.Ordinal))
                    return true;
            }
            return false;
        }
    }

    private readonly struct NameSet(IReadOnlyCollection<string> names)
    {
        // Of a few names comparing is cheaper than hashing.
        private const int Few = 8;

        private readonly string[] _names = [.. names];
        private readonly HashSet<string>? _many = names.Count > Few ? new(names, StringComparer.Ordinal) : null;
        private readonly bool _isAll = names.Contains("*");

        public bool IsEmpty => _names.Length == 0;

        public bool Has(string name)
        {
            if (_isAll || _many is not null)
                return _isAll || _many!.Contains(name);
            foreach (var one in _names)
            {
                if (one == name)
                    return true;
            }
            return false;
        }

        public bool Has(string resource, string subresource)
        {
            if (_isAll || subresource.Length == 0)
                return Has(resource);
            foreach (var name in _names)
            {
                if (name.Length == resource.Length + subresource.Length + 1 && name[resource.Length] == '/'
                    && name.StartsWith(resource, StringComparison.Ordinal) && name.EndsWith(subresource, StringComparison.Ordinal))
                    return true;
            }
            return false;
        }
    }

    /// <summary>A path stands for itself and all below it, with a star or without.</summary>
    private readonly struct PathSet(ApiList<string> paths)
    {
        private readonly (string Path, string Below)[] _paths = [.. paths.Select(path => (path, path.TrimEnd('*').TrimEnd('/') + "/"))];

        public bool Has(string path)
        {
            foreach (var one in _paths)
            {
                if (one.Path == "*" || one.Path == path || path.StartsWith(one.Below, StringComparison.Ordinal))
                    return true;
            }
            return false;
        }
    }
}
