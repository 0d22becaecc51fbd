using System.Globalization;
using System.Text;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Runtime;

namespace Minke.Node.Pods.Probes;

/// <summary>
/// Asks containers whether they are well: by a command inside, over HTTP, TCP or gRPC (kubelet: pkg/kubelet/prober/prober.go,
/// pkg/probe). Messages are upstream's to the letter, since people search for them.
/// </summary>
public sealed class Prober(IContainerRuntime runtime, TimeProvider time) : IProber, IDisposable
{
    /// <summary>Failures to ask (not: to be well) are tried again at once, so that one hiccup of the runtime restarts nothing.</summary>
    private const int Attempts = 3;

    private const int MaxOutputBytes = 10 * 1024;

    private readonly HttpProbe _http = new(time);
    private readonly GrpcProbe _grpc = new(time);

    public async Task<ProbeResult> ProbeAsync(ProbeTarget target, Probe probe, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var result = await AskAsync(target, probe, cancellationToken);
            if (result.Outcome != ProbeOutcome.Unknown || attempt == Attempts)
                return result;
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _grpc.Dispose();
    }

    private async Task<ProbeResult> AskAsync(ProbeTarget target, Probe probe, CancellationToken cancellationToken)
    {
        var timeout = TimeSpan.FromSeconds(Math.Max(probe.TimeoutSeconds, 1));
        try
        {
            if (probe.Exec is { } exec)
                return await ExecAsync(target, exec, timeout, cancellationToken);
            if (probe.HttpGet is { } get)
            {
                var request = HttpProbeRequest.Of(get, ProbePort.Resolve(get.Port, target.Container), target.PodIp, "probe");
                return await _http.AskAsync(request, timeout, cancellationToken);
            }
            if (probe.TcpSocket is { } tcp)
            {
                var port = ProbePort.Resolve(tcp.Port, target.Container);
                return await TcpProbe.AskAsync(tcp.Host is { Length: > 0 } host ? host : target.PodIp, port, timeout, time, cancellationToken);
            }
            if (probe.Grpc is { } grpc)
                return await _grpc.AskAsync(target.PodIp, grpc.Port, grpc.Service ?? "", timeout, cancellationToken);
        }
        catch (FormatException exception)
        {
            return new(ProbeOutcome.Unknown, exception.Message);
        }
        return new(ProbeOutcome.Unknown, $"missing probe handler for {target.Pod.Metadata.Namespace}/{target.Pod.Metadata.Name}:{target.Container.Name}");
    }

    private async Task<ProbeResult> ExecAsync(ProbeTarget target, ExecAction exec, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var command = ProbeCommand.Expand(exec.Command, target.Container);
        try
        {
            var result = await runtime.ExecSyncAsync(target.Id, command, timeout, cancellationToken);

            // Standard output first, then errors: they were not kept in the order they came.
            byte[] output = [.. result.Stdout, .. result.Stderr];
            var text = Encoding.UTF8.GetString(output.AsSpan(0, Math.Min(output.Length, MaxOutputBytes)));
            return new(result.ExitCode == 0 ? ProbeOutcome.Success : ProbeOutcome.Failure, text);
        }
        catch (TimeoutException)
        {
            return new(ProbeOutcome.Failure, $"command timed out: {FieldErrors.Quote(string.Join(' ', command))} timed out after {Duration.From(timeout)}");
        }
        catch (RuntimeException exception)
        {
            return new(ProbeOutcome.Unknown, exception.Message);
        }
    }
}

/// <summary>Where a probe knocks.</summary>
internal static class ProbePort
{
    /// <summary>A number, a name of one of the container's ports, or a number spelled as a text.</summary>
    /// <exception cref="FormatException">None of these; with upstream's words.</exception>
    internal static int Resolve(IntOrString wanted, Container container)
    {
        var port = wanted.Number;
        if (wanted.Text is { } name)
        {
            var named = container.Ports.FirstOrDefault(candidate => candidate.Name == name);
            if (named is not null)
                port = named.ContainerPortValue;
            else if (!int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out port))
                throw new FormatException($"strconv.Atoi: parsing {FieldErrors.Quote(name)}: invalid syntax");
        }
        return port is > 0 and < 65536 ? port : throw new FormatException($"invalid port number: {port}");
    }
}

/// <summary>Commands of probes may name the container's variables, as far as the pod's spec itself gives their value.</summary>
internal static class ProbeCommand
{
    internal static IReadOnlyList<string> Expand(ApiList<string> command, Container container)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var variable in container.Env)
        {
            if (variable.Value is { Length: > 0 } value)
                values[variable.Name] = value;
        }
        return [.. command.Select(word => Expand(word, values))];
    }

    /// <summary><c>$(NAME)</c> is replaced when known and kept when not; <c>$$</c> is a dollar sign.</summary>
    private static string Expand(string word, Dictionary<string, string> values)
    {
        var result = new StringBuilder();
        for (var i = 0; i < word.Length; i++)
        {
            if (word[i] != '$' || i + 1 == word.Length)
            {
                result.Append(word[i]);
                continue;
            }
            var next = word[++i];
            var end = next == '(' ? word.IndexOf(')', i) : -1;
            if (next == '$')
                result.Append('$');
            else if (end < 0)
                result.Append('$').Append(next);
            else
            {
                var name = word[(i + 1)..end];
                result.Append(values.TryGetValue(name, out var value) ? value : $"$({name})");
                i = end;
            }
        }
        return result.ToString();
    }
}
