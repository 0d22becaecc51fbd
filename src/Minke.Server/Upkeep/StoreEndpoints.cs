using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Server.Requests;
using Minke.Store;

namespace Minke.Server.Upkeep;

/// <summary>
/// What is done to the state of a server that runs, for <c>minke store</c> and whoever else a role allows these paths:
/// <c>GET /minke/store/backup</c>, <c>GET /minke/store/check</c> and <c>POST /minke/store/compact</c>.
/// </summary>
internal sealed class StoreEndpoints(IStateStore store)
{
    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path, CancellationToken cancellationToken)
    {
        try
        {
            switch (http.Request.Method, path)
            {
                case ("GET", "/minke/store/backup"):
                    http.Response.ContentType = "application/octet-stream";
                    await store.BackupAsync(http.Response.Body, cancellationToken);
                    return true;
                case ("GET", "/minke/store/check"):
                    await AnswerAsync(http, await store.CheckAsync(cancellationToken));
                    return true;
                case ("POST", "/minke/store/compact"):
                    await AnswerAsync(http, await store.CompactAsync(cancellationToken));
                    return true;
                default:
                    return false;
            }
        }
        catch (StoreUnavailableException exception)
        {
            throw StatusException.ServiceUnavailable(exception.Message);
        }
    }

    private static ValueTask AnswerAsync(HttpContext http, StateCheck check) => JsonAsync(http, writer =>
    {
        writer.WriteNumber("revision", check.Revision.Value);
        writer.WriteNumber("entries", check.Entries.Count);
        writer.WriteStartArray("problems");
        foreach (var problem in check.Problems.Concat(ObjectCheck.Problems(check.Entries)))
            writer.WriteStringValue(problem);
        writer.WriteEndArray();
    });

    private static ValueTask AnswerAsync(HttpContext http, Compaction done) => JsonAsync(http, writer =>
    {
        writer.WriteNumber("revision", done.Revision.Value);
        writer.WriteNumber("forgottenChanges", done.ForgottenChanges);
        writer.WriteNumber("freedBytes", done.FreedBytes);
        writer.WriteNumber("sizeBytes", done.SizeBytes);
    });

    private static ValueTask JsonAsync(HttpContext http, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }
        return Responses.JsonAsync(http, 200, buffer.WrittenMemory, default);
    }
}
