using Minke.Server.Admission.Policies;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Server.Apply;
using Minke.Server.Audit;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Registry;

namespace Minke.Server.Admission.Webhooks;

/// <summary>MutatingAdmissionWebhook: webhooks that may change what is written, one after the other.</summary>
internal sealed partial class MutatingWebhooks(WebhookSource source, WebhookMatcher matcher, WebhookConditions conditions, WebhookCalls calls, ILogger logger) : IAdmission
{
    public async ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        var webhooks = source.Current();
        if (webhooks.Count == 0 || RequestMatcher.IsExempt(request))
            return;
        var reinvocation = request.Reinvocation ??= new();
        reinvocation.Begin(request.Object);
        for (var i = 0; i < webhooks.Count; i++)
        {
            if (matcher.Match(webhooks[i], request) is { } resource)
                await CallAsync(webhooks[i], i, resource, request, reinvocation, cancellationToken);
        }
        reinvocation.End(request.Object);
    }

    private async ValueTask CallAsync(Webhook webhook, int index, Resource resource, AdmissionRequest request, Reinvocation reinvocation, CancellationToken cancellationToken)
    {
        // Conditions come first: who is kept out by one in the first round is not called for the first time in the second.
        var reviewed = await ReviewedObjects.OfAsync(request, resource, cancellationToken);
        if (!conditions.Match(webhook, request, reviewed, cancellationToken) || !reinvocation.Wants(webhook))
            return;
        var place = string.Create(CultureInfo.InvariantCulture, $"round_{(reinvocation.IsSecondRound ? 1 : 0)}_index_{index}");
        var isChanged = false;
        try
        {
            isChanged = await PatchAsync(webhook, place, resource, request, reviewed, cancellationToken);
        }
        catch (CallFailedException e)
        {
            if (!webhook.IgnoresFailures)
            {
                LogFailed(webhook.Name, e.Message);
                throw StatusException.InternalError(e.Message);
            }
            LogIgnored(webhook.Name, e.Message);
            request.Context.Audit?.Annotate("failed-open.mutation.webhook.admission.k8s.io/" + place, webhook.Name);
        }
        finally
        {
            request.Context.Audit?.Annotate("mutation.webhook.admission.k8s.io/" + place,
                new JsonObject { ["configuration"] = webhook.Configuration, ["webhook"] = webhook.Name, ["mutated"] = isChanged }.ToJsonString());
        }
        if (isChanged)
        {
            reinvocation.Changed();
            reinvocation.IsNeeded = true;
        }
        reinvocation.Invoked(webhook);
    }

    /// <summary>True when the object is another one now.</summary>
    private async ValueTask<bool> PatchAsync(
        Webhook webhook, string place, Resource resource, AdmissionRequest request, ReviewedObjects reviewed, CancellationToken cancellationToken)
    {
        var answer = await calls.AskAsync(webhook, request, reviewed, isMutating: true, cancellationToken);
        WebhookCalls.Note(webhook, request, answer);
        if (!answer.IsAllowed)
            throw Denial.Of(webhook.Name, answer.Status);
        if (answer.Patch.Length == 0 || ObjectPatch.Decode(webhook.Name, answer.Patch) is not { Count: > 0 } operations)
            return false;
        if (reviewed.Object is not { } before)
            throw StatusException.InternalError($"admission webhook {FieldErrors.Quote(webhook.Name)} attempted to modify the object, which is not supported for this operation");
        if (answer.PatchType != "JSONPatch")
            throw new CallFailedException(webhook.Name, $"unsupported patch type {FieldErrors.Quote(answer.PatchType)}");

        var patched = WithManagers(ObjectPatch.Apply(operations, before, resource), before, request.Context);
        request.Context.Audit?.Annotate("patch.webhook.admission.k8s.io/" + place, Written(webhook, answer.Patch), AuditLevel.Request);
        if (Json.Same(patched, before))
            return false;
        request.Object = ReferenceEquals(resource, request.Resource) || patched.Info != resource.Kind
            ? patched : await ReviewedObjects.ConvertAsync(patched, resource, request.Resource, cancellationToken);
        return true;
    }

    private static string Written(Webhook webhook, byte[] patch) => new JsonObject
    {
        ["configuration"] = webhook.Configuration,
        ["webhook"] = webhook.Name,
        ["patch"] = JsonTree.Parse(patch),
        ["patchType"] = "JSONPatch",
    }.ToJsonString();

    /// <summary>Managers that a webhook has spoiled are those there were.</summary>
    private static IKubeObject WithManagers(IKubeObject patched, IKubeObject before, WriteContext context)
    {
        var (now, then) = (patched.Metadata.ManagedFields, before.Metadata.ManagedFields);
        if (now.Count == then.Count && Managers.SameButForTime(now, then))
            return patched;
        if (now.IsEmpty || Managers.TryDecode(now, new FieldSetCache()) is not null)
            return patched;
        context.Warnings.Add(".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; "
            + "please fix your requests: the entries could not be read");
        return patched.WithMetadata(patched.Metadata with { ManagedFields = then });
    }

    [LoggerMessage(LogLevel.Warning, "Webhook {Webhook} failed, the request is refused: {Reason}")]
    private partial void LogFailed(string webhook, string reason);

    [LoggerMessage(LogLevel.Warning, "Webhook {Webhook} failed, the request goes on: {Reason}")]
    private partial void LogIgnored(string webhook, string reason);
}
