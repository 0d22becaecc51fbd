using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Pods.Probes;

namespace Minke.Node.Pods;

internal enum ProbeKind { Startup, Liveness, Readiness }

/// <summary>
/// Probes one instance of a container for one purpose until it is cancelled: the kubelet's prober/worker.go for a container that is
/// known to run. Tells its pod's loop a verdict each time a threshold is reached.
/// </summary>
internal sealed class ProbeWorker(
    ProbeTarget target, ProbeKind kind, Probe probe, string fieldPath, DateTimeOffset startedAt, IProber prober, EventRecorder events, TimeProvider time)
{
    private static readonly TimeSpan FirstEagerPause = TimeSpan.FromMilliseconds(50);

    private bool? _last;
    private int _run;

    /// <summary>
    /// Runs until cancelled, or, for a startup probe, until it is decided, and for a liveness probe until it failed: the container is
    /// replaced then, and probing it on would count against its successor.
    /// </summary>
    public async Task RunAsync(Action<Verdict> tell, CancellationToken cancellationToken)
    {
        var initialDelay = startedAt + TimeSpan.FromSeconds(probe.InitialDelaySeconds) - time.GetUtcNow();
        if (initialDelay > TimeSpan.Zero)
            await Task.Delay(initialDelay, time, cancellationToken);
        var period = TimeSpan.FromSeconds(Math.Max(probe.PeriodSeconds, 1));
        if (kind != ProbeKind.Liveness && await SucceedsEarlyAsync(period, cancellationToken))
        {
            tell(Verdict.Success);
            if (kind == ProbeKind.Startup)
                return;
            await Task.Delay(period, time, cancellationToken);
        }
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var askedAt = time.GetTimestamp();
            if (await OnceAsync(cancellationToken) is { } verdict)
            {
                tell(verdict);
                if (kind == ProbeKind.Startup || (kind == ProbeKind.Liveness && verdict == Verdict.Failure))
                    return;
            }
            var left = period - time.GetElapsedTime(askedAt);
            if (left > TimeSpan.Zero)
                await Task.Delay(left, time, cancellationToken);
        }
    }

    /// <summary>
    /// A server that is up after 80 ms need not wait for the second period: within the first one it is asked again after doubling
    /// pauses. Only a success counts then, and no failure is told.
    /// </summary>
    private async Task<bool> SucceedsEarlyAsync(TimeSpan period, CancellationToken cancellationToken)
    {
        var startedAt = time.GetTimestamp();
        for (var pause = FirstEagerPause; ; pause *= 2)
        {
            var result = await prober.ProbeAsync(target, probe, cancellationToken);
            if (result.Outcome is ProbeOutcome.Success or ProbeOutcome.Warning)
            {
                (_last, _run) = (true, 1);
                if (probe.SuccessThreshold <= 1)
                    return true;
            }
            var left = period - time.GetElapsedTime(startedAt);
            if (_last == true || pause >= left)
            {
                if (left > TimeSpan.Zero)
                    await Task.Delay(left, time, cancellationToken);
                return false;
            }
            await Task.Delay(pause, time, cancellationToken);
        }
    }

    /// <summary>A verdict when the threshold is reached.</summary>
    private async Task<Verdict?> OnceAsync(CancellationToken cancellationToken)
    {
        var result = await prober.ProbeAsync(target, probe, cancellationToken);
        Tell(result);
        if (result.Outcome == ProbeOutcome.Unknown)
            return null;
        var succeeded = result.Outcome is ProbeOutcome.Success or ProbeOutcome.Warning;
        _run = _last == succeeded ? _run + 1 : 1;
        _last = succeeded;
        var threshold = succeeded ? probe.SuccessThreshold : probe.FailureThreshold;
        if (_run < Math.Max(threshold, 1))
            return null;
        return succeeded ? Verdict.Success : Verdict.Failure;
    }

    private void Tell(ProbeResult result)
    {
        switch (result.Outcome)
        {
            case ProbeOutcome.Failure:
                events.Record(target.Pod, "Warning", "Unhealthy", $"{kind} probe failed: {result.Message}", fieldPath);
                break;
            case ProbeOutcome.Warning:
                events.Record(target.Pod, "Warning", "ProbeWarning", $"{kind} probe warning: {result.Message}", fieldPath);
                break;
            case ProbeOutcome.Unknown:
                events.Record(target.Pod, "Warning", "Unhealthy", $"{kind} probe errored: {result.Message}", fieldPath);
                break;
            default:
                break;
        }
    }
}
