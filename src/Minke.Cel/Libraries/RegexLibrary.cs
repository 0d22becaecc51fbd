using Minke.Api;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Kubernetes' <c>find</c> and <c>findAll</c>.</summary>
internal static class RegexLibrary
{
    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        var strings = CelType.List(CelType.String);
        library.Member("find", "string_find_string", [CelType.String, CelType.String], CelType.String,
            a => With(a[1].Text, regex => new StringValue(regex.Find(a[0].Text))));
        library.Member("findAll", "string_find_all_string", [CelType.String, CelType.String], strings,
            a => With(a[1].Text, regex => ListValue.Of(regex.FindAll(a[0].Text))));
        library.Member("findAll", "string_find_all_string_int", [CelType.String, CelType.String, CelType.Int], strings,
            a => With(a[1].Text, regex => ListValue.Of(a[2].Int < 0 ? regex.FindAll(a[0].Text) : regex.FindAll(a[0].Text).Take((int)Math.Min(a[2].Int, int.MaxValue)))));
    }

    private static CelValue With(string pattern, Func<GoRegex, CelValue> use) =>
        GoRegex.TryGet(pattern, out var regex, out var error) ? use(regex) : new ErrorValue($"Illegal regex: {error}");
}
