using Minke.Api;

namespace Minke.Server.Registry;

internal static class DryRun
{
    private const string All = "All";

    public static bool IsOn(ApiList<string> directives) => directives.Count > 0;

    public static void Validate(ApiList<string> directives, FieldErrors errors)
    {
        foreach (var directive in directives)
        {
            if (directive != All)
                errors.NotSupported("dryRun", directives.Count == 1 ? new[] { directive }.ToText() : directives.ToArray().ToText(), [All]);
        }
    }

    // Go prints the list: []string{"x"}.
    private static GoList ToText(this string[] values) => new GoList(values);

    private sealed record GoList(string[] Values)
    {
        public override string ToString() => $"[]string{{{string.Join(", ", Values.Select(FieldErrors.Quote))}}}";
    }
}
