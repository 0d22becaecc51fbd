using System.Globalization;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Images;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>An image for a container: there, or the reason why not.</summary>
internal sealed record ImageOutcome(ImageInfo? Image, WaitingReason? Waiting, DateTimeOffset? RetryAt);

/// <summary>Brings the images of containers here, by pull policy and with back-off, and tells about it in the kubelet's events (images/image_manager.go).</summary>
internal sealed class PodImages(IImageService images, PullSecrets secrets, EventRecorder events, TimeProvider time, Action pulled)
{
    /// <summary>A pull that failed shows as such for this long before it shows as backing off.</summary>
    private static readonly TimeSpan FailureShows = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new(); // guards _backoff and _lastErrors
    private readonly Backoff _backoff = Backoff.ForContainers(time);
    private readonly Dictionary<string, string> _lastErrors = new(StringComparer.Ordinal);

    /// <summary>The image without any wait, when policy lets what is here be used.</summary>
    public ImageInfo? FindHere(Container container) =>
        PolicyOf(container) == PullPolicy.Always ? null : TryFind(container.Image, out _);

    /// <param name="pulling">Told, now and then, how far a pull is.</param>
    public async Task<ImageOutcome> EnsureAsync(
        Pod pod, string image, string policy, string fieldPath, Action<string> pulling, CancellationToken cancellationToken)
    {
        var found = TryFind(image, out var invalid);
        if (invalid is not null)
        {
            var message = $"Failed to apply default image tag \"{image}\": {invalid}";
            events.Record(pod, "Warning", "InspectFailed", message, fieldPath);
            events.Record(pod, "Warning", "Failed", "Error: InvalidImageName", fieldPath);
            return Failed("InvalidImageName", message, time.GetUtcNow() + TimeSpan.FromMinutes(1));
        }
        if (policy != PullPolicy.Always && found is not null)
        {
            events.Record(pod, "Normal", "Pulled", $"Container image \"{image}\" already present on machine", fieldPath);
            return new(found, null, null);
        }
        if (policy == PullPolicy.Never)
        {
            var message = $"Container image \"{image}\" is not present with pull policy of Never";
            events.Record(pod, "Warning", "ErrImageNeverPull", message, fieldPath);
            events.Record(pod, "Warning", "Failed", "Error: ErrImageNeverPull", fieldPath);
            return Failed("ErrImageNeverPull", message, time.GetUtcNow() + TimeSpan.FromSeconds(10));
        }

        var key = pod.Uid + "_" + image;
        lock (_gate)
        {
            if (_backoff.WaitsUntil(key) is { } until)
            {
                var message = $"Back-off pulling image \"{image}\"";
                events.Record(pod, "Normal", "BackOff", message, fieldPath);
                events.Record(pod, "Warning", "Failed", "Error: ImagePullBackOff", fieldPath);
                return Failed("ImagePullBackOff", _lastErrors.TryGetValue(key, out var last) ? $"{message}: {last}" : message, until);
            }
        }
        return await PullAsync(pod, image, key, fieldPath, pulling, cancellationToken);
    }

    /// <summary>The pod is gone: its back-off goes with it.</summary>
    public void Forget(Pod pod)
    {
        lock (_gate)
        {
            foreach (var (container, _) in pod.AllContainers)
            {
                _backoff.Reset(pod.Uid + "_" + container.Image);
                _lastErrors.Remove(pod.Uid + "_" + container.Image);
            }
        }
    }

    public static string PolicyOf(Container container) =>
        container.ImagePullPolicy.Length > 0 ? container.ImagePullPolicy : PullPolicy.IfNotPresent;

    private async Task<ImageOutcome> PullAsync(
        Pod pod, string image, string key, string fieldPath, Action<string> pulling, CancellationToken cancellationToken)
    {
        events.Record(pod, "Normal", "Pulling", $"Pulling image \"{image}\"", fieldPath);
        var startedAt = time.GetTimestamp();
        try
        {
            var credentials = await secrets.ForAsync(pod, image, cancellationToken);
            var info = await images.PullAsync(image, credentials, new PullReport(image, time, pulling), cancellationToken);
            var took = Took(time.GetElapsedTime(startedAt));
            events.Record(pod, "Normal", "Pulled", string.Create(
                CultureInfo.InvariantCulture,
                $"Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {info.SizeBytes} bytes."), fieldPath);
            lock (_gate)
            {
                _backoff.Reset(key);
                _lastErrors.Remove(key);
            }
            pulled();
            return new(info, null, null);
        }
        catch (Exception e) when (e is ImageException or IOException or HttpRequestException or TimeoutException)
        {
            var reason = e is ImageException { Reason.Length: > 0 } known ? known.Reason : "ErrImagePull";
            events.Record(pod, "Warning", "Failed", $"Failed to pull image \"{image}\": {e.Message}", fieldPath);
            events.Record(pod, "Warning", "Failed", $"Error: {reason}", fieldPath);
            lock (_gate)
            {
                _backoff.Next(key, time.GetUtcNow());
                _lastErrors[key] = $"{reason}: {e.Message}";
            }
            return Failed(reason, e.Message, time.GetUtcNow() + FailureShows);
        }
    }

    private ImageInfo? TryFind(string image, out string? invalid)
    {
        invalid = null;
        try
        {
            var found = images.Find(image);
            if (found is null)
                _ = ImageReference.Parse(image); // what is no name is not even asked for
            return found;
        }
        catch (ImageException e) when (e.Reason == "InvalidImageName")
        {
            invalid = e.Message;
            return null;
        }
    }

    private static ImageOutcome Failed(string reason, string message, DateTimeOffset retryAt) => new(null, new(reason, message), retryAt);

    private static string Took(TimeSpan span) =>
        Minke.Api.Duration.From(TimeSpan.FromMilliseconds(Math.Floor(span.TotalMilliseconds))).ToString();
}
