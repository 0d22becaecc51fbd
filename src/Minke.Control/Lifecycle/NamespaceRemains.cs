using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Control.Lifecycle;

/// <summary>What one look found left in a namespace that is to go, and how its conditions say so. The words are upstream's.</summary>
internal sealed class NamespaceRemains
{
    private readonly SortedDictionary<string, int> _resources = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _finalizers = new(StringComparer.Ordinal);
    private readonly Dictionary<KindInfo, StatusException> _failures = [];

    /// <summary>Not everything could be seen: nothing follows from seeing nothing.</summary>
    public bool IsUncertain { get; set; }
    public bool IsEmpty => _resources.Count == 0 && !IsUncertain;
    public StatusException? FirstFailure => _failures.Values.FirstOrDefault();

    public void Count(KindInfo kind, IReadOnlyCollection<IKubeObject> left)
    {
        if (left.Count > 0)
            _resources[$"{kind.Plural}.{kind.Group}"] = left.Count;
        foreach (var finalizer in left.SelectMany(item => item.Metadata.Finalizers))
            _finalizers[finalizer] = _finalizers.GetValueOrDefault(finalizer) + 1;
    }

    /// <summary>One failure is told of each kind.</summary>
    public void Fail(KindInfo kind, StatusException failure) => _failures.TryAdd(kind, failure);

    public NamespaceStatus Progress(NamespaceStatus status, DateTimeOffset now)
    {
        var conditions = status.Conditions;
        Set("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered");
        Set("NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", "All legacy kube types successfully parsed");
        if (_failures.Count > 0)
        {
            Set("NamespaceDeletionContentFailure", true, "ContentDeletionFailed", string.Create(CultureInfo.InvariantCulture,
                $"Failed to delete all resource types, {_failures.Count} remaining: {string.Join(", ", _failures.Values.Select(failure => failure.Message).Order(StringComparer.Ordinal))}"));
        }
        else
        {
            Set("NamespaceDeletionContentFailure", false, "ContentDeleted", "All content successfully deleted, may be waiting on finalization");
        }
        if (_resources.Count > 0)
            Set("NamespaceContentRemaining", true, "SomeResourcesRemain", "Some resources are remaining: " + Told(_resources, "has"));
        else
            Set("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed");
        if (_finalizers.Count > 0)
            Set("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: " + Told(_finalizers, "in"));
        else
            Set("NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers", "All content-preserving finalizers finished");
        return status with { Phase = NamespacePhase.Terminating, Conditions = conditions };

        void Set(string type, bool value, string reason, string message)
        {
            var condition = new NamespaceCondition
            {
                Type = type,
                Status = value ? ConditionStatus.True : ConditionStatus.False,
                Reason = reason,
                Message = message,
                LastTransitionTime = Time.From(now),
            };
            var index = conditions.ToList().FindIndex(other => other.Type == type);
            if (index < 0)
                conditions = conditions.Add(condition);
            else if (conditions[index].Status != condition.Status || conditions[index].Message != message)
                conditions = conditions.Set(index, conditions[index].Status == condition.Status ? condition with { LastTransitionTime = conditions[index].LastTransitionTime } : condition);
        }
    }

    private static string Told(SortedDictionary<string, int> counts, string verb) =>
        string.Join(", ", counts.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {verb} {pair.Value} resource instances")));
}
