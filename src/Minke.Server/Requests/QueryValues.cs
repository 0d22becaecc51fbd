using Microsoft.AspNetCore.Http;
using Minke.Api;

namespace Minke.Server.Requests;

/// <summary>Query parameters for the generated options readers.</summary>
internal static class QueryValues
{
    public static QueryReader Reader(IQueryCollection query) => new(name => query.TryGetValue(name, out var values) ? [.. values.Select(value => value ?? "")] : []);

    /// <exception cref="StatusException">400: a parameter does not convert.</exception>
    public static T Read<T>(HttpContext http, Func<QueryReader, T> read)
    {
        try
        {
            return read(Reader(http.Request.Query));
        }
        catch (FormatException e)
        {
            throw StatusException.BadRequest(e.Message);
        }
    }

    public static FieldValidation FieldValidation(string text) => text switch
    {
        "Ignore" => Requests.FieldValidation.Ignore,
        "Strict" => Requests.FieldValidation.Strict,
        _ => Requests.FieldValidation.Warn,
    };
}
