using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>
/// <c>matchLabelKeys</c> and <c>mismatchLabelKeys</c> of pod affinity stand for requirements on the pod's own labels; on create they are written
/// out into the selector, where the scheduler reads them. (KEP-3633)
/// </summary>
internal static class PodAffinityKeys
{
    public static Affinity? Merge(Affinity? affinity, ApiMap<string> labels) => affinity is null ? null : affinity with
    {
        PodAffinity = affinity.PodAffinity is { } together ? together with
        {
            RequiredDuringSchedulingIgnoredDuringExecution = together.RequiredDuringSchedulingIgnoredDuringExecution.Map(term => Merge(term, labels)),
            PreferredDuringSchedulingIgnoredDuringExecution = together.PreferredDuringSchedulingIgnoredDuringExecution.Map(term => Merge(term, labels)),
        } : null,
        PodAntiAffinity = affinity.PodAntiAffinity is { } apart ? apart with
        {
            RequiredDuringSchedulingIgnoredDuringExecution = apart.RequiredDuringSchedulingIgnoredDuringExecution.Map(term => Merge(term, labels)),
            PreferredDuringSchedulingIgnoredDuringExecution = apart.PreferredDuringSchedulingIgnoredDuringExecution.Map(term => Merge(term, labels)),
        } : null,
    };

    private static WeightedPodAffinityTerm Merge(WeightedPodAffinityTerm term, ApiMap<string> labels)
    {
        var merged = Merge(term.PodAffinityTerm, labels);
        return ReferenceEquals(merged, term.PodAffinityTerm) ? term : term with { PodAffinityTerm = merged };
    }

    private static PodAffinityTerm Merge(PodAffinityTerm term, ApiMap<string> labels)
    {
        if (term.LabelSelector is not { } selector || (term.MatchLabelKeys.IsEmpty && term.MismatchLabelKeys.IsEmpty))
            return term;
        var added = Requirements(term.MatchLabelKeys, LabelSelectorOperator.In, labels)
            .Concat(Requirements(term.MismatchLabelKeys, LabelSelectorOperator.NotIn, labels));
        return term with { LabelSelector = selector with { MatchExpressions = selector.MatchExpressions.Concat(added).ToApiList() } };
    }

    private static IEnumerable<LabelSelectorRequirement> Requirements(ApiList<string> keys, string @operator, ApiMap<string> labels) => keys
        .Where(labels.ContainsKey).Select(key => new LabelSelectorRequirement { Key = key, Operator = @operator, Values = [labels[key]] });
}
