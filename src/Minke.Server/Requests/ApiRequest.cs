using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Client;
using Minke.Server.Access;
using Minke.Server.Audit;
using Minke.Server.Flow;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>One request to a resource on its way: who asks, what for, and in which form the answer goes out.</summary>
internal sealed class ApiRequest
{
    public required HttpContext Http { get; init; }
    public required UserInfo User { get; init; }
    public required RequestTarget Target { get; init; }
    public required Resource Resource { get; init; }

    /// <summary>The API verb: get, list, watch, create, update, patch, delete, deletecollection.</summary>
    public required string Verb { get; init; }
    public required MediaType Media { get; init; }

    /// <summary>Cancelled when the client leaves, the time is up or the server stops.</summary>
    public required CancellationToken Cancelled { get; init; }

    /// <summary>Of requests that create what is not there, though it is not what they are called.</summary>
    public Action? CheckMayCreate { get; init; }

    /// <summary>The seats of a watch, until its beginning is sent; others leave when they have been handled.</summary>
    public FlowTicket? Ticket { get; init; }

    public string Namespace => Target.Namespace;
    public string Name => Target.Name;

    /// <summary>Who writes and how, from the query.</summary>
    /// <exception cref="StatusException">422: an option makes no sense.</exception>
    public WriteContext Context(ApiList<string> dryRun, string fieldManager = "", string fieldValidation = "", PatchKind? patch = null, bool? force = null)
    {
        var errors = new FieldErrors();
        if (patch is not (null or PatchKind.Apply) && force is not null)
            errors.Forbidden("force", "may not be specified for non-apply patch");
        if (patch == PatchKind.Apply && fieldManager.Length == 0)
            errors.Required("fieldManager", "is required for apply patch");
        WriteOptionRules.FieldManager(fieldManager, errors);
        DryRun.Validate(dryRun, errors);
        WriteOptionRules.FieldValidation(fieldValidation, errors);
        if (errors.Count > 0)
            throw StatusException.Invalid("meta.k8s.io", Verb switch { "create" => "CreateOptions", "patch" => "PatchOptions", _ => "UpdateOptions" }, "", errors);
        return Known(new()
        {
            Audit = Http.Features.Get<AuditRecord>(),
            User = User,
            IsDryRun = DryRun.IsOn(dryRun),
            AskedManager = fieldManager,
            FieldValidation = fieldValidation,
            FieldManager = fieldManager.Length > 0 ? fieldManager : WriteOptionRules.ManagerOf(Http.Request.Headers.UserAgent.ToString()),
            Subresource = Target.Subresource,
            CheckMayCreate = CheckMayCreate,
            HasFinalManagers = patch == PatchKind.Apply,
        });
    }

    /// <summary>Lets the audit log and a failure's answer have what a write leaves behind.</summary>
    public WriteContext Known(WriteContext context)
    {
        Http.Features.Set(context);
        return context;
    }

    public required TimeProvider Clock { get; init; }

    /// <summary>The same request, answered in the form of another resource: that of a subresource.</summary>
    public ApiRequest With(Resource resource) =>
        new() { Http = Http, User = User, Target = Target, Resource = resource, Verb = Verb, Media = Media, Cancelled = Cancelled, Clock = Clock };

    public ValueTask<byte[]> BodyAsync() => RequestBody.ReadAsync(Http, Cancelled);

    public BodyFormat BodyFormat => MediaType.OfBody(Http.Request.ContentType ?? "");
}
