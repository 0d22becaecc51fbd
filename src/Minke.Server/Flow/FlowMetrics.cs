using System.Globalization;
using System.Text;
using Minke.Server.Health;

namespace Minke.Server.Flow;

/// <summary>Writes <c>apiserver_flowcontrol_*</c> under upstream's names and in its words.</summary>
internal static class FlowMetrics
{
    private const string Prefix = "apiserver_flowcontrol_";

    private static readonly (FlowOutcome Why, string Reason)[] Reasons =
    [
        (FlowOutcome.QueueFull, "queue-full"), (FlowOutcome.ConcurrencyLimit, "concurrency-limit"), (FlowOutcome.TimedOut, "time-out"), (FlowOutcome.Cancelled, "cancelled"),
    ];

    public static void Write(StringBuilder text, IReadOnlyList<PriorityLevel> levels, IReadOnlyList<FlowSeries> series, double fairPart)
    {
        Head(text, "rejected_requests_total", "counter", "Number of requests rejected by API Priority and Fairness subsystem");
        foreach (var one in series)
        {
            foreach (var (why, reason) in Reasons.Where(reason => one.Rejected(reason.Why) > 0))
                Line(text, "rejected_requests_total", $"{Of(one)},reason=\"{reason}\"", one.Rejected(why));
        }
        Each(text, "dispatched_requests_total", "counter", "Number of requests executed by API Priority and Fairness subsystem", series, one => one.DispatchedTotal);
        Each(text, "current_inqueue_requests", "gauge", "Number of requests currently pending in queues of the API Priority and Fairness subsystem", series, one => one.InQueue);
        Each(text, "current_inqueue_seats", "gauge", "Number of seats currently pending in queues of the API Priority and Fairness subsystem", series, one => one.SeatsInQueue);
        Each(text, "current_executing_requests", "gauge",
            "Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem", series, one => one.Executing);
        Each(text, "current_executing_seats", "gauge",
            "Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem",
            series, one => one.SeatsExecuting);
        Each(text, "nominal_limit_seats", "Nominal number of execution seats configured for each priority level", levels, level => level.Nominal);
        Each(text, "lower_limit_seats", "Configured lower bound on number of execution seats available to each priority level", levels, level => level.Lower);
        Each(text, "upper_limit_seats", "Configured upper bound on number of execution seats available to each priority level", levels, level => level.Upper);
        Each(text, "current_limit_seats", "current derived number of execution seats available to each priority level", levels, level => level.Limit);
        Each(text, "demand_seats_high_watermark", "High watermark, over last adjustment period, of demand_seats", levels, level => level.Demand.HighWatermark);
        Each(text, "demand_seats_average", "Time-weighted average, over last adjustment period, of demand_seats", levels, level => level.Demand.Average);
        Each(text, "demand_seats_stdev", "Time-weighted standard deviation, over last adjustment period, of demand_seats", levels, level => level.Demand.Deviation);
        Each(text, "demand_seats_smoothed", "Smoothed seat demands", levels, level => level.Demand.Smoothed);
        Head(text, "seat_fair_frac", "gauge", "Fair fraction of server's concurrency to allocate to each priority level that can use it");
        Line(text, "seat_fair_frac", "", fairPart);
        Head(text, "request_wait_duration_seconds", "histogram", "Length of time a request spent waiting in its queue");
        foreach (var one in series)
        {
            Write(text, "request_wait_duration_seconds", $"execute=\"true\",{Of(one)}", one.WaitsOfSeated);
            Write(text, "request_wait_duration_seconds", $"execute=\"false\",{Of(one)}", one.WaitsOfRejected);
        }
        Head(text, "request_execution_seconds", "histogram",
            "Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem");
        foreach (var one in series)
        {
            foreach (var (verb, durations) in one.Executions)
                Write(text, "request_execution_seconds", $"{Of(one)},type=\"{verb}\"", durations);
        }
        Head(text, "request_queue_length_after_enqueue", "histogram", "Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued");
        foreach (var one in series)
            Write(text, "request_queue_length_after_enqueue", Of(one), one.QueueLengths);
        Head(text, "work_estimated_seats", "histogram", "Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness");
        foreach (var one in series)
            Write(text, "work_estimated_seats", Of(one), one.Widths);
    }

    private static void Each(StringBuilder text, string name, string help, IReadOnlyList<PriorityLevel> levels, Func<PriorityLevel, double> value)
    {
        Head(text, name, "gauge", help);
        foreach (var level in levels)
            Line(text, name, string.Create(CultureInfo.InvariantCulture, $"priority_level=\"{level.Name}\""), value(level));
    }

    private static void Each(StringBuilder text, string name, string type, string help, IReadOnlyList<FlowSeries> series, Func<FlowSeries, double> value)
    {
        Head(text, name, type, help);
        foreach (var one in series)
            Line(text, name, Of(one), value(one));
    }

    private static string Of(FlowSeries one) => $"flow_schema=\"{one.Schema}\",priority_level=\"{one.Level}\"";

    private static void Head(StringBuilder text, string name, string type, string help) => MetricText.Head(text, Prefix + name, type, help);

    private static void Line(StringBuilder text, string name, string labels, double value) => MetricText.Line(text, Prefix + name, labels, value);

    private static void Write(StringBuilder text, string name, string labels, Histogram histogram)
    {
        if (histogram.Count > 0)
            histogram.Write(text, Prefix + name, labels);
    }
}
