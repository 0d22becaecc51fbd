using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Minke.Server.Flow;
using Minke.Server.Registry;
using Minke.Server.Requests;
using Minke.Store;

namespace Minke.Server.Health;

/// <summary>Counts of requests under upstream's names, as Prometheus reads them.</summary>
internal sealed class ServerMetrics(IStateStore store, ResourceCatalog catalog, FlowControl flow)
{
    // Upstream's apiserver_request_duration_seconds buckets, in seconds.
    private static readonly double[] Buckets =
        [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

    private readonly ConcurrentDictionary<Series, Counts> _requests = [];

    private readonly record struct Series(string Verb, string Group, string Version, string Plural, string Subresource, int Code);

    private sealed class Counts
    {
        public long Total;
        public long Microseconds;
        public readonly long[] Buckets = new long[ServerMetrics.Buckets.Length];
    }

    public void Observe(string verb, RequestTarget target, int code, TimeSpan elapsed)
    {
        // Only what is served becomes a series: names that clients invent would fill memory.
        if (!target.IsResource || catalog.Find(target.Group, target.Version, target.Plural) is null || target.Subresource.Length > 32)
            return;
        var counts = _requests.GetOrAdd(new(verb, target.Group, target.Version, target.Plural, target.Subresource, code), static _ => new());
        Interlocked.Increment(ref counts.Total);
        Interlocked.Add(ref counts.Microseconds, (long)elapsed.TotalMicroseconds);
        for (var i = Buckets.Length - 1; i >= 0 && elapsed.TotalSeconds <= Buckets[i]; i--)
            Interlocked.Increment(ref counts.Buckets[i]);
    }

    public string ToText()
    {
        var text = new StringBuilder();
        var requests = _requests.OrderBy(one => one.Key.ToString(), StringComparer.Ordinal).ToList();
        MetricText.Head(text, "apiserver_request_total", "counter", "Counter of apiserver requests broken out for each verb, group, version, resource, scope, component and HTTP response code.");
        foreach (var (series, counts) in requests)
            MetricText.Line(text, "apiserver_request_total", Labels(series) + $",code=\"{series.Code.ToString(CultureInfo.InvariantCulture)}\"", counts.Total);
        MetricText.Head(text, "apiserver_request_duration_seconds", "histogram", "Response latency distribution in seconds for each verb, group, version, resource, subresource, scope and component.");
        foreach (var group in requests.GroupBy(one => one.Key with { Code = 0 }))
        {
            var labels = Labels(group.Key);
            for (var i = 0; i < Buckets.Length; i++)
            {
                MetricText.Line(text, "apiserver_request_duration_seconds_bucket", $"{labels},le=\"{Buckets[i].ToString(CultureInfo.InvariantCulture)}\"",
                    group.Sum(one => one.Value.Buckets[i]));
            }
            MetricText.Line(text, "apiserver_request_duration_seconds_bucket", labels + ",le=\"+Inf\"", group.Sum(one => one.Value.Total));
            MetricText.Line(text, "apiserver_request_duration_seconds_sum", labels, group.Sum(one => one.Value.Microseconds) / 1e6);
            MetricText.Line(text, "apiserver_request_duration_seconds_count", labels, group.Sum(one => one.Value.Total));
        }
        MetricText.Head(text, "apiserver_current_inflight_requests", "gauge", "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.");
        var (reads, writes) = flow.InFlight();
        MetricText.Line(text, "apiserver_current_inflight_requests", "request_kind=\"mutating\"", writes);
        MetricText.Line(text, "apiserver_current_inflight_requests", "request_kind=\"readOnly\"", reads);
        flow.WriteMetrics(text);
        MetricText.Head(text, "apiserver_storage_objects", "gauge", "Number of stored objects at the time of last check split by kind.");
        var snapshot = store.Snapshot();
        foreach (var resource in catalog.All.Where(resource => !resource.IsVirtual && (resource.Conversion is null || ReferenceEquals(resource.Kind, resource.StorageKind))))
        {
            var name = resource.Kind.Group.Length == 0 ? resource.Kind.Plural : $"{resource.Kind.Plural}.{resource.Kind.Group}";
            MetricText.Line(text, "apiserver_storage_objects", $"resource=\"{name}\"", snapshot.Count(resource.Prefix));
        }
        WriteProcess(text);
        return text.ToString();
    }

    private static void WriteProcess(StringBuilder text)
    {
        using var process = Process.GetCurrentProcess();
        MetricText.Head(text, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        MetricText.Line(text, "process_cpu_seconds_total", "", process.TotalProcessorTime.TotalSeconds);
        MetricText.Head(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
        MetricText.Line(text, "process_resident_memory_bytes", "", process.WorkingSet64);
        MetricText.Head(text, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.");
        MetricText.Line(text, "process_virtual_memory_bytes", "", process.VirtualMemorySize64);
        MetricText.Head(text, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
        MetricText.Line(text, "process_start_time_seconds", "", new DateTimeOffset(process.StartTime).ToUnixTimeSeconds());
        MetricText.Head(text, "process_open_fds", "gauge", "Number of open file descriptors.");
        MetricText.Line(text, "process_open_fds", "", process.HandleCount);
    }

    private static string Labels(Series series)
    {
        var verb = series.Verb switch
        {
            "get" => "GET",
            "list" => "LIST",
            "watch" => "WATCH",
            "create" => "POST",
            "update" => "PUT",
            "patch" => "PATCH",
            _ => "DELETE",
        };
        return $"component=\"apiserver\",group=\"{series.Group}\",resource=\"{series.Plural}\",subresource=\"{series.Subresource}\",verb=\"{verb}\",version=\"{series.Version}\"";
    }
}
