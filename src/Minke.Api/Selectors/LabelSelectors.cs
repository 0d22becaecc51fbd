using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What a <see cref="LabelSelector"/> of a spec selects.</summary>
public static class LabelSelectors
{
    /// <summary>A null selector selects nothing, an empty one everything. (metav1.LabelSelectorAsSelector)</summary>
    public static bool Matches(LabelSelector? selector, ApiMap<string> labels)
    {
        if (selector is null)
            return false;
        foreach (var (key, value) in selector.MatchLabels)
        {
            if (!labels.TryGetValue(key, out var actual) || actual != value)
                return false;
        }
        foreach (var requirement in selector.MatchExpressions)
        {
            var isThere = labels.TryGetValue(requirement.Key, out var actual);
            var isMet = requirement.Operator switch
            {
                LabelSelectorOperator.In => isThere && requirement.Values.Contains(actual!),
                LabelSelectorOperator.NotIn => !isThere || !requirement.Values.Contains(actual!),
                LabelSelectorOperator.Exists => isThere,
                LabelSelectorOperator.DoesNotExist => !isThere,
                _ => false,
            };
            if (!isMet)
                return false;
        }
        return true;
    }
}
