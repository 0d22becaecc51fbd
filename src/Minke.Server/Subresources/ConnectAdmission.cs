using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.Admission;
using Minke.Server.Audit;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary>Admission of connections: it sees their options, and may change them; there is no trying it out.</summary>
internal sealed class ConnectAdmission(ObjectRegistry registry)
{
    /// <param name="request">To a subresource that connects.</param>
    /// <param name="kind">Of the options.</param>
    /// <param name="options">As the client has them.</param>
    /// <param name="read">Reads them again once they are changed.</param>
    /// <param name="write">Their members as JSON; null for those that are not set.</param>
    public async ValueTask<T> AdmitAsync<T>(ApiRequest request, KindInfo kind, T options, Func<QueryReader, T> read, Func<T, JsonObject> write)
    {
        if (request.Http.Request.Query.ContainsKey("dryRun"))
            throw StatusException.BadRequest("dryRun is not supported");
        var members = write(options);
        foreach (var (name, value) in members.ToList())
        {
            if (value is null)
                members.Remove(name);
        }
        var body = AdmittedBody.Of(kind, members);
        var context = request.Known(new WriteContext { User = request.User, Audit = request.Http.Features.Get<AuditRecord>() });
        var admitted = await registry.AdmitAsync(new AdmissionRequest
        {
            Resource = request.Resource,
            Subresource = request.Target.Subresource,
            ObjectKind = kind,
            Operation = AdmissionOperation.Connect,
            Namespace = request.Namespace,
            Name = request.Name,
            Object = body,
            Context = context,
        }, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        return ReferenceEquals(admitted, body) ? options : read(((AdmittedBody)admitted).Query());
    }

    public static JsonValue? Text(string text) => text.Length > 0 ? JsonValue.Create(text) : null;
}
