using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>Label selectors as Go prints them: they have words of their own for it.</summary>
internal static class GoSelectors
{
    public static object? Show(LabelSelector? selector)
    {
        if (selector is null)
            return null;
        var labels = "map[string]string{" + string.Concat(selector.MatchLabels.Select(pair => $"{pair.Key}: {pair.Value},")) + "}";
        var expressions = "[]LabelSelectorRequirement{" + string.Concat(selector.MatchExpressions.Select(one =>
            $"LabelSelectorRequirement{{Key:{one.Key},Operator:{one.Operator},Values:[{string.Join(' ', one.Values)}],}},")) + "}";
        return new GoText($"&LabelSelector{{MatchLabels:{labels},MatchExpressions:{expressions},}}");
    }
}
