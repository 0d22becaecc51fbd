using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Node.Volumes;

/// <summary>One watch for each ConfigMap and Secret that any pod here shows or waits for, however many do.</summary>
internal sealed class SourceWatches(IApiClient api, TimeProvider time, ILogger logger, Action<string> podChanged)
{
    private readonly record struct Source(KindInfo Kind, ObjectKey Key);

    private sealed record Watch(HashSet<string> Pods, CancellationTokenSource Stop, Task Running);

    private readonly Lock _lock = new();
    // Guarded by _lock.
    private readonly Dictionary<Source, Watch> _watches = [];

    /// <summary>Watches exactly these for a pod from now on.</summary>
    public void Set(string podUid, IReadOnlyCollection<(KindInfo Kind, ObjectKey Key)> sources)
    {
        lock (_lock)
        {
            foreach (var (kind, key) in sources)
            {
                var source = new Source(kind, key);
                if (!_watches.TryGetValue(source, out var watch))
                    _watches[source] = watch = Start(source);
                watch.Pods.Add(podUid);
            }
            foreach (var (source, watch) in _watches.ToList())
            {
                if (sources.Contains((source.Kind, source.Key)) || !watch.Pods.Remove(podUid) || watch.Pods.Count > 0)
                    continue;
                _watches.Remove(source);
                watch.Stop.Cancel();
            }
        }
    }

    /// <summary>Ends every watch.</summary>
    public async Task StopAsync()
    {
        List<Watch> watches;
        lock (_lock)
        {
            watches = [.. _watches.Values];
            _watches.Clear();
        }
        foreach (var watch in watches)
            await watch.Stop.CancelAsync();
        await Task.WhenAll(watches.Select(watch => watch.Running));
    }

    private Watch Start(Source source)
    {
        var stop = new CancellationTokenSource();
        var running = source.Kind == ConfigMap.KindInfo ? FollowAsync<ConfigMap>(source, stop.Token) : FollowAsync<Secret>(source, stop.Token);
        return new([], stop, running);
    }

    private Task FollowAsync<T>(Source source, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        var informer = new Informer<T>(api, source.Key.Namespace, new(Fields: "metadata.name=" + source.Key.Name), time, logger);
        informer.OnChange(_ => Tell(source));
        return informer.RunAsync(cancellationToken);
    }

    private void Tell(Source source)
    {
        string[] pods;
        lock (_lock)
            pods = _watches.TryGetValue(source, out var watch) ? [.. watch.Pods] : [];
        foreach (var pod in pods)
            podChanged(pod);
    }
}
