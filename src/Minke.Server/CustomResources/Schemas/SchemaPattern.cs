using Minke.Api;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>A schema's <c>pattern</c>, in Go's dialect; translated when first used.</summary>
internal sealed class SchemaPattern(string pattern)
{
    private readonly Lazy<(GoRegex? Regex, string Error)> _compiled = new(() => GoRegex.TryGet(pattern, out var regex, out var error) ? (regex, "") : (null, error));

    /// <summary>As written.</summary>
    public string Text { get; } = pattern;

    /// <summary>Why it is no pattern; empty when it is one.</summary>
    public string Error => _compiled.Value.Error;

    /// <summary>Somewhere in the text; false for no pattern at all.</summary>
    public bool IsMatch(string text) => _compiled.Value.Regex?.IsMatch(text) ?? false;
}
