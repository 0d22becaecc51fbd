using Minke.Server.Admission.Policies;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Minke.Api;

namespace Minke.Server.Admission.Webhooks;

/// <summary>ValidatingAdmissionWebhook: webhooks that may refuse what is written, all asked at once.</summary>
internal sealed partial class ValidatingWebhooks(WebhookSource source, WebhookMatcher matcher, WebhookConditions conditions, WebhookCalls calls, ILogger logger) : IAdmission
{
    private readonly record struct Outcome(ReviewAnswer? Answer, Exception? Failure);

    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        var webhooks = source.Current();
        if (webhooks.Count == 0 || RequestMatcher.IsExempt(request))
            return;
        var concerned = new List<(Webhook Webhook, ReviewedObjects Reviewed)>();
        foreach (var webhook in webhooks)
        {
            if (matcher.Match(webhook, request) is not { } resource)
                continue;
            var reviewed = concerned.Find(one => ReferenceEquals(one.Reviewed.Resource, resource)).Reviewed ?? await ReviewedObjects.OfAsync(request, resource, cancellationToken);
            if (conditions.Match(webhook, request, reviewed, cancellationToken))
                concerned.Add((webhook, reviewed));
        }
        if (concerned.Count == 0)
            return;
        var asked = concerned.Select(one => AskAsync(one.Webhook, request, one.Reviewed, cancellationToken)).ToList();
        await Task.WhenAll(asked);
        Judge(request, concerned, asked);
    }

    private async Task<Outcome> AskAsync(Webhook webhook, AdmissionRequest request, ReviewedObjects reviewed, CancellationToken cancellationToken)
    {
        try
        {
            return new(await calls.AskAsync(webhook, request, reviewed, isMutating: false, cancellationToken), null);
        }
        catch (Exception e) when (e is CallFailedException or StatusException)
        {
            return new(null, e);
        }
    }

    /// <summary>Every answer is heard; of several that refuse, the first in the order of the configurations is told.</summary>
    private void Judge(AdmissionRequest request, List<(Webhook Webhook, ReviewedObjects Reviewed)> concerned, List<Task<Outcome>> asked)
    {
        StatusException? refusal = null;
        for (var i = 0; i < concerned.Count; i++)
        {
            var (webhook, outcome) = (concerned[i].Webhook, asked[i].Result);
            switch (outcome)
            {
                case { Answer: { } answer }:
                    WebhookCalls.Note(webhook, request, answer);
                    if (!answer.IsAllowed)
                        refusal ??= Denial.Of(webhook.Name, answer.Status);
                    break;
                case { Failure: CallFailedException failed } when webhook.IgnoresFailures:
                    LogIgnored(webhook.Name, failed.Message);
                    request.Context.Audit?.Annotate(string.Create(CultureInfo.InvariantCulture, $"failed-open.validating.webhook.admission.k8s.io/round_0_index_{i}"), webhook.Name);
                    break;
                case { Failure: CallFailedException failed }:
                    LogFailed(webhook.Name, failed.Message);
                    refusal ??= StatusException.InternalError(failed.Message);
                    break;
                default:
                    refusal ??= (StatusException)outcome.Failure!;
                    break;
            }
        }
        if (refusal is not null)
            throw refusal;
    }

    [LoggerMessage(LogLevel.Warning, "Webhook {Webhook} failed, the request is refused: {Reason}")]
    private partial void LogFailed(string webhook, string reason);

    [LoggerMessage(LogLevel.Warning, "Webhook {Webhook} failed, the request goes on: {Reason}")]
    private partial void LogIgnored(string webhook, string reason);
}
