using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.Access;

namespace Minke.Server.Audit;

/// <summary>How much of a request is recorded; each level has what those before it have.</summary>
internal enum AuditLevel { None, Metadata, Request, RequestResponse }

/// <summary>When an event is written.</summary>
[Flags]
internal enum AuditStages { None = 0, RequestReceived = 1, ResponseStarted = 2, ResponseComplete = 4, Panic = 8 }

/// <summary>What is to be recorded of one request.</summary>
internal readonly record struct AuditDecision(AuditLevel Level, AuditStages Omitted, bool OmitsManagedFields);

/// <summary>Which requests are recorded, and how much of them: a file of kind <c>Policy</c> of <c>audit.k8s.io/v1</c>. The first rule that matches counts.</summary>
internal sealed class AuditPolicy
{
    private readonly List<Rule> _rules;

    private AuditPolicy(List<Rule> rules) => _rules = rules;

    /// <exception cref="FormatException">The file is no policy; the message says why.</exception>
    public static AuditPolicy Read(string path)
    {
        try
        {
            if (YamlReader.Read(File.ReadAllText(path)) is not [var (_, document)] || document is not JsonObject policy)
                throw new FormatException("one document is wanted");
            return Parse(policy);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new FormatException($"loading audit policy file {path}: {e.Message}", e);
        }
    }

    public AuditDecision Decide(in AccessQuery query)
    {
        foreach (var rule in _rules)
        {
            if (rule.Matches(query))
                return new(rule.Level, rule.Omitted, rule.OmitsManagedFields);
        }
        return default;
    }

    internal static AuditPolicy Parse(JsonObject policy)
    {
        if (policy["apiVersion"]?.ToString() != "audit.k8s.io/v1" || policy["kind"]?.ToString() != "Policy")
            throw new FormatException($"unknown group version field {policy["apiVersion"]} in policy: a Policy of audit.k8s.io/v1 is wanted");
        Known(policy, "", ["apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"]);
        if (policy["rules"] is not JsonArray { Count: > 0 } rules)
            throw new FormatException("loaded illegal policy with 0 rules");
        var omitted = Stages(policy["omitStages"], "omitStages");
        var omitsManagedFields = policy["omitManagedFields"]?.GetValue<bool>() ?? false;
        var parsed = new List<Rule>();
        foreach (var node in rules)
            parsed.Add(Rule.Parse(node as JsonObject ?? throw new FormatException("a rule is an object"), $"rules[{parsed.Count}]", omitted, omitsManagedFields));
        return new(parsed);
    }

    private static void Known(JsonObject node, string path, string[] names)
    {
        foreach (var (name, _) in node)
        {
            if (!names.Contains(name))
                throw new FormatException($"unknown field \"{(path.Length == 0 ? name : $"{path}.{name}")}\"");
        }
    }

    private static AuditStages Stages(JsonNode? node, string path)
    {
        var stages = AuditStages.None;
        foreach (var name in Texts(node))
        {
            stages |= name switch
            {
                "RequestReceived" => AuditStages.RequestReceived,
                "ResponseStarted" => AuditStages.ResponseStarted,
                "ResponseComplete" => AuditStages.ResponseComplete,
                "Panic" => AuditStages.Panic,
                _ => throw new FormatException($"{path}: Invalid value: \"{name}\": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic"),
            };
        }
        return stages;
    }

    private static IReadOnlyList<string> Texts(JsonNode? node) => node is null ? []
        : node is JsonArray array ? [.. array.Select(item => item?.GetValue<string>() ?? "")]
        : throw new FormatException($"{node.GetPath()}: a list is wanted");

    private sealed record Rule(
        AuditLevel Level, IReadOnlyList<string> Users, IReadOnlyList<string> Groups, IReadOnlyList<string> Verbs,
        IReadOnlyList<(string Group, IReadOnlyList<string> Resources, IReadOnlyList<string> Names)> Resources,
        IReadOnlyList<string> Namespaces, IReadOnlyList<string> Urls, AuditStages Omitted, bool OmitsManagedFields)
    {
        public static Rule Parse(JsonObject node, string path, AuditStages omitted, bool omitsManagedFields)
        {
            Known(node, path, ["level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields"]);
            var level = node["level"]?.ToString() switch
            {
                "None" => AuditLevel.None,
                "Metadata" => AuditLevel.Metadata,
                "Request" => AuditLevel.Request,
                "RequestResponse" => AuditLevel.RequestResponse,
                var other => throw new FormatException(
                    $"{path}.level: Unsupported value: \"{other}\": supported values: \"None\", \"Metadata\", \"Request\", \"RequestResponse\""),
            };
            var resources = new List<(string, IReadOnlyList<string>, IReadOnlyList<string>)>();
            foreach (var item in node["resources"] as JsonArray ?? [])
            {
                var one = item as JsonObject ?? throw new FormatException($"{path}.resources: an object is wanted");
                Known(one, $"{path}.resources[{resources.Count}]", ["group", "resources", "resourceNames"]);
                resources.Add((one["group"]?.ToString() ?? "", Texts(one["resources"]), Texts(one["resourceNames"])));
            }
            var urls = Texts(node["nonResourceURLs"]);
            if (urls.Count > 0 && (resources.Count > 0 || Texts(node["namespaces"]).Count > 0))
                throw new FormatException($"{path}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs");
            return new(level, Texts(node["users"]), Texts(node["userGroups"]), Texts(node["verbs"]), resources, Texts(node["namespaces"]), urls,
                omitted | Stages(node["omitStages"], $"{path}.omitStages"), node["omitManagedFields"]?.GetValue<bool>() ?? omitsManagedFields);
        }

        public bool Matches(in AccessQuery query)
        {
            if ((Users.Count > 0 && !Users.Contains(query.User.Name)) || (Groups.Count > 0 && !query.User.Groups.Any(Groups.Contains))
                || (Verbs.Count > 0 && !Verbs.Contains(query.Verb)))
                return false;
            if (Resources.Count == 0 && Namespaces.Count == 0 && Urls.Count == 0)
                return true;
            return query.Path is { } path ? Urls.Any(url => MatchesUrl(url, path)) : MatchesResource(query);
        }

        private bool MatchesResource(in AccessQuery query)
        {
            if ((Namespaces.Count > 0 && !Namespaces.Contains(query.Namespace)) || Urls.Count > 0)
                return false;
            if (Resources.Count == 0)
                return true;
            foreach (var (group, resources, names) in Resources)
            {
                if (group != query.Group)
                    continue;
                if (resources.Count == 0)
                    return true;
                if (names.Count > 0 && !names.Contains(query.Name))
                    continue;
                var qualified = query.QualifiedResource;
                var (resource, subresource) = (query.Resource, query.Subresource);
                if (resources.Any(one => one == "*" || one == qualified
                    || (subresource.Length > 0 && (one == "*/" + subresource || one == resource + "/*"))))
                    return true;
            }
            return false;
        }

        private static bool MatchesUrl(string url, string path) =>
            url == "*" || url == path || (url.EndsWith('*') && path.StartsWith(url.TrimEnd('*'), StringComparison.Ordinal));
    }
}
