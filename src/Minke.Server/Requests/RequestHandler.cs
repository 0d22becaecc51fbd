using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Access.Credentials;
using Minke.Server.Audit;
using Minke.Server.Discovery;
using Minke.Server.Health;
using Minke.Server.OpenApi;
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
    ResourceCatalog catalog, ResourceHandler resources, SubresourceHandler subresources, VirtualResources virtuals, DiscoveryDocuments discovery,
    OpenApiDocuments openApi, HealthEndpoints health, StoreEndpoints upkeep, ServerMetrics metrics, Authenticator authenticator,
    Authorizer authorizer, Impersonation impersonation, Auditor? auditor, TimeProvider clock, ILogger logger, CancellationToken stopping)
{
    // Upstream's --max-requests-inflight and --max-mutating-requests-inflight.
    private const int MaxReads = 400;
    private const int MaxWrites = 200;
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(60);

    // So long after that the Status saying so may be on its way.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    private int _reads;
    private int _writes;

    public async Task HandleAsync(HttpContext http)
    {
        var started = Stopwatch.GetTimestamp();
        var target = RequestTarget.Parse(http.Request.Path.Value ?? "/");
        var verb = Verb(http, target);
        CancellationTokenSource? deadline = null;
        AuditRecord? audit = null;
        try
        {
            var caller = await AuthenticateAsync(http, target, verb);
            if (auditor is not null)
                audit = await auditor.BeginAsync(http, QueryOf(http, caller, target, verb), target.IsResource ? catalog.Find(target.Group, target.Version, target.Plural) : null);
            var user = impersonation.Apply(http.Request.Headers, caller);
            if (audit is not null && !ReferenceEquals(user, caller))
                audit.Impersonated = user;
            if (!target.IsResource)
            {
                await HandlePathAsync(http, user);
                return;
            }
            var cancelled = http.RequestAborted;
            if (IsLongRunning(verb, target))
            {
                deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
                cancelled = deadline.Token;
                await HandleResourceAsync(http, user, target, verb, cancelled);
                return;
            }
            var isRead = verb is "get" or "list";
            // A read is answered from memory; a write waits for its body and the disk.
            var timeout = Timeout(http);
            if (timeout is not null || !isRead)
            {
                deadline = new CancellationTokenSource(timeout is { } asked && asked < RequestTimeout ? asked : RequestTimeout, clock);
                cancelled = deadline.Token;
            }
            var inFlight = isRead ? Interlocked.Increment(ref _reads) : Interlocked.Increment(ref _writes);
            try
            {
                metrics.SetInFlight(isRead, inFlight);
                if (inFlight > (isRead ? MaxReads : MaxWrites) && !user.IsIn(UserInfo.Masters))
                    throw StatusException.TooManyRequests("too many requests, please try again later", 1);
                await AnsweredAsync(http, HandleResourceAsync(http, user, target, verb, cancelled));
            }
            finally
            {
                _ = isRead ? Interlocked.Decrement(ref _reads) : Interlocked.Decrement(ref _writes);
            }
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
            deadline?.Dispose();
            if (audit is not null)
                await auditor!.CompletedAsync(audit, http);
            metrics.Observe(verb, target, http.Response.StatusCode, Stopwatch.GetElapsedTime(started));
        }
    }

    /// <summary>Whoever takes an answer slowly does not keep a place among the requests in flight for ever.</summary>
    private async ValueTask AnsweredAsync(HttpContext http, ValueTask handling)
    {
        if (!handling.IsCompleted)
        {
            await using var patience = clock.CreateTimer(static http => ((HttpContext)http!).Abort(), http, RequestTimeout + AnswerTime, System.Threading.Timeout.InfiniteTimeSpan);
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

    private async ValueTask HandleResourceAsync(HttpContext http, UserInfo user, RequestTarget target, string verb, CancellationToken cancelled)
    {
        Authorize(http, QueryOf(http, user, target, verb));
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

    private async ValueTask HandlePathAsync(HttpContext http, UserInfo user)
    {
        var path = http.Request.Path.Value ?? "/";
        Authorize(http, AccessQuery.OfPath(user, http.Request.Method.ToLowerInvariant(), path));
        if (path.StartsWith("/minke/", StringComparison.Ordinal))
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
            if (await upkeep.TryHandleAsync(http, path, ends.Token))
                return;
        }
        if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
            throw MethodNotAllowed();
        if (await health.TryHandleAsync(http, path) || await discovery.TryHandleAsync(http, path) || await openApi.TryHandleAsync(http, path))
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

    /// <summary>As upstream's: watches, and the streams of pods.</summary>
    private static bool IsLongRunning(string verb, RequestTarget target) =>
        verb == "watch" || target.Subresource is "log" or "exec" or "attach" or "portforward" or "proxy";

    private static bool IsTrue(HttpContext http, string name) =>
        http.Request.QueryString.HasValue && http.Request.Query.TryGetValue(name, out var value) && value.Count > 0
        && !string.Equals(value[0], "false", StringComparison.OrdinalIgnoreCase) && value[0] != "0";

    private static TimeSpan? Timeout(HttpContext http)
    {
        if (!http.Request.QueryString.HasValue || !http.Request.Query.TryGetValue("timeout", out var value) || value.Count == 0 || string.IsNullOrEmpty(value[0]))
            return null;
        try
        {
            return Duration.Parse(value[0]!) is { Nanoseconds: > 0 } duration ? TimeSpan.FromTicks(duration.Nanoseconds / 100) : null;
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
        http.Response.Clear();
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
