using Microsoft.Extensions.Logging;
using Minke.Api;

namespace Minke.Client;

/// <summary>Follows the objects of a kind known only at run time, and keeps none of them: an <see cref="Informer{T}"/> without a cache.</summary>
public sealed partial class KindFollower(IApiClient api, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Runs until cancelled, or until the kind is no longer served.</summary>
    /// <param name="kind">What to follow.</param>
    /// <param name="listAsync">Takes in what there is, at first and whenever the watch was too far behind; gives the version to watch from.</param>
    /// <param name="changed">Is told of every change after that.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether the kind is still served.</returns>
    public async Task<bool> RunAsync(
        KindInfo kind, Func<Task<string>> listAsync, Action<WatchEventType, IKubeObject> changed, CancellationToken cancellationToken)
    {
        string? position = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                position ??= await listAsync();
                await foreach (var change in api.WatchAsync(kind, null, Selection.All, position, cancellationToken))
                {
                    if (change.Object is { } value)
                        changed(change.Type, value);
                    position = change.ResourceVersion;
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return true;
            }
            catch (StatusException e) when (e.Code == 410)
            {
                position = null;
            }
            catch (StatusException e) when (e.Code == 404)
            {
                return false;
            }
            catch (StatusException e)
            {
                LogPostponed(kind.Plural, e.Message);
                await Task.Delay(RetryDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        return true;
    }

    [LoggerMessage(LogLevel.Warning, "{Kind} is not followed for now: {Reason}")]
    private partial void LogPostponed(string kind, string reason);
}
