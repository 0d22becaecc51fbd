using System.Globalization;

namespace Minke.Api;

/// <summary>Indexes of pods as text: <c>1,3-5,7</c>, rising and below the number of completions.</summary>
internal static class JobIndexes
{
    /// <summary>How many there are, or what is wrong with the text.</summary>
    public static string? TryCount(string text, int completions, out int total)
    {
        total = 0;
        if (text.Length == 0)
            return null;
        var count = 0;
        int? last = null;
        foreach (var part in text.Split(','))
        {
            if (Parse(part, completions, out var first, out var end) is { } wrong)
                return wrong;
            if (last >= first)
                return Text($"non-increasing order, previous: {last}, current: {first}");
            count += end - first + 1;
            last = end;
        }
        total = count;
        return null;
    }

    /// <summary>The first index that is in both; null when there is none. Parts that cannot be read are passed over.</summary>
    public static int? Overlap(string some, string others, int completions)
    {
        var (a, b) = (Intervals(some, completions), Intervals(others, completions));
        for (int i = 0, j = 0; i < a.Count && j < b.Count;)
        {
            if (a[i].First <= b[j].Last && b[j].First <= a[i].Last)
                return Math.Max(a[i].First, b[j].First);
            if (a[i].First <= b[j].First)
                i++;
            else
                j++;
        }
        return null;
    }

    private static List<(int First, int Last)> Intervals(string text, int completions)
    {
        var intervals = new List<(int, int)>();
        foreach (var part in text.Length == 0 ? [] : text.Split(','))
        {
            if (Parse(part, completions, out var first, out var last) is null)
                intervals.Add((first, last));
        }
        return intervals;
    }

    private static string? Parse(string part, int completions, out int first, out int last)
    {
        (first, last) = (0, 0);
        var ends = part.Split('-');
        if (ends.Length > 2)
            return $"the fragment {FieldErrors.Quote(part)} violates the requirement that an index interval can have at most two parts separated by '-'";
        if (Number(ends[0], completions, out first) is { } wrong)
            return wrong;
        last = first;
        if (ends.Length == 1)
            return null;
        if (Number(ends[1], completions, out last) is { } alsoWrong)
            return alsoWrong;
        return first >= last ? Text($"non-increasing order, previous: {first}, current: {last}") : null;
    }

    private static string? Number(string text, int completions, out int number)
    {
        number = 0;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
            return $"cannot convert string to integer for index: {FieldErrors.Quote(text)}";
        if (value >= completions)
            return $"too large index: {FieldErrors.Quote(text)}";
        number = (int)Math.Max(value, int.MinValue);
        return null;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
