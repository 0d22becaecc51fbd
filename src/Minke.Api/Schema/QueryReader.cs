using System.Globalization;

namespace Minke.Api;

/// <summary>Query parameters read into an options record, with Go's conversions.</summary>
/// <param name="values">All values of a parameter, in order; empty when absent.</param>
public readonly struct QueryReader(Func<string, IReadOnlyList<string>> values)
{
    public string String(string name) => values(name) is [var first, ..] ? first : "";

    public ApiList<string> Strings(string name) => values(name).ToApiList();

    // "false" and "0" say no, as does an absent parameter; anything else, even nothing, says yes.
    public bool Bool(string name) => values(name) is [var first, ..] && !first.Equals("false", StringComparison.OrdinalIgnoreCase) && first != "0";

    public bool? NullableBool(string name) => values(name).Count == 0 ? null : Bool(name);

    public long Int64(string name) => NullableInt64(name) ?? 0;

    public long? NullableInt64(string name) => values(name) is not [{ Length: > 0 } first, ..] ? null
        : long.TryParse(first, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value
        : throw new FormatException($"strconv.ParseInt: parsing \"{first}\": invalid syntax");

    public int Int32(string name) => (int)Int64(name);

    public ApiList<int> Int32s(string name) => values(name).Select(text =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value
        : throw new FormatException($"strconv.ParseInt: parsing \"{text}\": invalid syntax")).ToApiList();

    public Time? NullableTime(string name) => values(name) is [{ Length: > 0 } first, ..] ? Time.Parse(first) : null;
}
