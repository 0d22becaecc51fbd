using System.Text;
using Microsoft.AspNetCore.Http;
using Minke.Api.Flowcontrol.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Requests;

namespace Minke.Server.Flow;

/// <summary>
/// Priority and fairness (KEP-1040): every request is sorted by the FlowSchemas into a priority level and takes seats there, at once or when
/// its turn comes, so that no client can keep others from being served.
/// </summary>
internal sealed class FlowControl : IDisposable
{
    // What waits longer than a quarter of its time would hardly be done in the rest, and nothing waits longer than a minute.
    private const int PartOfTimeout = 4;
    private static readonly TimeSpan MaxPatience = TimeSpan.FromMinutes(1);

    private readonly WorkEstimate _work;
    private readonly int _seats;
    private readonly TimeSpan _requestTimeout;
    private readonly TimeProvider _clock;
    private readonly ITimer _adjusting;
    private readonly Lock _lock = new(); // guards changes of the configuration, adjustments and _series
    private readonly SortedDictionary<(string Level, string Schema), FlowSeries> _series = [];
    private volatile FlowConfiguration _current;
    private double _fairPart;
    private int _isAdjusting; // 1 while the timer runs: as long as there is demand

    public FlowControl(WorkEstimate work, int seats, TimeSpan requestTimeout, TimeProvider clock)
    {
        (_work, _seats, _requestTimeout, _clock) = (work, seats, requestTimeout, clock);
        _adjusting = clock.CreateTimer(static flow => ((FlowControl)flow!).Adjust(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _current = FlowConfiguration.Build(null, [], [], seats, SeriesOf, clock);
        _fairPart = SeatBorrowing.Adjust(_current.Levels);
    }

    public IReadOnlyList<PriorityLevel> Levels => _current.Levels;

    /// <summary>From here on requests are sorted by these.</summary>
    public void Configure(IReadOnlyList<PriorityLevelConfiguration> levels, IReadOnlyList<FlowSchema> schemas)
    {
        lock (_lock)
        {
            _current = FlowConfiguration.Build(_current, levels, schemas, _seats, SeriesOf, _clock);
            _fairPart = SeatBorrowing.Adjust(_current.Levels);
        }
    }

    /// <summary>Seats a request; who has got its ticket leaves when it is done.</summary>
    /// <param name="http">Learns by which objects it was sorted; its client may leave while it waits.</param>
    /// <param name="request">To be sorted.</param>
    /// <param name="timeout">How long it may take altogether; null when it does not say.</param>
    /// <exception cref="OverloadException">Its level is full, or it has waited in vain.</exception>
    public ValueTask<FlowTicket> EnterAsync(HttpContext http, in FlowRequest request, TimeSpan? timeout)
    {
        var schema = _current.Sort(request);
        var ticket = new FlowTicket(schema, request, SeatsOf(http, request, schema.Level));
        ticket.Describe(http.Response);
        if (Volatile.Read(ref _isAdjusting) == 0 && Interlocked.Exchange(ref _isAdjusting, 1) == 0)
            _adjusting.Change(SeatDemand.Period, Timeout.InfiniteTimeSpan);
        var patience = (timeout ?? _requestTimeout) / PartOfTimeout;
        var entering = schema.Level.EnterAsync(ticket, patience < MaxPatience ? patience : MaxPatience, http.RequestAborted);
        return entering is { IsCompletedSuccessfully: true, Result: FlowOutcome.Seated } ? new(ticket) : WaitedAsync(http, ticket, entering);
    }

    public void WriteMetrics(StringBuilder text)
    {
        lock (_lock)
            FlowMetrics.Write(text, _current.Levels, [.. _series.Values], _fairPart);
    }

    /// <summary>What was counted in a level.</summary>
    public IReadOnlyList<FlowSeries> SeriesOf(PriorityLevel level)
    {
        lock (_lock)
            return [.. _series.Values.Where(one => one.Level == level.Name)];
    }

    /// <summary>How many requests are seated, those that change something apart.</summary>
    public (int Reads, int Writes) InFlight()
    {
        lock (_lock)
            return (_series.Values.Sum(one => one.Executing - one.Writing), _series.Values.Sum(one => one.Writing));
    }

    public void Dispose() => _adjusting.Dispose();

    private static async ValueTask<FlowTicket> WaitedAsync(HttpContext http, FlowTicket ticket, ValueTask<FlowOutcome> entering)
    {
        switch (await entering)
        {
            case FlowOutcome.Seated:
                return ticket;
            case FlowOutcome.Cancelled:
                throw new OperationCanceledException(http.RequestAborted);
            default:
                throw new OverloadException();
        }
    }

    private int SeatsOf(HttpContext http, in FlowRequest request, PriorityLevel level)
    {
        if (level.IsExempt || request.Verb is not ("list" or "watch"))
            return 1;
        try
        {
            return _work.SeatsOf(request, ListOptions.FromQuery(QueryValues.Reader(http.Request.Query)), level.MaxSeats);
        }
        catch (FormatException)
        {
            return _work.SeatsOf(request, null, level.MaxSeats);
        }
    }

    /// <summary>Once a period while there is demand, and once after it; an idle server does nothing.</summary>
    private void Adjust()
    {
        lock (_lock)
        {
            var isBusy = false;
            foreach (var level in _current.Levels)
                isBusy |= level.CloseDemand();
            _fairPart = SeatBorrowing.Adjust(_current.Levels);
            if (isBusy)
                _adjusting.Change(SeatDemand.Period, Timeout.InfiniteTimeSpan);
            else
                Volatile.Write(ref _isAdjusting, 0);
        }
    }

    private FlowSeries SeriesOf(string level, string schema)
    {
        if (!_series.TryGetValue((level, schema), out var series))
            _series[(level, schema)] = series = new(level, schema);
        return series;
    }
}

/// <summary>A request has found no seat. As upstream, the answer is text and no Status, for there are no seats to write one.</summary>
internal sealed class OverloadException() : Exception("too many requests");
