using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Admission.Webhooks;

/// <summary>A webhook's no, as the client is told.</summary>
internal static class Denial
{
    public static StatusException Of(string webhook, Status? said)
    {
        var status = said ?? Status.Empty;
        var deniedBy = $"admission webhook {FieldErrors.Quote(webhook)} denied the request";
        return new StatusException(status with
        {
            StatusValue = status.StatusValue is "" or "Success" ? "Failure" : status.StatusValue,
            // A no never looks like a yes.
            Code = Math.Max(status.Code, 400),
            Message = status.Message.Length > 0 ? $"{deniedBy}: {status.Message}"
                : status.Reason.Length > 0 ? $"{deniedBy}: {status.Reason}"
                : $"{deniedBy} without explanation",
        });
    }
}
