using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Minke.Api;
using Minke.Client.Nodes;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>The pages a node has about itself, at the kubelet's paths and in its forms: reached through <c>nodes/proxy</c>.</summary>
internal sealed class NodeDocuments(NodeSettings settings, PodLoops pods, UsageSampler usage)
{
    private const string MetricsType = "text/plain; version=0.0.4; charset=utf-8";
    private const double NanosecondsPerSecond = 1e9;

    public async Task<NodeDocument?> ReadAsync(string path, CancellationToken cancellationToken) => path.TrimEnd('/') switch
    {
        "/healthz" or "/healthz/ping" => Text("text/plain; charset=utf-8", "ok"),
        "/pods" => Json(writer => WritePods(writer, pods.All)),
        "/runningpods" => Json(writer => WritePods(writer, pods.All.Where(pod => pod.View.Containers.Any(container => container.State == ContainerState.Running)))),
        "/configz" => Json(WriteSettings),
        "/metrics" => Text(MetricsType, Metrics()),
        "/metrics/resource" => Text(MetricsType, ResourceMetrics(await usage.SampleAsync(cancellationToken))),
        "/stats/summary" => await SummaryAsync(cancellationToken),
        _ => null,
    };

    private static NodeDocument Text(string contentType, string text) => new(contentType, Encoding.UTF8.GetBytes(text));

    private static NodeDocument Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Minke.Api.Json.WriterOptions))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }
        return new("application/json", buffer.WrittenSpan.ToArray());
    }

    private static void WritePods(Utf8JsonWriter writer, IEnumerable<PodLoop> loops)
    {
        writer.WriteString("kind"u8, "PodList");
        writer.WriteString("apiVersion"u8, "v1");
        writer.WriteStartObject("metadata"u8);
        writer.WriteEndObject();
        writer.WriteStartArray("items"u8);
        foreach (var loop in loops)
            (loop.Pod with { Status = loop.Status }).WriteJson(writer);
        writer.WriteEndArray();
    }

    private void WriteSettings(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("kubeletconfig"u8);
        writer.WriteString("staticPodPath"u8, settings.StaticPodDirectory);
        writer.WriteString("clusterDomain"u8, settings.ClusterDomain);
        WriteStrings(writer, "clusterDNS"u8, settings.ClusterDns);
        writer.WriteString("resolvConf"u8, settings.ResolvConf);
        writer.WriteNumber("maxPods"u8, settings.MaxPods);
        writer.WriteNumber("podPidsLimit"u8, settings.PodPidsLimit ?? -1);
        WriteStrings(writer, "allowedUnsafeSysctls"u8, settings.AllowedUnsafeSysctls);
        writer.WriteString("containerLogMaxSize"u8, Quantity.FromBytes(settings.ContainerLogMaxBytes).ToString());
        writer.WriteNumber("containerLogMaxFiles"u8, settings.ContainerLogMaxFiles);
        writer.WriteString("kind"u8, "KubeletConfiguration");
        writer.WriteString("apiVersion"u8, "kubelet.config.k8s.io/v1beta1");
        writer.WriteEndObject();
    }

    private static void WriteStrings(Utf8JsonWriter writer, ReadOnlySpan<byte> name, IEnumerable<string> values)
    {
        writer.WriteStartArray(name);
        foreach (var value in values)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }

    private string Metrics()
    {
        var views = pods.All.Select(loop => loop.View).ToList();
        var text = new StringBuilder();
        Head(text, "kubelet_node_name", "gauge", "The node's name. The count is always 1.");
        Line(text, "kubelet_node_name", $"node=\"{settings.NodeName}\"", 1);
        Head(text, "kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox");
        Line(text, "kubelet_running_pods", "", views.Count(view => view.NewestSandbox is { State: SandboxState.Ready }));
        Head(text, "kubelet_running_containers", "gauge", "Number of containers currently running");
        foreach (var state in views.SelectMany(view => view.Containers).CountBy(container => container.State).OrderBy(one => one.Key))
            Line(text, "kubelet_running_containers", $"container_state=\"{state.Key.ToString().ToLowerInvariant()}\"", state.Value);
        return text.ToString();
    }

    /// <summary>What metrics-server and its like read.</summary>
    private static string ResourceMetrics(UsageSample sample)
    {
        var text = new StringBuilder();
        var at = sample.At;
        Head(text, "container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the container in core-seconds");
        foreach (var one in sample.Containers)
            Line(text, "container_cpu_usage_seconds_total", Labels(one.Name, one.Pod), one.Stats.CpuUsageNanoseconds / NanosecondsPerSecond, one.Stats.Timestamp);
        Head(text, "container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes");
        foreach (var one in sample.Containers)
            Line(text, "container_memory_working_set_bytes", Labels(one.Name, one.Pod), one.Stats.MemoryWorkingSetBytes, one.Stats.Timestamp);
        Head(text, "node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds");
        Line(text, "node_cpu_usage_seconds_total", "", sample.MachineCpuNanoseconds / NanosecondsPerSecond, at);
        Head(text, "node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes");
        Line(text, "node_memory_working_set_bytes", "", sample.MachineMemoryBytes, at);
        Head(text, "pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds");
        foreach (var pod in sample.Containers.GroupBy(one => one.Pod))
            Line(text, "pod_cpu_usage_seconds_total", Labels(pod.Key), pod.Sum(one => one.Stats.CpuUsageNanoseconds) / NanosecondsPerSecond, at);
        Head(text, "pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes");
        foreach (var pod in sample.Containers.GroupBy(one => one.Pod))
            Line(text, "pod_memory_working_set_bytes", Labels(pod.Key), pod.Sum(one => one.Stats.MemoryWorkingSetBytes), at);
        Head(text, "resource_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise");
        Line(text, "resource_scrape_error", "", 0);
        return text.ToString();
    }

    private static string Labels(string container, PodReference pod) => $"container=\"{container}\",{Labels(pod)}";

    private static string Labels(PodReference pod) => $"namespace=\"{pod.Namespace}\",pod=\"{pod.Name}\"";

    private static void Head(StringBuilder text, string name, string type, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} [ALPHA] {help}\n# TYPE {name} {type}\n");

    private static void Line(StringBuilder text, string name, string labels, double value, DateTimeOffset? at = null)
    {
        text.Append(name);
        if (labels.Length > 0)
            text.Append('{').Append(labels).Append('}');
        text.Append(CultureInfo.InvariantCulture, $" {value}");
        if (at is { } time)
            text.Append(CultureInfo.InvariantCulture, $" {time.ToUnixTimeMilliseconds()}");
        text.Append('\n');
    }

    private async Task<NodeDocument> SummaryAsync(CancellationToken cancellationToken)
    {
        var rates = await usage.RateAsync(cancellationToken);
        var sample = await usage.SampleAsync(cancellationToken);
        return Json(writer =>
        {
            writer.WriteStartObject("node"u8);
            writer.WriteString("nodeName"u8, settings.NodeName);
            WriteUsage(writer, rates.Machine, sample.MachineCpuNanoseconds, sample.At);
            writer.WriteEndObject();
            writer.WriteStartArray("pods"u8);
            foreach (var pod in sample.Containers.GroupBy(one => one.Pod))
            {
                writer.WriteStartObject();
                WritePod(writer, pod.Key, [.. pod], rates);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        });
    }

    private static void WritePod(Utf8JsonWriter writer, PodReference pod, List<(PodReference Pod, string Name, ContainerId Id, ContainerStats Stats)> containers, NodeUsage rates)
    {
        writer.WriteStartObject("podRef"u8);
        writer.WriteString("name"u8, pod.Name);
        writer.WriteString("namespace"u8, pod.Namespace);
        writer.WriteString("uid"u8, pod.Uid);
        writer.WriteEndObject();
        writer.WriteStartArray("containers"u8);
        foreach (var one in containers)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, one.Name);
            var rate = rates.Containers.FirstOrDefault(rate => rate.Pod == pod && rate.Container == one.Name)?.Usage.CpuNanocores ?? 0;
            WriteUsage(writer, new(rate, one.Stats.MemoryWorkingSetBytes), one.Stats.CpuUsageNanoseconds, one.Stats.Timestamp);
            writer.WriteStartObject("rootfs"u8);
            writer.WriteString("time"u8, Stamp(one.Stats.Timestamp));
            writer.WriteNumber("usedBytes"u8, one.Stats.WritableLayerBytes);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        var total = rates.Containers.Where(rate => rate.Pod == pod).Sum(rate => rate.Usage.CpuNanocores);
        WriteUsage(writer, new(total, containers.Sum(one => one.Stats.MemoryWorkingSetBytes)), containers.Sum(one => one.Stats.CpuUsageNanoseconds), rates.Timestamp);
    }

    private static void WriteUsage(Utf8JsonWriter writer, ResourceUsage rate, long cpuNanoseconds, DateTimeOffset at)
    {
        writer.WriteStartObject("cpu"u8);
        writer.WriteString("time"u8, Stamp(at));
        writer.WriteNumber("usageNanoCores"u8, rate.CpuNanocores);
        writer.WriteNumber("usageCoreNanoSeconds"u8, cpuNanoseconds);
        writer.WriteEndObject();
        writer.WriteStartObject("memory"u8);
        writer.WriteString("time"u8, Stamp(at));
        writer.WriteNumber("workingSetBytes"u8, rate.MemoryBytes);
        writer.WriteEndObject();
    }

    private static string Stamp(DateTimeOffset at) => Time.From(at).ToString();
}
