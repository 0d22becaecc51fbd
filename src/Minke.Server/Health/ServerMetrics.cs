using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Minke.Server.Registry;
using Minke.Server.Requests;
using Minke.Store;

namespace Minke.Server.Health;

/// <summary>Counts of requests under upstream's names, as Prometheus reads them.</summary>
internal sealed class ServerMetrics(IStateStore store, ResourceCatalog catalog)
{
    // Upstream's apiserver_request_duration_seconds buckets, in seconds.
    private static readonly double[] Buckets =
        [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

    private readonly ConcurrentDictionary<Series, Counts> _requests = [];
    private int _reads;
    private int _writes;

    private readonly record struct Series(string Verb, string Group, string Version, string Plural, string Subresource, int Code);

    private sealed class Counts
    {
        public long Total;
        public long Microseconds;
        public readonly long[] Buckets = new long[ServerMetrics.Buckets.Length];
    }

    public void SetInFlight(bool isRead, int count)
    {
        if (isRead)
            _reads = count;
        else
            _writes = count;
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
        Head(text, "apiserver_request_total", "counter", "Counter of apiserver requests broken out for each verb, group, version, resource, scope, component and HTTP response code.");
        foreach (var (series, counts) in requests)
            Line(text, "apiserver_request_total", Labels(series) + $",code=\"{series.Code.ToString(CultureInfo.InvariantCulture)}\"", counts.Total);
        Head(text, "apiserver_request_duration_seconds", "histogram", "Response latency distribution in seconds for each verb, group, version, resource, subresource, scope and component.");
        foreach (var group in requests.GroupBy(one => one.Key with { Code = 0 }))
        {
            var labels = Labels(group.Key);
            for (var i = 0; i < Buckets.Length; i++)
            {
                Line(text, "apiserver_request_duration_seconds_bucket", $"{labels},le=\"{Buckets[i].ToString(CultureInfo.InvariantCulture)}\"",
                    group.Sum(one => one.Value.Buckets[i]));
            }
            Line(text, "apiserver_request_duration_seconds_bucket", labels + ",le=\"+Inf\"", group.Sum(one => one.Value.Total));
            Line(text, "apiserver_request_duration_seconds_sum", labels, group.Sum(one => one.Value.Microseconds) / 1e6);
            Line(text, "apiserver_request_duration_seconds_count", labels, group.Sum(one => one.Value.Total));
        }
        Head(text, "apiserver_current_inflight_requests", "gauge", "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.");
        Line(text, "apiserver_current_inflight_requests", "request_kind=\"mutating\"", _writes);
        Line(text, "apiserver_current_inflight_requests", "request_kind=\"readOnly\"", _reads);
        Head(text, "apiserver_storage_objects", "gauge", "Number of stored objects at the time of last check split by kind.");
        var snapshot = store.Snapshot();
        foreach (var resource in catalog.All.Where(resource => !resource.IsVirtual && (resource.Conversion is null || ReferenceEquals(resource.Kind, resource.StorageKind))))
        {
            var name = resource.Kind.Group.Length == 0 ? resource.Kind.Plural : $"{resource.Kind.Plural}.{resource.Kind.Group}";
            Line(text, "apiserver_storage_objects", $"resource=\"{name}\"", snapshot.Count(resource.Prefix));
        }
        WriteProcess(text);
        return text.ToString();
    }

    private static void WriteProcess(StringBuilder text)
    {
        using var process = Process.GetCurrentProcess();
        Head(text, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        Line(text, "process_cpu_seconds_total", "", process.TotalProcessorTime.TotalSeconds);
        Head(text, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
        Line(text, "process_resident_memory_bytes", "", process.WorkingSet64);
        Head(text, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.");
        Line(text, "process_virtual_memory_bytes", "", process.VirtualMemorySize64);
        Head(text, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
        Line(text, "process_start_time_seconds", "", new DateTimeOffset(process.StartTime).ToUnixTimeSeconds());
        Head(text, "process_open_fds", "gauge", "Number of open file descriptors.");
        Line(text, "process_open_fds", "", process.HandleCount);
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

    private static void Head(StringBuilder text, string name, string type, string help) =>
        text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    private static void Line(StringBuilder text, string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0)
            text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
