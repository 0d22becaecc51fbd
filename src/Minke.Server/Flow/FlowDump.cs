using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Minke.Server.Requests;

namespace Minke.Server.Flow;

/// <summary>
/// <c>/debug/api_priority_and_fairness/</c>: levels, queues and requests as they are at the moment, in upstream's columns.
/// </summary>
internal sealed class FlowDump(FlowControl flow, TimeProvider clock)
{
    private const string Root = "/debug/api_priority_and_fairness/";
    private const string None = "<none>";
    private const string Never = "0001-01-01T00:00:00Z";

    private static readonly string[] LevelColumns =
        ["PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests", "DispatchedRequests", "RejectedRequests", "TimedoutRequests", "CancelledRequests"];
    private static readonly string[] QueueColumns =
        ["PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR", "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum"];
    private static readonly string[] RequestColumns =
        ["PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher", "ArriveTime", "InitialSeats", "FinalSeats", "AdditionalLatency", "StartTime"];
    private static readonly string[] DetailColumns = ["UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource"];

    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        if (!path.StartsWith(Root, StringComparison.Ordinal))
            return false;
        IEnumerable<string[]>? rows = path[Root.Length..] switch
        {
            "dump_priority_levels" => [LevelColumns, .. flow.Levels.Select(LevelRow)],
            "dump_queues" => [QueueColumns, .. flow.Levels.SelectMany(QueueRows)],
            "dump_requests" => Requests(withDetails: !string.IsNullOrEmpty(http.Request.Query["includeRequestDetails"])),
            _ => null,
        };
        if (rows is null)
            return false;
        await Responses.TextAsync(http, 200, Aligned([.. rows]));
        return true;
    }

    private string[] LevelRow(PriorityLevel level)
    {
        var series = flow.SeriesOf(level);
        var rejected = series.Sum(one => Enum.GetValues<FlowOutcome>().Sum(one.Rejected));
        return level.Look((queues, _) => Row(
            level.Name, queues.Queues.Count(queue => queue.Waiting.Count > 0), queues.Waiting + queues.Executing == 0, level.IsRetired, queues.Waiting, queues.Executing,
            series.Sum(one => one.DispatchedTotal), rejected, series.Sum(one => one.Rejected(FlowOutcome.TimedOut)), series.Sum(one => one.Rejected(FlowOutcome.Cancelled))));
    }

    private static IEnumerable<string[]> QueueRows(PriorityLevel level) => level.Look((queues, _) => queues.Queues.Count == 0
        ? [Row(level.Name, None, None, None, None, None, None, None, None)]
        : queues.Queues.Select((queue, index) => Row(
            level.Name, index, queue.Waiting.Count, queue.Executing, queue.SeatsInUse, SeatSeconds(queue.NextStart), queue.SeatsWaiting, queue.SeatsWaiting,
            SeatSeconds(queue.SeatsWaiting * FairQueues.AssumedService.TotalSeconds))).ToArray());

    private IEnumerable<string[]> Requests(bool withDetails) =>
        [[.. RequestColumns, .. withDetails ? DetailColumns : []], .. flow.Levels.SelectMany(level => level.Look((queues, now) => RequestRows(level, queues, now, withDetails)))];

    /// <summary>Queue by queue, who waits and then who is served; at last who was seated without a queue.</summary>
    private string[][] RequestRows(PriorityLevel level, FairQueues queues, TimeSpan now, bool withDetails)
    {
        var seated = queues.Seated.Reverse().ToLookup(ticket => ticket.Queue);
        return
        [
            .. queues.Queues.SelectMany((queue, index) => (string[][])
            [
                .. queue.Waiting.Select((ticket, place) => RequestRow(level, ticket, index, place, now, withDetails)),
                .. seated[queue].Select(ticket => RequestRow(level, ticket, index, -1, now, withDetails)),
            ]),
            .. seated[null].Select(ticket => RequestRow(level, ticket, -1, -1, now, withDetails)),
        ];
    }

    private string[] RequestRow(PriorityLevel level, FlowTicket ticket, int queue, int place, TimeSpan now, bool withDetails) =>
    [
        .. Row(level.Name, ticket.Schema.Name, queue, place, ticket.Distinguisher, At(now - ticket.Arrived), ticket.Seats, 0, "0s", place < 0 ? At(now - ticket.Seated) : Never),
        .. withDetails ? Details(ticket.Request) : [],
    ];

    private static string[] Details(in FlowRequest request) => request.Target.IsResource
        ? Row(request.User.Name, request.Verb, request.Path, request.Namespace, request.Target.Name,
            request.Target.Group.Length == 0 ? request.Target.Version : $"{request.Target.Group}/{request.Target.Version}", request.Target.Plural, request.Target.Subresource)
        : Row(request.User.Name, request.Verb, request.Path, "", "", "", "", "");

    private string At(TimeSpan ago) => (clock.GetUtcNow() - ago).ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);

    private static string SeatSeconds(double value) => value.ToString("F8", CultureInfo.InvariantCulture) + "ss";

    private static string[] Row(params object[] cells) => [.. cells.Select(cell => cell switch
    {
        bool value => value ? "true" : "false",
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        _ => cell.ToString()!,
    })];

    /// <summary>As Go's tabwriter: each cell with its comma, a column as wide as its widest, and eight at least.</summary>
    private static string Aligned(IReadOnlyList<string[]> rows)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => Math.Max(8, rows.Max(row => row[column].Length) + 2)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
        {
            for (var i = 0; i < row.Length - 1; i++)
                text.Append((row[i] + ",").PadRight(widths[i]));
            text.Append(row[^1]).Append('\n');
        }
        return text.ToString();
    }
}
