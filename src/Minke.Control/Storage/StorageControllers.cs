using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Control.Storage;

/// <summary>The controllers of volumes and claims with the caches they share.</summary>
public sealed class StorageControllers
{
    private readonly Informer<PersistentVolumeClaim> _claims;
    private readonly Informer<PersistentVolume> _volumes;
    private readonly ReconcileLoop _claimProtection;
    private readonly ReconcileLoop _volumeProtection;

    /// <param name="api">Their way to the API.</param>
    /// <param name="pods">The pods that use claims: run by whoever made it, after this.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">Where they log.</param>
    public StorageControllers(IApiClient api, Informer<Pod> pods, TimeProvider time, ILoggerFactory loggers)
    {
        _claims = Watch<PersistentVolumeClaim>();
        _volumes = Watch<PersistentVolume>();
        var protection = new ClaimProtection(_claims, pods, api);
        _claimProtection = Loop("claim-protection", protection);
        _volumeProtection = Loop("volume-protection", new VolumeProtection(_volumes, api));
        _claims.OnChange(change => _claimProtection.Enqueue(change.Key));
        _volumes.OnChange(change => _volumeProtection.Enqueue(change.Key));
        pods.OnChange(change =>
        {
            // The one before may have used other claims: another pod of its name.
            foreach (var key in new[] { change.Old, change.New }.OfType<Pod>().SelectMany(protection.Waiting))
                _claimProtection.Enqueue(key);
        });

        Informer<T> Watch<T>() where T : class, IKubeObject<T> => new(api, null, Selection.All, time, loggers.CreateLogger("Minke.Control.Informer"));
        ReconcileLoop Loop(string name, IReconciler reconciler) => new(name, reconciler, time, loggers.CreateLogger<ReconcileLoop>());
    }

    /// <summary>Runs until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(
        _claims.RunAsync(cancellationToken), _volumes.RunAsync(cancellationToken),
        _claimProtection.RunAsync(cancellationToken), _volumeProtection.RunAsync(cancellationToken));
}
