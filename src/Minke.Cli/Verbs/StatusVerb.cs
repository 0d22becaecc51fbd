using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Minke.Cli.Api;
using Minke.Cli.Clusters;
using Minke.Cli.Progress;

namespace Minke.Cli.Verbs;

/// <summary><c>minke status</c>: who runs, where it answers, and what it runs.</summary>
internal sealed class StatusVerb(Terminal terminal)
{
    public async Task<int> RunAsync(DataDirectory data, bool asJson, CancellationToken cancellationToken)
    {
        var status = await ReadAsync(data, cancellationToken);
        if (asJson)
            terminal.Out.WriteLine(JsonSerializer.Serialize(status, StatusJson.Default.ClusterStatus));
        else
            Print(status);
        return status.Running ? 0 : 1;
    }

    private static async Task<ClusterStatus> ReadAsync(DataDirectory data, CancellationToken cancellationToken)
    {
        if (data.RunningCluster() is not { } record)
            return new ClusterStatus { Running = false, DataDirectory = data.Root };
        using var api = new ApiConnection(UpVerb.KubeconfigOf(data));
        var node = await api.TryGetAsync($"/api/v1/nodes/{record.NodeName}", cancellationToken);
        var pods = await api.GetAsync("/api/v1/pods", cancellationToken);
        return new ClusterStatus
        {
            Running = true,
            DataDirectory = data.Root,
            Pid = record.Pid,
            Version = record.Version,
            KubernetesVersion = MinkeVersion.Kubernetes,
            StartedAt = record.StartedAt,
            Addresses = [record.Server.GetLeftPart(UriPartial.Authority)],
            Node = new NodeState
            {
                Name = record.NodeName,
                Ready = node is not null && Readiness.IsTrue(node, "Ready"),
                Addresses = [.. Readiness.Items(node?["status"]?["addresses"]).Select(address => Readiness.Text(address, "address"))],
            },
            Pods = [.. Readiness.Items(pods["items"]).Select(ReadPod)],
        };
    }

    private static PodState ReadPod(JsonObject pod)
    {
        pod["kind"] = "Pod";
        return new PodState
        {
            Namespace = Readiness.Text(pod["metadata"], "namespace"),
            Name = Readiness.Text(pod["metadata"], "name"),
            Phase = Readiness.Text(pod["status"], "phase"),
            Ready = Readiness.IsTrue(pod, "Ready"),
            Address = Readiness.Text(pod["status"], "podIP"),
            Trouble = Readiness.Of(pod).State == ReadyState.Ready ? "" : Readiness.Trouble(pod),
        };
    }

    private void Print(ClusterStatus status)
    {
        var output = terminal.Out;
        if (!status.Running)
        {
            output.WriteLine($"no cluster runs in {status.DataDirectory}; start one with: sudo minke up");
            return;
        }
        output.WriteLine($"cluster   {string.Join(' ', status.Addresses)}");
        output.WriteLine($"process   {status.Pid}, Minke {status.Version}, Kubernetes {status.KubernetesVersion}, since {status.StartedAt:u}");
        output.WriteLine($"data      {status.DataDirectory}");
        output.WriteLine($"node      {status.Node!.Name}, {(status.Node.Ready ? "ready" : "not ready")}, {string.Join(' ', status.Node.Addresses)}");
        output.WriteLine($"pods      {status.Pods.Count}, {status.Pods.Count(pod => pod.Ready)} ready");
        foreach (var pod in status.Pods)
        {
            var words = (string[])[$"{pod.Namespace}/{pod.Name}", pod.Phase, pod.Ready ? "ready" : "", pod.Address, pod.Trouble];
            output.WriteLine("  " + string.Join("  ", words.Where(word => word.Length > 0)));
        }
    }
}

/// <summary>What <c>minke status -o json</c> prints.</summary>
internal sealed record ClusterStatus
{
    public required bool Running { get; init; }
    public required string DataDirectory { get; init; }
    public int? Pid { get; init; }
    public string? Version { get; init; }
    public string? KubernetesVersion { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public IReadOnlyList<string> Addresses { get; init; } = [];
    public NodeState? Node { get; init; }
    public IReadOnlyList<PodState> Pods { get; init; } = [];
}

internal sealed record NodeState
{
    public required string Name { get; init; }
    public required bool Ready { get; init; }
    public required IReadOnlyList<string> Addresses { get; init; }
}

internal sealed record PodState
{
    public required string Namespace { get; init; }
    public required string Name { get; init; }
    public required string Phase { get; init; }
    public required bool Ready { get; init; }
    public required string Address { get; init; }
    public required string Trouble { get; init; }
}

[JsonSerializable(typeof(ClusterStatus))]
[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
internal sealed partial class StatusJson : JsonSerializerContext;
