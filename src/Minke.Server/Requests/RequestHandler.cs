using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Access.Credentials;
using Minke.Server.Aggregation;
using Minke.Server.Audit;
using Minke.Server.Flow;
using Minke.Server.Health;
using Minke.Server.Proxying;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>
/// The way of every request: limits, who asks, what for, may they, then the verb's own code. Whatever goes wrong on the way becomes a
/// Status here and nowhere else.
/// </summary>
internal sealed partial class RequestHandler(
    ResourceRequests resources, PathRequests paths, RemoteRequests remotes, ResourceCatalog catalog, Authenticator authenticator, Impersonation impersonation,
    Authorizer authorizer, Auditor? auditor, FlowControl flow, ServerMetrics metrics, TimeSpan requestTimeout, TimeProvider clock, ILogger logger,
    CancellationToken stopping)
{
    // So long after a request's time is up the Status saying so may be on its way.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    public async Task HandleAsync(HttpContext http)
    {
        var started = Stopwatch.GetTimestamp();
        var info = RequestInfo.Of(http);
        var target = info.Target;
        CancellationTokenSource? deadline = null;
        AuditRecord? audit = null;
        FlowTicket? ticket = null;
        try
        {
            var remote = target.IsResource ? remotes.Find(target.Group, target.Version) : null;
            var isLongRunning = info.IsLongRunning || (remote is not null && ProxyHeaders.AsksForUpgrade(http.Request));
            var timeout = isLongRunning ? null : info.TimeoutBelow(requestTimeout);
            var cancelled = http.RequestAborted;
            if (isLongRunning)
                deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
            // A read is answered from memory; a write waits for its body and the disk, and another server for whatever it likes.
            else if (timeout is not null || (target.IsResource && (remote is not null || info.Verb is not ("get" or "list"))))
                deadline = new CancellationTokenSource(timeout ?? requestTimeout, clock);
            if (deadline is not null)
                cancelled = deadline.Token;

            var caller = await AuthenticateAsync(info);
            if (auditor is not null)
                audit = await auditor.BeginAsync(http, info.QueryBy(caller), target.IsResource ? catalog.Find(target.Group, target.Version, target.Plural) : null);
            var user = impersonation.Apply(http.Request.Headers, caller);
            if (audit is not null && !ReferenceEquals(user, caller))
                audit.Impersonated = user;

            // Streams of pods last as long as somebody looks on, and cost little; of watches the beginning counts.
            if (!isLongRunning || (info.Verb == "watch" && target.IsResource))
                ticket = await flow.EnterAsync(http, info.FlowBy(user), timeout);
            Authorize(info.QueryBy(user), audit);
            if (isLongRunning)
                await LookedOnAsync(HandleAsync(info, user, ticket, cancelled), ticket);
            else
                await AnsweredAsync(HandleAsync(info, user, null, cancelled), http);
        }
        catch (StatusException e)
        {
            await FailAsync(http, e.Status);
        }
        catch (OverloadException)
        {
            http.Response.Headers.RetryAfter = "1";
            await Responses.TextAsync(http, 429, "Too many requests, please try again later.\n");
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
            metrics.Observe(info.Verb, target, http.Response.StatusCode, Stopwatch.GetElapsedTime(started));
        }
    }

    /// <summary>Whoever takes an answer slowly does not keep seats for ever.</summary>
    private async ValueTask AnsweredAsync(ValueTask handling, HttpContext http)
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
    private async ValueTask LookedOnAsync(ValueTask handling, FlowTicket? ticket)
    {
        if (ticket is { HasLeft: false } && !handling.IsCompleted)
        {
            await using var patience = clock.CreateTimer(static ticket => ((FlowTicket)ticket!).Leave(), ticket, requestTimeout, System.Threading.Timeout.InfiniteTimeSpan);
            await handling;
            return;
        }
        await handling;
    }

    private ValueTask HandleAsync(RequestInfo info, UserInfo user, FlowTicket? ticket, CancellationToken cancelled) =>
        info.Target.IsResource ? resources.HandleAsync(info, user, ticket, cancelled) : paths.HandleAsync(info, user, cancelled);

    private async ValueTask<UserInfo> AuthenticateAsync(RequestInfo info)
    {
        try
        {
            return await authenticator.AuthenticateAsync(info.Http);
        }
        catch (StatusException e) when (e.Code == 401 && auditor is not null)
        {
            await auditor.RefusedAsync(info.Http, info.QueryBy(UserInfo.Nobody));
            throw;
        }
    }

    /// <exception cref="StatusException">403.</exception>
    private void Authorize(in AccessQuery query, AuditRecord? audit)
    {
        var decision = authorizer.Decide(query);
        audit?.Authorized = decision;
        if (!decision.IsAllowed)
            throw Authorizer.Forbidden(query, decision.Reason);
    }

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
