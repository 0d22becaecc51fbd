using Minke.Api;
using Minke.Api.Apiextensions.V1;
using ConditionStatus = Minke.Api.Apiextensions.V1.ConditionStatus;
using ConditionType = Minke.Api.Apiextensions.V1.CustomResourceDefinitionConditionType;

namespace Minke.Server.CustomResources;

/// <summary>What the server says of a definition: upstream's conditions, reasons and sentences. Pure: from one state to the next.</summary>
internal static class DefinitionStatus
{
    public const string Finalizer = "customresourcecleanup.apiextensions.k8s.io";
    private const string ApprovedAnnotation = "api-approved.kubernetes.io";
    private const string ApprovalHelp = "https://github.com/kubernetes/enhancements/pull/1111";

    public static bool IsTrue(CustomResourceDefinition definition, string type) =>
        definition.Status.Conditions.Any(condition => condition.Type == type && condition.Status == ConditionStatus.True);

    /// <summary>Served from the moment that its names are its own.</summary>
    public static bool IsServed(CustomResourceDefinition definition) =>
        IsTrue(definition, ConditionType.NamesAccepted) || IsTrue(definition, ConditionType.Established);

    /// <summary>As the first DELETE leaves it.</summary>
    public static CustomResourceDefinition Deleting(CustomResourceDefinition definition, DateTimeOffset now)
    {
        var metadata = definition.Metadata;
        return With(
            definition with
            {
                Metadata = metadata with
                {
                    DeletionTimestamp = Time.From(now),
                    Finalizers = metadata.Finalizers.Contains(Finalizer) ? metadata.Finalizers : metadata.Finalizers.Add(Finalizer),
                },
            },
            now, ConditionType.Terminating, ConditionStatus.True, "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon");
    }

    /// <summary>The names it gets beside those of others in its group, and whether that is all it asked for.</summary>
    public static CustomResourceDefinition WithNames(CustomResourceDefinition definition, IEnumerable<CustomResourceDefinition> group, DateTimeOffset now)
    {
        var (asked, had) = (Complete(definition.Spec.Names), definition.Status.AcceptedNames);
        // Somebody may have written the conditions away.
        if (IsTrue(definition, ConditionType.NamesAccepted) && Json.Same(asked, had))
            return definition;
        var resources = new HashSet<string>(StringComparer.Ordinal);
        var kinds = new HashSet<string>(StringComparer.Ordinal);
        foreach (var other in group)
        {
            var names = other.Status.AcceptedNames;
            resources.UnionWith([names.Plural, names.Singular, .. names.ShortNames]);
            kinds.UnionWith([names.Kind, names.ListKind]);
        }

        var accepted = had with { Categories = asked.Categories };
        var (reason, message) = ("", "");
        if (IsFree("PluralConflict", asked.Plural, had.Plural, resources))
            accepted = accepted with { Plural = asked.Plural };
        if (IsFree("SingularConflict", asked.Singular, had.Singular, resources))
            accepted = accepted with { Singular = asked.Singular };
        var taken = asked.ShortNames.Where(name => !had.ShortNames.Contains(name) && resources.Contains(name)).Select(Taken).ToList();
        if (taken.Count == 0)
            accepted = accepted with { ShortNames = asked.ShortNames };
        else
            (reason, message) = ("ShortNamesConflict", taken.Count == 1 ? taken[0] : $"[{string.Join(", ", taken)}]");
        if (IsFree("KindConflict", asked.Kind, had.Kind, kinds))
            accepted = accepted with { Kind = asked.Kind };
        if (IsFree("ListKindConflict", asked.ListKind, had.ListKind, kinds))
            accepted = accepted with { ListKind = asked.ListKind };

        var isAccepted = reason.Length == 0;
        definition = With(definition with { Status = definition.Status with { AcceptedNames = accepted } }, now, ConditionType.NamesAccepted,
            isAccepted ? ConditionStatus.True : ConditionStatus.False, isAccepted ? "NoConflicts" : reason, isAccepted ? "no conflicts found" : message);
        if (IsTrue(definition, ConditionType.Established))
            return definition;
        if (isAccepted)
            return With(definition, now, ConditionType.Established, ConditionStatus.False, "Installing", "the initial names have been accepted");
        return definition.Status.Conditions.Any(condition => condition.Type == ConditionType.Established)
            ? definition : With(definition, now, ConditionType.Established, ConditionStatus.False, "NotAccepted", "not all names are accepted");

        bool IsFree(string conflict, string name, string own, HashSet<string> used)
        {
            if (name == own || !used.Contains(name))
                return true;
            (reason, message) = (conflict, Taken(name));
            return false;
        }
    }

    public static CustomResourceDefinition Established(CustomResourceDefinition definition, DateTimeOffset now) =>
        IsTrue(definition, ConditionType.Established) || !IsTrue(definition, ConditionType.NamesAccepted) || definition.Metadata.DeletionTimestamp is not null
            ? definition
            : With(definition, now, ConditionType.Established, ConditionStatus.True, "InitialNamesAccepted", "the initial names have been accepted");

    /// <summary>Groups of the Kubernetes community say where they were approved.</summary>
    public static CustomResourceDefinition WithApproval(CustomResourceDefinition definition, DateTimeOffset now)
    {
        var group = definition.Spec.Group;
        if (group is not ("k8s.io" or "kubernetes.io") && !group.EndsWith(".k8s.io", StringComparison.Ordinal) && !group.EndsWith(".kubernetes.io", StringComparison.Ordinal))
            return definition;
        var annotation = definition.Metadata.Annotations.GetValueOrDefault(ApprovedAnnotation) ?? "";
        var (status, reason, message) = annotation switch
        {
            "" => (ConditionStatus.False, "MissingAnnotation", $"protected groups must have approval annotation \"{ApprovedAnnotation}\", see {ApprovalHelp}"),
            _ when annotation.StartsWith("unapproved", StringComparison.Ordinal) => (ConditionStatus.False, "UnapprovedAnnotation", $"not approved: {FieldErrors.Quote(annotation)}"),
            _ when Uri.TryCreate(annotation, UriKind.Absolute, out var url) && url.Host.Length > 0 => (ConditionStatus.True, "ApprovedAnnotation", $"approved in {annotation}"),
            _ => (ConditionStatus.False, "InvalidAnnotation",
                $"protected groups must have approval annotation \"{ApprovedAnnotation}\" with either a URL or a reason starting with \"unapproved\", see {ApprovalHelp}"),
        };
        return With(definition, now, ConditionType.KubernetesAPIApprovalPolicyConformant, status, reason, message);
    }

    /// <summary>Every version that objects may lie in the store as.</summary>
    public static CustomResourceDefinition WithStoredVersion(CustomResourceDefinition definition)
    {
        var stored = definition.Spec.Versions.FirstOrDefault(version => version.Storage)?.Name;
        return stored is null || definition.Status.StoredVersions.Contains(stored) ? definition
            : definition with { Status = definition.Status with { StoredVersions = definition.Status.StoredVersions.Add(stored) } };
    }

    /// <summary>A condition's time is that of its last change of status.</summary>
    public static CustomResourceDefinition With(CustomResourceDefinition definition, DateTimeOffset now, string type, string status, string reason, string message)
    {
        var conditions = definition.Status.Conditions;
        var condition = new CustomResourceDefinitionCondition { Type = type, Status = status, Reason = reason, Message = message, LastTransitionTime = Time.From(now) };
        var index = conditions.ToList().FindIndex(other => other.Type == type);
        if (index >= 0 && conditions[index] is var old && old.Status == status && !old.LastTransitionTime.IsZero)
            condition = condition with { LastTransitionTime = old.LastTransitionTime };
        return definition with { Status = definition.Status with { Conditions = index < 0 ? conditions.Add(condition) : conditions.Set(index, condition) } };
    }

    private static CustomResourceDefinitionNames Complete(CustomResourceDefinitionNames names) => names with
    {
        Singular = names.Singular.Length > 0 ? names.Singular : names.Kind.ToLowerInvariant(),
        ListKind = names.ListKind.Length > 0 ? names.ListKind : names.Kind + "List",
    };

    private static string Taken(string name) => $"{FieldErrors.Quote(name)} is already in use";
}
