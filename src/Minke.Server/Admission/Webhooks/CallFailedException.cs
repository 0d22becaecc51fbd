using Minke.Api;

namespace Minke.Server.Admission.Webhooks;

/// <summary>A webhook could not be asked, or what it said makes no sense: what then happens is its failure policy's to say.</summary>
internal sealed class CallFailedException(string webhook, string reason) : Exception($"failed calling webhook {FieldErrors.Quote(webhook)}: {reason}");
