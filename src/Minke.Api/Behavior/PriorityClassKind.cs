using System.Globalization;
using Minke.Api.Scheduling.V1;

namespace Minke.Api;

/// <summary>What a PriorityClass does beyond its fields. (pkg/registry/scheduling/priorityclass)</summary>
internal sealed class PriorityClassKind : KindBehavior<PriorityClass>
{
    private const string SystemPrefix = "system-";
    private const int HighestForUsers = 1_000_000_000;
    private static readonly string[] Policies = ["PreemptLowerPriority", "Never"];

    public override bool CountsGeneration => true;

    // It begins at 1 and stays there.
    public override bool SpecDiffers(IKubeObject value, IKubeObject old) => false;

    public override void Validate(PriorityClass value, PriorityClass? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
            if (value.Value != old.Value)
                errors.Forbidden("value", "may not be changed in an update.");
            if (value.PreemptionPolicy != old.PreemptionPolicy)
                errors.Invalid("preemptionPolicy", value.PreemptionPolicy, "field is immutable");
            return;
        }
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        if (value.Metadata.Name.StartsWith(SystemPrefix, StringComparison.Ordinal))
        {
            if (WhyNotSystems(value) is { } why)
                errors.Forbidden("metadata.name", $"priority class names with '{SystemPrefix}' prefix are reserved for system use only. error: {why}");
        }
        else if (value.Value > HighestForUsers)
        {
            errors.Forbidden("value", string.Create(CultureInfo.InvariantCulture, $"maximum allowed value of a user defined priority is {HighestForUsers}"));
        }
        if (value.PreemptionPolicy is "")
            errors.Required("preemptionPolicy");
        else if (value.PreemptionPolicy is { } policy && !Policies.Contains(policy))
            errors.NotSupported("preemptionPolicy", policy, Policies);
    }

    private static string? WhyNotSystems(PriorityClass value)
    {
        var name = value.Metadata.Name;
        if (SystemPriorityClasses.Find(name) is not { } known)
            return $"{name} is not a known system priority class";
        if (known.Value != value.Value)
            return string.Create(CultureInfo.InvariantCulture, $"value of {name} PriorityClass must be {known.Value}");
        return value.GlobalDefault ? $"globalDefault of {name} PriorityClass must be false" : null;
    }
}

/// <summary>The classes that every cluster has, for what it cannot do without.</summary>
public static class SystemPriorityClasses
{
    public static IReadOnlyList<PriorityClass> All { get; } =
    [
        new()
        {
            Metadata = new() { Name = "system-node-critical" },
            Value = 2_000_001_000,
            Description = "Used for system critical pods that must not be moved from their current node.",
        },
        new()
        {
            Metadata = new() { Name = "system-cluster-critical" },
            Value = 2_000_000_000,
            Description = "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        },
    ];

    public static PriorityClass? Find(string name) => All.FirstOrDefault(one => one.Metadata.Name == name);
}
