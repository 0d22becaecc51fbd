using System.Globalization;
using Minke.Api.Flowcontrol.V1;

namespace Minke.Api;

/// <summary>Flow schemas and priority levels. (pkg/apis/flowcontrol/validation)</summary>
internal static class FlowRules
{
    private const int MaxPrecedence = 10000;
    private const int MaxQueues = 10_000_000;
    private const int MaxHashBits = 60;
    private static readonly string[] Distinguishers = ["ByNamespace", "ByUser"];
    private static readonly string[] Verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
    private static readonly string[] SubjectKinds = ["Group", "ServiceAccount", "User"];
    private static readonly string[] LevelTypes = ["Exempt", "Limited"];
    private static readonly string[] Responses = ["Queue", "Reject"];

    public static void ValidateSchema(string name, FlowSchemaSpec spec, FieldPath path, FieldErrors errors)
    {
        var precedence = path.Child("matchingPrecedence");
        if (spec.MatchingPrecedence <= 0)
            errors.Invalid(precedence, spec.MatchingPrecedence, "must be a positive value");
        if (spec.MatchingPrecedence > MaxPrecedence)
            errors.Invalid(precedence, spec.MatchingPrecedence, string.Create(CultureInfo.InvariantCulture, $"must not be greater than {MaxPrecedence}"));
        if (spec.MatchingPrecedence == 1 && name != "exempt")
            errors.Invalid(precedence, spec.MatchingPrecedence, "only the schema named 'exempt' may have matchingPrecedence 1");
        if (spec.DistinguisherMethod is { } method && !Distinguishers.Contains(method.Type))
            errors.NotSupported(path.Child("distinguisherMethod").Child("type"), new GoText($"flowcontrol.FlowDistinguisherMethod{{Type:{FieldErrors.Quote(method.Type)}}}"), Distinguishers);
        var level = path.Child("priorityLevelConfiguration").Child("name");
        if (spec.PriorityLevelConfiguration.Name.Length == 0)
            errors.Required(level, "must reference a priority level");
        else
            PodRules.Each(Names.Dns1123Subdomain(spec.PriorityLevelConfiguration.Name), level, spec.PriorityLevelConfiguration.Name, errors);
        for (var i = 0; i < spec.Rules.Count; i++)
            ValidateRules(spec.Rules[i], path.Child("rules").Index(i), errors);
    }

    public static void ValidateLevel(string name, PriorityLevelConfigurationSpec spec, FieldPath path, FieldErrors errors)
    {
        if (name == "exempt" != (spec.Type == PriorityLevelEnablement.Exempt))
            errors.Invalid(path.Child("type"), spec.Type, "type must be 'Exempt' if and only if name is 'exempt'");
        var (limited, exempt) = (path.Child("limited"), path.Child("exempt"));
        switch (spec.Type)
        {
            case PriorityLevelEnablement.Exempt:
                if (spec.Limited is not null)
                    errors.Forbidden(limited, "must be nil if the type is not Limited");
                if (spec.Exempt is { } free)
                {
                    if (free.NominalConcurrencyShares is < 0)
                        errors.Invalid(exempt.Child("nominalConcurrencyShares"), free.NominalConcurrencyShares, "must be a non-negative integer");
                    Percent(free.LendablePercent, exempt.Child("lendablePercent"), errors);
                }
                break;
            case PriorityLevelEnablement.Limited:
                if (spec.Exempt is not null)
                    errors.Forbidden(exempt, "must be nil if the type is Limited");
                if (spec.Limited is null)
                    errors.Required(limited, "must not be empty when type is Limited");
                else
                    ValidateLimited(spec.Limited, limited, errors);
                break;
            default:
                errors.NotSupported(path.Child("type"), spec.Type, LevelTypes);
                break;
        }
    }

    public static void ValidateConditions(IEnumerable<string> types, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var type in types)
        {
            var at = new FieldPath("status.conditions").Index(index++).Child("type");
            if (!seen.Add(type))
                errors.Duplicate(at, type);
            if (type.Length == 0)
                errors.Required(at, "must not be empty");
        }
    }

    private static void ValidateLimited(LimitedPriorityLevelConfiguration limited, FieldPath path, FieldErrors errors)
    {
        if (limited.NominalConcurrencyShares is < 0)
            errors.Invalid(path.Child("nominalConcurrencyShares"), limited.NominalConcurrencyShares, "must be a non-negative integer");
        var (response, at) = (limited.LimitResponse, path.Child("limitResponse"));
        var queuing = at.Child("queuing");
        switch (response.Type)
        {
            case LimitResponseType.Reject:
                if (response.Queuing is not null)
                    errors.Forbidden(queuing, "must be nil if limited.limitResponse.type is not Limited");
                break;
            case LimitResponseType.Queue:
                if (response.Queuing is null)
                    errors.Required(queuing, "must not be empty if limited.limitResponse.type is Limited");
                else
                    ValidateQueuing(response.Queuing, queuing, errors);
                break;
            default:
                errors.NotSupported(at.Child("type"), response.Type, Responses);
                break;
        }
        Percent(limited.LendablePercent, path.Child("lendablePercent"), errors);
        if (limited.BorrowingLimitPercent is < 0)
            errors.Invalid(path.Child("borrowingLimitPercent"), limited.BorrowingLimitPercent, "if specified, must be a non-negative integer");
    }

    private static void ValidateQueuing(QueuingConfiguration queuing, FieldPath path, FieldErrors errors)
    {
        var (queues, hand) = (queuing.Queues, queuing.HandSize);
        if (queuing.QueueLengthLimit <= 0)
            errors.Invalid(path.Child("queueLengthLimit"), queuing.QueueLengthLimit, "must be positive");
        if (queues <= 0)
            errors.Invalid(path.Child("queues"), queues, "must be positive");
        else if (queues > MaxQueues)
            errors.Invalid(path.Child("queues"), queues, string.Create(CultureInfo.InvariantCulture, $"must not be greater than {MaxQueues}"));
        if (hand <= 0)
        {
            errors.Invalid(path.Child("handSize"), hand, "must be positive");
        }
        else if (hand > queues)
        {
            errors.Invalid(path.Child("handSize"), hand, string.Create(CultureInfo.InvariantCulture, $"should not be greater than queues ({queues})"));
        }
        else if (Math.Ceiling(Math.Log2(queues) * hand) > MaxHashBits)
        {
            errors.Invalid(path.Child("handSize"), hand, string.Create(
                CultureInfo.InvariantCulture, $"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MaxHashBits}"));
        }
    }

    private static void Percent(int? percent, FieldPath path, FieldErrors errors)
    {
        if (percent is < 0 or > 100)
            errors.Invalid(path, percent, "must be between 0 and 100, inclusive");
    }

    private static void ValidateRules(PolicyRulesWithSubjects rules, FieldPath path, FieldErrors errors)
    {
        if (rules.Subjects.IsEmpty)
            errors.Required(path.Child("subjects"), "subjects must contain at least one value");
        for (var i = 0; i < rules.Subjects.Count; i++)
            ValidateSubject(rules.Subjects[i], path.Child("subjects").Index(i), errors);
        if (rules.ResourceRules.IsEmpty && rules.NonResourceRules.IsEmpty)
            errors.Required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
        for (var i = 0; i < rules.ResourceRules.Count; i++)
            ValidateResourceRule(rules.ResourceRules[i], path.Child("resourceRules").Index(i), errors);
        for (var i = 0; i < rules.NonResourceRules.Count; i++)
            ValidatePathRule(rules.NonResourceRules[i], path.Child("nonResourceRules").Index(i), errors);
    }

    private static void ValidateSubject(Subject subject, FieldPath path, FieldErrors errors)
    {
        if (!SubjectKinds.Contains(subject.Kind))
        {
            errors.NotSupported(path.Child("kind"), subject.Kind, SubjectKinds);
            return;
        }
        switch (subject.Kind)
        {
            case SubjectKind.ServiceAccount:
                ValidateAccount(subject.ServiceAccount, path.Child("serviceAccount"), errors);
                break;
            case SubjectKind.User:
                ValidateName(subject.User?.Name, "User", path.Child("user"), errors);
                break;
            default:
                ValidateName(subject.Group?.Name, "Group", path.Child("group"), errors);
                break;
        }
        foreach (var (field, kind, isSet) in (ReadOnlySpan<(string, string, bool)>)
            [("serviceAccount", "ServiceAccount", subject.ServiceAccount is not null), ("user", "User", subject.User is not null), ("group", "Group", subject.Group is not null)])
        {
            if (isSet && subject.Kind != kind)
                errors.Forbidden(path.Child(field), $"{field} is forbidden when subject kind is not '{kind}'");
        }
    }

    private static void ValidateName(string? name, string kind, FieldPath path, FieldErrors errors)
    {
        if (name is null)
            errors.Required(path, $"{kind.ToLowerInvariant()} is required when subject kind is '{kind}'");
        else if (name.Length == 0)
            errors.Required(path.Child("name"));
    }

    private static void ValidateAccount(ServiceAccountSubject? account, FieldPath path, FieldErrors errors)
    {
        if (account is null)
        {
            errors.Required(path, "serviceAccount is required when subject kind is 'ServiceAccount'");
            return;
        }
        if (account.Name.Length == 0)
            errors.Required(path.Child("name"));
        else if (account.Name != "*")
            PodRules.Each(Names.Dns1123Subdomain(account.Name), path.Child("name"), account.Name, errors);
        if (account.Namespace.Length == 0)
            errors.Required(path.Child("namespace"), "must specify namespace for service account");
        else
            PodRules.Each(Names.Dns1123Label(account.Namespace), path.Child("namespace"), account.Namespace, errors);
    }

    private static void ValidateResourceRule(ResourcePolicyRule rule, FieldPath path, FieldErrors errors)
    {
        ValidateVerbs(rule.Verbs, path.Child("verbs"), errors);
        if (rule.ApiGroups.IsEmpty)
            errors.Required(path.Child("apiGroups"), "resource rules must supply at least one api group");
        Alone(rule.ApiGroups, "api groups", path.Child("apiGroups"), errors);
        if (rule.Resources.IsEmpty)
            errors.Required(path.Child("resources"), "resource rules must supply at least one resource");
        Alone(rule.Resources, "resources", path.Child("resources"), errors);
        var at = path.Child("namespaces");
        if (rule.Namespaces.IsEmpty && !rule.ClusterScope)
            errors.Required(at, "resource rules that are not cluster scoped must supply at least one namespace");
        else if (rule.Namespaces.Contains("*"))
            Alone(rule.Namespaces, "namespaces", at, errors);
        else
        {
            for (var i = 0; i < rule.Namespaces.Count; i++)
            {
                PodRules.Each(Names.Dns1123Label(rule.Namespaces[i]).Select(message => "each member of this list must be '*' or a DNS-1123 label; " + message),
                    at.Index(i), rule.Namespaces[i], errors);
            }
        }
    }

    private static void ValidatePathRule(NonResourcePolicyRule rule, FieldPath path, FieldErrors errors)
    {
        ValidateVerbs(rule.Verbs, path.Child("verbs"), errors);
        var at = path.Child("nonResourceURLs");
        if (rule.NonResourceURLs.IsEmpty)
        {
            errors.Required(at, "nonResourceURLs must contain at least one value");
        }
        else if (rule.NonResourceURLs.Contains("*"))
        {
            Alone(rule.NonResourceURLs, "non-resource URLs", at, errors);
        }
        else
        {
            for (var i = 0; i < rule.NonResourceURLs.Count; i++)
            {
                if (WhyNoPath(rule.NonResourceURLs[i]) is { } why)
                    errors.Invalid(at.Index(i), rule.NonResourceURLs[i], why);
            }
        }
    }

    private static void ValidateVerbs(ApiList<string> verbs, FieldPath path, FieldErrors errors)
    {
        if (verbs.IsEmpty)
            errors.Required(path, "verbs must contain at least one value");
        else if (verbs.Contains("*"))
            Alone(verbs, "verbs", path, errors);
        else if (verbs.Any(verb => !Verbs.Contains(verb)))
            errors.NotSupported(path, verbs, Verbs);
    }

    private static void Alone(ApiList<string> values, string others, FieldPath path, FieldErrors errors)
    {
        if (values.Count > 1 && values.Contains("*"))
            errors.Invalid(path, values, $"if '*' is present, must not specify other {others}");
    }

    private static string? WhyNoPath(string path)
    {
        var star = path.IndexOf('*', StringComparison.Ordinal);
        return path switch
        {
            "" => "must not be empty",
            "/" => null,
            _ when !path.StartsWith('/') => "must start with slash",
            _ when path.Contains(' ', StringComparison.Ordinal) => "must not contain white-space",
            _ when path.Contains("//", StringComparison.Ordinal) => "must not contain double slash",
            _ when star >= 0 && (star != path.Length - 1 || path[^2] != '/') => "wildcard can only do suffix matching",
            _ => null,
        };
    }
}
