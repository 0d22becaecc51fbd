using Minke.Api;

namespace Minke.Server.Subresources;

/// <summary>Whom a proxy goes to, as it stands in the place of a name: <c>NAME</c>, <c>NAME:PORT</c> or <c>SCHEME:NAME:PORT</c>.</summary>
/// <param name="Scheme">http, https, or empty.</param>
/// <param name="Port">A number or a name; empty for none.</param>
internal readonly record struct ProxiedName(string Scheme, string Name, string Port)
{
    /// <exception cref="StatusException">400: it is none of these.</exception>
    public static ProxiedName Parse(string text, string what)
    {
        var parsed = text.Split(':') switch
        {
            [var name] => new ProxiedName("", name, ""),
            [var name, var port] => new ProxiedName("", name, port),
            [var scheme, var name, var port] => new ProxiedName(scheme, name, port),
            _ => default,
        };
        return parsed is { Scheme: "" or "http" or "https", Name.Length: > 0 } ? parsed : throw StatusException.BadRequest($"invalid {what} request {FieldErrors.Quote(text)}");
    }
}
