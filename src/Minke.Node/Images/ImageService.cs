using Minke.Node.Images.Registries;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>The embedded runtime's image service: pulls from registries into an <see cref="ImageStore"/>.</summary>
/// <param name="store">Where images are; not closed.</param>
/// <param name="registries">Mirrors, credentials and TLS.</param>
/// <param name="options">Patience and parallelism.</param>
/// <param name="time">Clock of stalls and retries.</param>
/// <param name="random">Jitter of retries.</param>
public sealed class ImageService(
    ImageStore store, RegistriesConfig registries, PullOptions options, TimeProvider time, Random random) : IImageService, IDisposable
{
    private readonly RegistryHttp _http = new(registries);
    private readonly Lock _lock = new(); // guards _running and what is in it
    private readonly Dictionary<string, RunningPull> _running = new(StringComparer.Ordinal);

    public ImageService(ImageStore store, TimeProvider time)
        : this(store, RegistriesConfig.Empty, new PullOptions(), time, new Random())
    {
    }

    /// <summary>Platform to pull for; the machine's unless set.</summary>
    public Platform Platform { get; init; } = Platform.Host;

    public async Task<ImageInfo> PullAsync(
        string reference, IReadOnlyList<RegistryCredential> credentials, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        var parsed = ImageReference.Parse(reference);
        // Only who brings the same rights may share a pull.
        var key = string.Join('\n', credentials.Select(credential => credential.ToString()).Prepend(parsed.ToString()));
        while (true)
        {
            RunningPull? pull;
            lock (_lock)
            {
                if (!_running.TryGetValue(key, out pull))
                    _running[key] = pull = new RunningPull((running, token) => RunAsync(key, parsed, credentials, running, token));
                pull.Join(progress);
            }
            try
            {
                return await pull.Result.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Its last caller gave up in the moment this one joined.
            }
            finally
            {
                if (Leave(key, pull, progress))
                    await pull.StopAsync();
            }
        }
    }

    public ImageInfo? Find(string referenceOrId) => store.Find(referenceOrId);

    public IReadOnlyList<ImageInfo> List() => store.List();

    public Task<bool> RemoveAsync(string referenceOrId, CancellationToken cancellationToken) => store.RemoveAsync(referenceOrId, cancellationToken);

    public Task<ImageFileSystem> FileSystemAsync(CancellationToken cancellationToken) => Task.FromResult(store.FileSystem());

    public void Dispose() => _http.Dispose();

    private async Task<ImageInfo> RunAsync(
        string key, ImageReference reference, IReadOnlyList<RegistryCredential> credentials, RunningPull pull, CancellationToken cancellationToken)
    {
        // Off the caller's lock and thread.
        await Task.Yield();
        var puller = new ImagePuller(store, _http, registries, options, Platform, time, random);
        try
        {
            var failures = new List<ImageException>();
            foreach (var credential in credentials.Count > 0 ? credentials : (IReadOnlyList<RegistryCredential?>)[null])
            {
                try
                {
                    return await puller.PullAsync(reference, credential, pull, cancellationToken);
                }
                // A registry hides what one may not see as "not found"; another credential may see it.
                catch (ImageException failure) when (failure.InnerException is RegistryException { Kind: not RegistryFailure.Other })
                {
                    failures.Add(failure);
                }
            }
            var distinct = failures.DistinctBy(failure => failure.Message).ToList();
            // Several reasons are listed as the kubelet's aggregate does.
            throw distinct.Count == 1
                ? distinct[0]
                : new ImageException("ErrImagePull", $"[{string.Join(", ", distinct.Select(failure => failure.Message))}]", distinct[0]);
        }
        finally
        {
            Forget(key, pull);
        }
    }

    /// <returns>Whether nobody waits for it any more, and nobody will.</returns>
    private bool Leave(string key, RunningPull pull, IProgress<PullProgress>? progress)
    {
        lock (_lock)
        {
            var isLast = pull.Leave(progress);
            if (isLast)
                Forget(key, pull);
            return isLast;
        }
    }

    private void Forget(string key, RunningPull pull)
    {
        lock (_lock)
        {
            if (_running.TryGetValue(key, out var current) && current == pull)
                _running.Remove(key);
        }
    }

    /// <summary>A pull and those who wait for it. It stops when nobody does.</summary>
    private sealed class RunningPull : IProgress<PullProgress>, IDisposable
    {
        private readonly CancellationTokenSource _cancellation = new();
        private IProgress<PullProgress>[] _listeners = []; // replaced as a whole, under the service's lock
        private int _waiting; // guarded by the service's lock

        public RunningPull(Func<RunningPull, CancellationToken, Task<ImageInfo>> start) => Result = start(this, _cancellation.Token);

        public Task<ImageInfo> Result { get; }

        public void Join(IProgress<PullProgress>? progress)
        {
            _waiting++;
            if (progress is not null)
                _listeners = [.. _listeners, progress];
        }

        public bool Leave(IProgress<PullProgress>? progress)
        {
            if (progress is not null)
                _listeners = [.. _listeners.Where(listener => listener != progress)];
            return --_waiting == 0;
        }

        public async Task StopAsync()
        {
            await _cancellation.CancelAsync();
            await ((Task)Result).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Dispose();
        }

        public void Dispose() => _cancellation.Dispose();

        public void Report(PullProgress value)
        {
            foreach (var listener in _listeners)
                listener.Report(value);
        }
    }
}
