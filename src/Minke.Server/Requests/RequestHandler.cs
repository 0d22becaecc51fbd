using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Access.Credentials;
using Minke.Server.Aggregation;
using Minke.Server.Audit;
using Minke.Server.Discovery;
using Minke.Server.Flow;
using Minke.Server.Health;
using Minke.Server.OpenApi;
using Minke.Server.Proxying;
using Minke.Server.Registry;
using Minke.Server.Subresources;
using Minke.Server.Tables;
using Minke.Server.Upkeep;

namespace Minke.Server.Requests;

/// <summary>
/// The way of every request: limits, who asks, what for, may they, then the verb's own code. Whatever goes wrong on the way becomes a
/// Status here and nowhere else.
/// </summary>
internal sealed partial class RequestHandler(
    ResourceCatalog catalog, ResourceHandler resources, SubresourceHandler subresources, VirtualResources virtuals, RemoteRequests remotes, DiscoveryDocuments discovery,
    OpenApiDocuments openApi, HealthEndpoints health, StoreEndpoints upkeep, ServerMetrics metrics, Authenticator authenticator,
    Authorizer authorizer, Impersonation impersonation, Auditor? auditor, FlowControl flow, FlowDump flowDump, TimeSpan requestTimeout, TimeProvider clock, ILogger logger,
    CancellationToken stopping)
{
    // So long after a request's time is up the Status saying so may be on its way.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    public async Task HandleAsync(HttpContext http)
    {
        var started = Stopwatch.GetTimestamp();
        var target = RequestTarget.Parse(http.Request.Path.Value ?? "/");
        var verb = Verb(http, target);
        CancellationTokenSource? deadline = null;
        AuditRecord? audit = null;
        FlowTicket? ticket = null;
        try
        {
            var remote = target.IsResource ? remotes.Find(target.Group, target.Version) : null;
            var isLongRunning = IsLongRunning(http, verb, target) || (remote is not null && ProxyHeaders.AsksForUpgrade(http.Request));
            var timeout = isLongRunning ? null : Timeout(http);
            var cancelled = http.RequestAborted;
            if (isLongRunning)
                deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
            // A read is answered from memory; a write waits for its body and the disk, and another server for whatever it likes.
            else if (timeout is not null || (target.IsResource && (remote is not null || verb is not ("get" or "list"))))
                deadline = new CancellationTokenSource(timeout ?? requestTimeout, clock);
            if (deadline is not null)
                cancelled = deadline.Token;

            var caller = await AuthenticateAsync(http, target, verb);
            if (auditor is not null)
                audit = await auditor.BeginAsync(http, QueryOf(http, caller, target, verb), target.IsResource ? catalog.Find(target.Group, target.Version, target.Plural) : null);
            var user = impersonation.Apply(http.Request.Headers, caller);
            if (audit is not null && !ReferenceEquals(user, caller))
                audit.Impersonated = user;

            // Streams of pods last as long as somebody looks on, and cost little; of watches the beginning counts.
            if (!isLongRunning || (verb == "watch" && target.IsResource))
                ticket = await flow.EnterAsync(http, FlowOf(http, user, target, verb), timeout);
            if (isLongRunning)
                await HandleLongAsync(http, user, target, verb, ticket, cancelled);
            else
                await AnsweredAsync(http, target.IsResource ? HandleResourceAsync(http, user, target, verb, null, cancelled) : HandlePathAsync(http, user, cancelled));
        }
        catch (StatusException e)
        {
            await FailAsync(http, e.Status);
        }
        catch (ImpersonationException e)
        {
            var path = FieldErrors.Quote(http.Request.Path + http.Request.QueryString);
            await Responses.TextAsync(http, 500, $"Internal Server Error: {path}: {e.Message}\n");
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested || stopping.IsCancellationRequested)
        {
            // The client has gone, or we are going: nobody to answer.
        }
        catch (OperationCanceledException)
        {
            await FailAsync(http, StatusException.Timeout("request did not complete within the allotted timeout").Status);
        }
        catch (Exception e)
        {
            LogFailed(e, http.Request.Method, http.Request.Path.Value ?? "");
            await FailAsync(http, StatusException.InternalError(e.Message).Status);
        }
        finally
        {
            ticket?.Leave();
            deadline?.Dispose();
            if (audit is not null)
                await auditor!.CompletedAsync(audit, http);
            metrics.Observe(verb, target, http.Response.StatusCode, Stopwatch.GetElapsedTime(started));
        }
    }

    /// <summary>Whoever takes an answer slowly does not keep seats for ever.</summary>
    private async ValueTask AnsweredAsync(HttpContext http, ValueTask handling)
    {
        if (!handling.IsCompleted)
        {
            await using var patience = clock.CreateTimer(static http => ((HttpContext)http!).Abort(), http, requestTimeout + AnswerTime, System.Threading.Timeout.InfiniteTimeSpan);
            await handling;
            return;
        }
        await handling;
    }

    /// <summary>A watch gives its seats back when its beginning is sent, and does not keep them for long from who reads slowly.</summary>
    private async ValueTask HandleLongAsync(HttpContext http, UserInfo user, RequestTarget target, string verb, FlowTicket? ticket, CancellationToken cancelled)
    {
        var handling = target.IsResource ? HandleResourceAsync(http, user, target, verb, ticket, cancelled) : HandlePathAsync(http, user, cancelled);
        if (ticket is { HasLeft: false } && !handling.IsCompleted)
        {
            await using var patience = clock.CreateTimer(static ticket => ((FlowTicket)ticket!).Leave(), ticket, requestTimeout, System.Threading.Timeout.InfiniteTimeSpan);
            await handling;
            return;
        }
        await handling;
    }

    private async ValueTask<UserInfo> AuthenticateAsync(HttpContext http, RequestTarget target, string verb)
    {
        try
        {
            return await authenticator.AuthenticateAsync(http);
        }
        catch (StatusException e) when (e.Code == 401 && auditor is not null)
        {
            await auditor.RefusedAsync(http, QueryOf(http, UserInfo.Nobody, target, verb));
            throw;
        }
    }

    /// <exception cref="StatusException">403.</exception>
    private void Authorize(HttpContext http, in AccessQuery query)
    {
        var decision = authorizer.Decide(query);
        if (auditor is not null && http.Features.Get<AuditRecord>() is { } audit)
            audit.Authorized = decision;
        if (!decision.IsAllowed)
            throw Authorizer.Forbidden(query, decision.Reason);
    }

    private async ValueTask HandleResourceAsync(HttpContext http, UserInfo user, RequestTarget target, string verb, FlowTicket? ticket, CancellationToken cancelled)
    {
        Authorize(http, QueryOf(http, user, target, verb));
        if (remotes.Find(target.Group, target.Version) is { } remote)
        {
            ticket?.Leave(); // Of a watch: it is somebody else's work from here.
            await remotes.ForwardAsync(http, user, remote, cancelled);
            return;
        }
        if (catalog.Find(target.Group, target.Version, target.Plural) is not { } resource)
            throw StatusException.NoResource();
        if (verb.Length == 0 && target.Subresource != "proxy")
            throw MethodNotAllowed();
        // A namespaced resource is written in a namespace, a cluster-scoped one never is.
        if (target.Namespace.Length > 0 && !resource.IsNamespaced)
            throw StatusException.NoResource();
        if (resource.IsNamespaced && target.Namespace.Length == 0 && (target.Name.Length > 0 || verb is not ("list" or "watch")))
            throw target.Name.Length == 0 ? MethodNotAllowed() : StatusException.NoResource();

        if (resource.Custom is { Warning.Length: > 0 } custom)
            Responses.Warn(http, [custom.Warning]);
        var request = new ApiRequest
        {
            Http = http,
            User = user,
            Target = target,
            Resource = resource,
            Verb = verb,
            Media = MediaOf(http, resource, target, verb),
            Cancelled = cancelled,
            Clock = clock,
            Ticket = ticket,
            CheckMayCreate = verb is "update" or "patch" ? () => authorizer.Check(QueryOf(http, user, target, "create")) : null,
        };
        if (target.Subresource.Length > 0)
        {
            await subresources.HandleAsync(request);
            return;
        }
        // A name is given when one object is meant, and not otherwise.
        var isNamed = target.Name.Length > 0;
        if (!resource.Kind.Verbs.Contains(verb) || (verb == "create" ? isNamed : verb is "update" or "patch" && !isNamed))
            throw MethodNotAllowed();
        if (resource.IsVirtual)
        {
            await virtuals.HandleAsync(request);
            return;
        }
        await (verb switch
        {
            "get" => resources.GetAsync(request),
            "list" => resources.ListAsync(request),
            "watch" => resources.WatchAsync(request),
            "create" => resources.CreateAsync(request),
            "update" => resources.UpdateAsync(request),
            "patch" => resources.PatchAsync(request),
            "delete" => resources.DeleteAsync(request),
            _ => resources.DeleteCollectionAsync(request),
        });
    }

    private async ValueTask HandlePathAsync(HttpContext http, UserInfo user, CancellationToken cancelled)
    {
        var path = http.Request.Path.Value ?? "/";
        Authorize(http, AccessQuery.OfPath(user, http.Request.Method.ToLowerInvariant(), path));
        if (await upkeep.TryHandleAsync(http, path, cancelled))
            return;
        if (remotes.Find(path) is { } remote)
        {
            await remotes.ForwardAsync(http, user, remote, cancelled);
            return;
        }
        if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
            throw MethodNotAllowed();
        if (await health.TryHandleAsync(http, path) || await discovery.TryHandleAsync(http, path) || await openApi.TryHandleAsync(http, path)
            || await flowDump.TryHandleAsync(http, path))
            return;
        if (path == "/metrics")
        {
            await Responses.TextAsync(http, 200, metrics.ToText(), "text/plain; version=0.0.4; charset=utf-8");
            return;
        }
        await Responses.TextAsync(http, 404, "404 page not found\n");
    }

    private static string Verb(HttpContext http, RequestTarget target)
    {
        var method = http.Request.Method;
        if (HttpMethods.IsGet(method) || HttpMethods.IsHead(method))
        {
            if (target.IsWatchPath)
                return "watch";
            // Of one name ?watch=1 asks nothing: upstream answers with the object.
            return !string.IsNullOrEmpty(target.Name) ? "get" : IsTrue(http, "watch") ? "watch" : "list";
        }
        return HttpMethods.IsPost(method) ? "create"
            : HttpMethods.IsPut(method) ? "update"
            : HttpMethods.IsPatch(method) ? "patch"
            : HttpMethods.IsDelete(method) ? string.IsNullOrEmpty(target.Name) ? "deletecollection" : "delete"
            : "";
    }

    /// <summary>As upstream's: watches, and the streams of pods. And what is done to the store as a whole.</summary>
    private static bool IsLongRunning(HttpContext http, string verb, RequestTarget target) => !target.IsResource
        ? http.Request.Path.Value?.StartsWith("/minke/", StringComparison.Ordinal) == true
        : verb == "watch" || target.Subresource is "log" or "exec" or "attach" or "portforward" or "proxy";

    private static bool IsTrue(HttpContext http, string name) =>
        http.Request.QueryString.HasValue && http.Request.Query.TryGetValue(name, out var value) && value.Count > 0
        && !string.Equals(value[0], "false", StringComparison.OrdinalIgnoreCase) && value[0] != "0";

    /// <summary>What the client asks for; null when that is nothing, or no less than what it has anyway.</summary>
    private TimeSpan? Timeout(HttpContext http)
    {
        if (!http.Request.QueryString.HasValue || !http.Request.Query.TryGetValue("timeout", out var value) || value.Count == 0 || string.IsNullOrEmpty(value[0]))
            return null;
        try
        {
            return Duration.Parse(value[0]!) is { Nanoseconds: > 0 } duration && duration.ToTimeSpan() < requestTimeout ? duration.ToTimeSpan() : null;
        }
        catch (FormatException e)
        {
            throw StatusException.BadRequest($"invalid timeout specified in the request URL - {e.Message}");
        }
    }

    private static MediaType MediaOf(HttpContext http, Resource resource, RequestTarget target, string verb)
    {
        var media = MediaType.Negotiate(
            http.Request.Headers.Accept.ToString(), verb == "watch", hasProtobuf: resource.Custom is null, hasTable: HasTable(http, resource, target, verb));
        if (verb == "watch")
            return media with { IsPretty = false }; // A frame is a line.
        if (media.Projection is Projection.PartialMetadata or Projection.PartialMetadataList)
            PartialMetadata.Check(media, resource, verb);
        else if (media.Projection == Projection.Table)
            TableWriter.Check(http);
        return media.Format == BodyFormat.Json && !media.IsPretty && MediaType.IsForPeople(http.Request) ? media with { IsPretty = true } : media;
    }

    /// <summary>Nobody has said how a review looks in rows; and a list that is streamed is to be what its listing would be.</summary>
    private static bool HasTable(HttpContext http, Resource resource, RequestTarget target, string verb) =>
        !(resource.IsVirtual && !resource.Kind.Verbs.Contains("list"))
        && target.Subresource is not ("binding" or "eviction" or "token")
        && !(verb == "watch" && IsTrue(http, "sendInitialEvents") && IsTrue(http, "allowWatchBookmarks"));

    /// <summary>What authorisation is asked. A field selector that names one object makes a list a question about that object.</summary>
    private static AccessQuery QueryOf(HttpContext http, UserInfo user, RequestTarget target, string verb)
    {
        if (!target.IsResource)
            return AccessQuery.OfPath(user, http.Request.Method.ToLowerInvariant(), http.Request.Path.Value ?? "/");
        var query = new AccessQuery
        {
            User = user,
            Verb = verb,
            Group = target.Group,
            Version = target.Version,
            Resource = target.Plural,
            Subresource = target.Subresource,
            Namespace = target.Plural == "namespaces" && target.Group.Length == 0 ? target.Name : target.Namespace,
            Name = target.Name,
        };
        if (verb is not ("list" or "watch" or "deletecollection") || !http.Request.QueryString.HasValue
            || !http.Request.Query.TryGetValue("fieldSelector", out var selector) || selector is not [{ Length: > 0 } text, ..])
            return query;
        return query with { FieldSelector = text, Name = target.Name.Length > 0 ? target.Name : NameIn(text) };
    }

    private static FlowRequest FlowOf(HttpContext http, UserInfo user, RequestTarget target, string verb) => new()
    {
        User = user,
        Verb = target.IsResource ? verb : http.Request.Method.ToLowerInvariant(),
        Path = http.Request.Path.Value ?? "/",
        Target = target,
    };

    private static string NameIn(string fieldSelector)
    {
        foreach (var term in fieldSelector.Split(','))
        {
            if (term.Split('=', StringSplitOptions.RemoveEmptyEntries) is ["metadata.name", var name] && !name.Contains('/', StringComparison.Ordinal) && name is not ("." or ".."))
                return name;
        }
        return "";
    }

    private static StatusException MethodNotAllowed() => StatusException.Of(
        405, StatusReason.MethodNotAllowed, "the server does not allow this method on the requested resource", StatusDetails.Empty);

    private static async ValueTask FailAsync(HttpContext http, Status status)
    {
        if (http.Response.HasStarted)
        {
            http.Abort(); // Too late for a Status; a cut stream is the only way to say that it is not complete.
            return;
        }
        var (schema, level) = (http.Response.Headers[FlowTicket.SchemaHeader], http.Response.Headers[FlowTicket.LevelHeader]);
        http.Response.Clear();
        if (schema.Count > 0)
            (http.Response.Headers[FlowTicket.SchemaHeader], http.Response.Headers[FlowTicket.LevelHeader]) = (schema, level);
        if (http.Features.Get<AuditRecord>() is { } audit)
            http.Response.Headers["Audit-Id"] = audit.Id;
        if (http.Features.Get<WriteContext>() is { } context)
            Responses.Warn(http, context.Warnings);
        var media = default(MediaType);
        try
        {
            media = MediaType.Negotiate(http.Request.Headers.Accept.ToString()) with { Projection = Projection.None };
            if (media.Format == BodyFormat.Json && MediaType.IsForPeople(http.Request))
                media = media with { IsPretty = true };
        }
        catch (StatusException)
        {
            // The client takes nothing that we have; JSON is what upstream answers then.
        }
        await Responses.StatusAsync(http, status, media);
    }

    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed")]
    private partial void LogFailed(Exception exception, string method, string path);
}
