using Minke.Api;
using Minke.Server.Webhooks;

namespace Minke.Server.Admission.Webhooks;

/// <summary>Asks one webhook about one request.</summary>
internal sealed class WebhookCalls(IdSource ids, TimeProvider clock)
{
    /// <exception cref="CallFailedException">It could not be asked, or did not answer.</exception>
    /// <exception cref="StatusException">400: the request is a dry run, and the webhook does not say that it changes nothing.</exception>
    public async Task<ReviewAnswer> AskAsync(Webhook webhook, AdmissionRequest request, ReviewedObjects reviewed, bool isMutating, CancellationToken cancellationToken)
    {
        if (request.Context.IsDryRun)
        {
            if (webhook.SideEffects is null)
                throw new CallFailedException(webhook.Name, "Webhook SideEffects is nil");
            if (!webhook.IsFitForDryRun)
                throw StatusException.BadRequest($"admission webhook {FieldErrors.Quote(webhook.Name)} does not support dry run");
        }
        if (webhook.ReviewVersion is not { } version)
            throw new CallFailedException(webhook.Name, "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)");
        var uid = ids.NewUid();
        try
        {
            var answer = await webhook.PostAsync(AdmissionReview.Write(version, uid, request, reviewed), clock, cancellationToken);
            return ReviewAnswer.Read(answer, version, uid, isMutating);
        }
        catch (WebhookTimeoutException e)
        {
            throw new CallFailedException(webhook.Name, "failed to call webhook: " + e.OfRequest);
        }
        catch (Exception e) when (e is WebhookException or JsonReadException or UriFormatException)
        {
            throw new CallFailedException(webhook.Name, "failed to call webhook: " + e.Message);
        }
        catch (UnfitAnswerException e)
        {
            throw new CallFailedException(webhook.Name, "received invalid webhook response: " + e.Message);
        }
    }

    /// <summary>What an answer has to say beside yes or no.</summary>
    public static void Note(Webhook webhook, AdmissionRequest request, ReviewAnswer answer)
    {
        foreach (var (key, value) in answer.AuditAnnotations)
            request.Context.Audit?.Annotate($"{webhook.Name}/{key}", value);
        request.Context.Warnings.AddRange(answer.Warnings);
    }
}
