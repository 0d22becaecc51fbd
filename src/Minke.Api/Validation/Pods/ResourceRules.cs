using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Requests and limits. (ValidateContainerResourceRequirements)</summary>
internal static class ResourceRules
{
    private static readonly string[] StandardContainerResources = ["cpu", "memory", "ephemeral-storage"];
    private static readonly string[] IntegerResources = ["pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims"];

    public static void Validate(ResourceRequirements resources, FieldPath path, FieldErrors errors)
    {
        foreach (var (name, limit) in resources.Limits)
        {
            var at = path.Child("limits").Key(name);
            ValidateName(name, at, errors);
            ValidateAmount(name, limit, at, errors);
        }
        foreach (var (name, request) in resources.Requests)
        {
            var at = path.Child("requests").Key(name);
            ValidateName(name, at, errors);
            ValidateAmount(name, request, at, errors);
            if (!resources.Limits.TryGetValue(name, out var limit))
            {
                if (!CanOvercommit(name))
                    errors.Required(path.Child("limits"), "Limit must be set for non overcommitable resources");
                continue;
            }
            if (request > limit)
                errors.Invalid(path.Child("requests"), request.ToString(), $"must be less than or equal to {name} limit of {limit}");
            else if (!CanOvercommit(name) && request != limit)
                errors.Invalid(path.Child("requests"), request.ToString(), $"must be equal to {name} limit of {limit}");
        }
        var all = resources.Limits.Keys.Concat(resources.Requests.Keys).ToHashSet(StringComparer.Ordinal);
        if (all.Any(IsHugePages) && !all.Contains("cpu") && !all.Contains("memory"))
            errors.Forbidden(path, "HugePages require cpu or memory");
        for (var i = 0; i < resources.Claims.Count; i++)
        {
            if (resources.Claims[i].Name.Length == 0)
                errors.Required(path.Child("claims").Index(i).Child("name"));
        }
    }

    public static void ValidateList(ApiMap<Quantity> amounts, FieldPath path, FieldErrors errors)
    {
        foreach (var (name, amount) in amounts)
        {
            PodRules.Each(Names.QualifiedName(name), path.Key(name), name, errors);
            ValidateAmount(name, amount, path.Key(name), errors);
        }
    }

    public static void NonNegative(Quantity amount, FieldPath path, FieldErrors errors)
    {
        if (amount.Value < 0)
            errors.Invalid(path, amount.ToString(), "must be greater than or equal to 0");
    }

    private static void ValidateName(string name, FieldPath path, FieldErrors errors)
    {
        var before = errors.Count;
        PodRules.Each(Names.QualifiedName(name), path, name, errors);
        if (errors.Count > before)
            return;
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

    private static void ValidateAmount(string name, Quantity amount, FieldPath path, FieldErrors errors)
    {
        NonNegative(amount, path, errors);
        if ((IntegerResources.Contains(name) || IsExtended(name)) && amount.Value * 1000 % 1000 != 0)
            errors.Invalid(path, amount.ToString(), "must be an integer");
    }

    public static bool IsHugePages(string name) => name.StartsWith("hugepages-", StringComparison.Ordinal);

    private static bool CanOvercommit(string name) => IsNative(name) && !IsHugePages(name);

    private static bool IsNative(string name) => !name.Contains('/', StringComparison.Ordinal) || name.Contains("kubernetes.io/", StringComparison.Ordinal);

    private static bool IsExtended(string name) =>
        !IsNative(name) && !name.StartsWith("requests.", StringComparison.Ordinal) && !Names.QualifiedName("requests." + name).Any();
}
