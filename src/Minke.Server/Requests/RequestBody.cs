using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Server.Audit;

namespace Minke.Server.Requests;

/// <summary>Reads a whole body, up to upstream's limit.</summary>
internal static class RequestBody
{
    /// <summary>3 MiB, as upstream's MaxRequestBodyBytes.</summary>
    public const int MaxBytes = 3 * 1024 * 1024;

    /// <exception cref="StatusException">413, or 400 when the client stopped halfway.</exception>
    public static async ValueTask<byte[]> ReadAsync(HttpContext http, CancellationToken cancellationToken)
    {
        if (http.Request.ContentLength is > MaxBytes)
            throw TooLarge();
        var reader = http.Request.BodyReader;
        try
        {
            while (true)
            {
                var result = await reader.ReadAsync(cancellationToken);
                var buffer = result.Buffer;
                if (buffer.Length > MaxBytes)
                    throw TooLarge();
                if (result.IsCompleted)
                {
                    var body = buffer.ToArray();
                    reader.AdvanceTo(buffer.End);
                    http.Features.Get<AuditRecord>()?.Keep(body);
                    return body;
                }
                reader.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        catch (Exception e) when (e is Microsoft.AspNetCore.Http.BadHttpRequestException or IOException)
        {
            throw e is Microsoft.AspNetCore.Http.BadHttpRequestException { StatusCode: 413 } ? TooLarge() : StatusException.BadRequest(e.Message);
        }
    }

    private static StatusException TooLarge() => StatusException.TooLarge(string.Create(
        CultureInfo.InvariantCulture, $"Request entity too large: limit is {MaxBytes}"));
}
