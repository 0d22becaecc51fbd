using System.Globalization;
using System.Text;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Access;

/// <summary>Takes away bootstrap tokens once they have expired.</summary>
internal sealed class BootstrapTokenCleaner(Informer<Secret> secrets, IApiClient api, TimeProvider time) : IReconciler
{
    public const string Type = "bootstrap.kubernetes.io/token";

    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(30); // timers hold at most 49

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (secrets.Get(key) is not { Type: Type, Metadata.DeletionTimestamp: null } secret || key.Namespace != "kube-system"
            || !secret.Data.TryGetValue("expiration", out var expiration))
            return Requeue.Never;
        // What cannot be read as a time is over, as it is for whoever uses the token.
        var left = DateTimeOffset.TryParse(Encoding.UTF8.GetString(expiration), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var end)
            ? end - time.GetUtcNow() : TimeSpan.Zero;
        if (left > TimeSpan.Zero)
            return Requeue.After(left < LongestTimer ? left : LongestTimer);
        try
        {
            await api.DeleteAsync<Secret>(key.Namespace, key.Name, new() { Preconditions = new() { Uid = secret.Metadata.Uid } }, cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone already, or another of the same name.
        }
        return Requeue.Never;
    }
}
