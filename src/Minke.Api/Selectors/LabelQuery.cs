using System.Globalization;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>How a requirement compares. <see cref="Equals"/> and <see cref="DoubleEquals"/> differ in writing only.</summary>
public enum LabelOperator { In, NotIn, Equals, DoubleEquals, NotEquals, Exists, DoesNotExist, GreaterThan, LessThan }

/// <summary>One condition on one label.</summary>
/// <param name="Values">Sorted; one for the comparisons, none for existence.</param>
public sealed record LabelRequirement(string Key, LabelOperator Operator, string[] Values)
{
    public bool Matches(ApiMap<string> labels)
    {
        var has = labels.TryGetValue(Key, out var value);
        return Operator switch
        {
            LabelOperator.In or LabelOperator.Equals or LabelOperator.DoubleEquals => has && Array.IndexOf(Values, value) >= 0,
            LabelOperator.NotIn or LabelOperator.NotEquals => !has || Array.IndexOf(Values, value) < 0,
            LabelOperator.Exists => has,
            LabelOperator.DoesNotExist => !has,
            _ => has && Parse(value!) is { } number && Parse(Values[0]) is { } limit
                && (Operator == LabelOperator.GreaterThan ? number > limit : number < limit),
        };
    }

    private static long? Parse(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null;
}

/// <summary>A label selector in its query form: <c>app=web,tier in (a,b),!canary</c>. Grammar and errors are apimachinery's.</summary>
public sealed class LabelQuery
{
    private LabelQuery(IReadOnlyList<LabelRequirement> requirements, bool matchesNothing = false)
    {
        Requirements = requirements;
        MatchesNothing = matchesNothing;
    }

    public static LabelQuery Everything { get; } = new([]);
    public static LabelQuery Nothing { get; } = new([], matchesNothing: true);

    public IReadOnlyList<LabelRequirement> Requirements { get; }
    public bool MatchesNothing { get; }
    public bool IsEmpty => Requirements.Count == 0 && !MatchesNothing;

    public bool Matches(ApiMap<string> labels)
    {
        if (MatchesNothing)
            return false;
        foreach (var requirement in Requirements)
        {
            if (!requirement.Matches(labels))
                return false;
        }
        return true;
    }

    /// <exception cref="FormatException">With upstream's text.</exception>
    public static LabelQuery Parse(string text) => text.Length == 0 ? Everything : new(new LabelQueryParser(text).Parse());

    /// <summary>The selector of a spec: null selects nothing, an empty one everything. (metav1.LabelSelectorAsSelector)</summary>
    /// <exception cref="FormatException">An operator that does not exist.</exception>
    public static LabelQuery From(LabelSelector? selector)
    {
        if (selector is null)
            return Nothing;
        var requirements = new List<LabelRequirement>();
        foreach (var (key, value) in selector.MatchLabels)
            requirements.Add(new(key, LabelOperator.Equals, [value]));
        foreach (var expression in selector.MatchExpressions)
        {
            var comparison = expression.Operator switch
            {
                LabelSelectorOperator.In => LabelOperator.In,
                LabelSelectorOperator.NotIn => LabelOperator.NotIn,
                LabelSelectorOperator.Exists => LabelOperator.Exists,
                LabelSelectorOperator.DoesNotExist => LabelOperator.DoesNotExist,
                var other => throw new FormatException($"\"{other}\" is not a valid label selector operator"),
            };
            requirements.Add(new(expression.Key, comparison, [.. expression.Values]));
        }
        return new(requirements);
    }

    /// <summary>The selector of a Service or ReplicationController: equalities.</summary>
    public static LabelQuery From(ApiMap<string> labels) =>
        new([.. labels.Select(label => new LabelRequirement(label.Key, LabelOperator.Equals, [label.Value]))]);

    /// <summary>The query form, sorted by key.</summary>
    public override string ToString() => string.Join(',', Requirements.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => one.Operator switch
    {
        LabelOperator.Exists => one.Key,
        LabelOperator.DoesNotExist => "!" + one.Key,
        LabelOperator.In => $"{one.Key} in ({string.Join(',', one.Values.Order(StringComparer.Ordinal))})",
        LabelOperator.NotIn => $"{one.Key} notin ({string.Join(',', one.Values.Order(StringComparer.Ordinal))})",
        LabelOperator.Equals => $"{one.Key}={one.Values[0]}",
        LabelOperator.DoubleEquals => $"{one.Key}=={one.Values[0]}",
        LabelOperator.NotEquals => $"{one.Key}!={one.Values[0]}",
        LabelOperator.GreaterThan => $"{one.Key}>{one.Values[0]}",
        _ => $"{one.Key}<{one.Values[0]}",
    }));
}
