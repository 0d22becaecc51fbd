using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Requests and limits. (ValidateContainerResourceRequirements)</summary>
internal static class ResourceRules
{
    private static readonly string[] StandardContainerResources = ["cpu", "memory", "ephemeral-storage"];
    private static readonly string[] IntegerResources =
    [
        "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    ];
    private static readonly string[] StandardQuotaResources =
    [
        .. IntegerResources, "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage", "requests.storage",
        "limits.cpu", "limits.memory", "limits.ephemeral-storage",
    ];

    public static void Validate(ResourceRequirements resources, ApiList<PodResourceClaim> claims, FieldPath path, FieldErrors errors)
    {
        foreach (var (name, limit) in resources.Limits)
        {
            var at = path.Child("limits").Key(name);
            ValidateContainerName(name, at, errors);
            ValidateAmount(name, limit, at, errors);
            ValidateHugePages(name, limit, at, errors);
        }
        var requests = path.Child("requests");
        foreach (var (name, request) in resources.Requests)
        {
            var at = requests.Key(name);
            ValidateContainerName(name, at, errors);
            ValidateAmount(name, request, at, errors);
            if (resources.Limits.TryGetValue(name, out var limit))
            {
                if (request != limit && !CanOvercommit(name))
                    errors.Invalid(requests, request.ToString(), $"must be equal to {name} limit of {limit}");
                else if (request > limit)
                    errors.Invalid(requests, request.ToString(), $"must be less than or equal to {name} limit of {limit}");
            }
            else if (!CanOvercommit(name))
            {
                errors.Required(path.Child("limits"), "Limit must be set for non overcommitable resources");
            }
            ValidateHugePages(name, request, at, errors);
        }
        var all = resources.Limits.Keys.Concat(resources.Requests.Keys).ToHashSet(StringComparer.Ordinal);
        if (all.Any(IsHugePages) && !all.Contains("cpu") && !all.Contains("memory"))
            errors.Forbidden(path, "HugePages require cpu or memory");
        ValidateClaims(resources.Claims, claims, path.Child("claims"), errors);
    }

    private static void ValidateClaims(ApiList<ResourceClaim> used, ApiList<PodResourceClaim> claims, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < used.Count; i++)
        {
            var (name, at) = (used[i].Name, path.Index(i));
            if (name.Length == 0)
            {
                errors.Required(at);
                continue;
            }
            var key = used[i].Request.Length == 0 ? name : name + "/" + used[i].Request;
            if (seen.Contains(name) || !seen.Add(key))
                errors.Duplicate(at, seen.Contains(name) ? name : key);
            if (!claims.Any(claim => claim.Name == name))
            {
                errors.NotFound(at, name, "must be one of the names in pod.spec.resourceClaims" + (claims.IsEmpty
                    ? " which is empty" : ": " + string.Join(", ", claims.Select(claim => claim.Name).Order(StringComparer.Ordinal))));
            }
        }
    }

    public static void NonNegative(Quantity amount, FieldPath path, FieldErrors errors)
    {
        if (amount.Value < 0)
            errors.Invalid(path, amount.ToString(), "must be greater than or equal to 0");
    }

    /// <summary>The name of any resource: one of Kubernetes' own, or with a domain. False when it is not.</summary>
    public static bool ValidateName(string name, FieldPath path, FieldErrors errors)
    {
        var before = errors.Count;
        PodRules.Each(Names.QualifiedName(name), path, name, errors);
        if (errors.Count == before && !name.Contains('/', StringComparison.Ordinal) && !IsStandard(name))
            errors.Invalid(path, name, "must be a standard resource type or fully qualified");
        return errors.Count == before;
    }

    public static void ValidateContainerName(string name, FieldPath path, FieldErrors errors)
    {
        ValidateName(name, path, errors);
        if (!name.Contains('/', StringComparison.Ordinal))
        {
            if (!StandardContainerResources.Contains(name) && !IsHugePages(name))
                errors.Invalid(path, name, "must be a standard resource for containers");
        }
        else if (!IsNative(name) && !IsExtended(name))
        {
            errors.Invalid(path, name, "doesn't follow extended resource name standard");
        }
    }

    public static void ValidateQuotaName(string name, FieldPath path, FieldErrors errors)
    {
        ValidateName(name, path, errors);
        if (!name.Contains('/', StringComparison.Ordinal) && !IsStandardQuota(name))
            errors.Invalid(path, name, "must be a standard resource for quota");
    }

    public static void ValidateAmount(string name, Quantity amount, FieldPath path, FieldErrors errors)
    {
        NonNegative(amount, path, errors);
        if ((IntegerResources.Contains(name) || IsExtended(name)) && amount.Value != Math.Truncate(amount.Value))
            errors.Invalid(path, amount, "must be an integer");
    }

    private static void ValidateHugePages(string name, Quantity amount, FieldPath path, FieldErrors errors)
    {
        if (IsHugePages(name) && Quantity.TryParse(name["hugepages-".Length..], out var size) && size.Value > 0 && amount.Value % size.Value != 0)
            errors.Invalid(path, amount.ToString(), $"{amount} is not positive integer multiple of {name}");
    }

    private static bool IsStandard(string name) => StandardQuotaResources.Contains(name) || name == "storage" || IsQuotaHugePages(name);

    public static bool IsStandardQuota(string name) => StandardQuotaResources.Contains(name) || IsQuotaHugePages(name);

    private static bool IsQuotaHugePages(string name) => IsHugePages(name) || name.StartsWith("requests.hugepages-", StringComparison.Ordinal);

    public static bool IsHugePages(string name) => name.StartsWith("hugepages-", StringComparison.Ordinal);

    public static bool CanOvercommit(string name) => IsNative(name) && !IsHugePages(name);

    private static bool IsNative(string name) => !name.Contains('/', StringComparison.Ordinal) || name.Contains("kubernetes.io/", StringComparison.Ordinal);

    private static bool IsExtended(string name) =>
        !IsNative(name) && !name.StartsWith("requests.", StringComparison.Ordinal) && !Names.QualifiedName("requests." + name).Any();
}
