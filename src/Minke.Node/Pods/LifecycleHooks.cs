using System.Text;
using Minke.Api.Core.V1;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>Runs a container's postStart and preStop hooks (kubelet: lifecycle/handlers.go).</summary>
internal sealed class LifecycleHooks(IContainerRuntime runtime, IProber prober, TimeProvider time)
{
    /// <summary>Upstream's HTTP hook has no deadline of its own; without one a silent server would hold the container for ever.</summary>
    private const int RequestTimeoutSeconds = 60;

    /// <summary>Null when the hook succeeded; what went wrong otherwise.</summary>
    public async Task<string?> RunAsync(
        Pod pod, Container container, ContainerId id, string podIp, LifecycleHandler hook, CancellationToken cancellationToken)
    {
        try
        {
            if (hook.Exec is { } exec)
                return await ExecAsync(container, id, exec, cancellationToken);
            if (hook.Sleep is { } sleep)
            {
                await Task.Delay(TimeSpan.FromSeconds(sleep.Seconds), time, cancellationToken);
                return null;
            }
            // An HTTP hook that was answered at all has succeeded.
            var probe = new Probe { HttpGet = hook.HttpGet, TcpSocket = hook.TcpSocket, TimeoutSeconds = RequestTimeoutSeconds };
            if (hook.HttpGet is null && hook.TcpSocket is null)
                return $"invalid handler: {hook}";
            var target = new ProbeTarget { Pod = pod, Container = container, Id = id, PodIp = podIp };
            var result = await prober.ProbeAsync(target, probe, cancellationToken);
            var wasAnswered = hook.HttpGet is not null && result.Message.Contains("statuscode", StringComparison.Ordinal);
            return result.Outcome is ProbeOutcome.Success or ProbeOutcome.Warning || wasAnswered ? null : result.Message;
        }
        catch (Exception e) when (e is RuntimeException or TimeoutException or IOException)
        {
            return e.Message;
        }
    }

    private async Task<string?> ExecAsync(Container container, ContainerId id, ExecAction exec, CancellationToken cancellationToken)
    {
        var result = await runtime.ExecSyncAsync(id, [.. exec.Command], TimeSpan.Zero, cancellationToken);
        if (result.ExitCode == 0)
            return null;
        var output = Encoding.UTF8.GetString([.. result.Stdout, .. result.Stderr]);
        return $"Exec lifecycle hook ([{string.Join(' ', exec.Command.AsEnumerable())}]) for Container \"{container.Name}\" failed - error: command '{string.Join(' ', exec.Command.AsEnumerable())}' exited with {result.ExitCode}: {output}, message: \"{output}\"";
    }
}
