using System.Globalization;

namespace Minke.Server.Streaming.Spdy;

/// <summary>
/// The forwarded connections of a SPDY port-forward: each is a pair of streams with the same <c>requestID</c>, one for errors and one
/// for bytes, in either order.
/// </summary>
internal sealed class SpdyForwards(SpdySession session, PortRelay relay, StreamingOptions options, TimeProvider time)
{
    /// <summary>Pairs that lack a stream. Touched by the loop that takes streams in alone.</summary>
    private readonly Dictionary<string, Pair> _waiting = new(StringComparer.Ordinal);
    private readonly List<Task> _running = [];

    public static bool Admits(SpdyStream stream) => PortOf(stream) is not null && (stream.StreamType is "error" or "data");

    /// <summary>Until the client hangs up.</summary>
    public async Task RunAsync()
    {
        await foreach (var stream in session.Opened.ReadAllAsync().ConfigureAwait(false))
        {
            Prune();
            Add(stream);
        }
        foreach (var pair in _waiting.Values)
            pair.Complete.TrySetResult(false);
        await Task.WhenAll(_running).ConfigureAwait(false);
        await session.CloseAsync().ConfigureAwait(false);
    }

    private static int? PortOf(SpdyStream stream) =>
        ushort.TryParse(stream.Headers.GetValueOrDefault("port"), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0 ? port : null;

    /// <summary>Clients before 1.2 sent no id; their error stream came first, and its pair two ids later.</summary>
    private static string RequestOf(SpdyStream stream) =>
        stream.Headers.GetValueOrDefault("requestid") is { Length: > 0 } id
            ? id
            : (stream.StreamType == "error" ? stream.Id : stream.Id - 2).ToString(CultureInfo.InvariantCulture);

    private void Add(SpdyStream stream)
    {
        var request = RequestOf(stream);
        if (!_waiting.TryGetValue(request, out var pair))
        {
            _waiting.Add(request, pair = new());
            _running.Add(RunPairAsync(pair));
        }
        if (!pair.TryAdd(stream))
        {
            session.Reject(stream);
            return;
        }
        if (pair.IsComplete && pair.Complete.TrySetResult(true))
            _waiting.Remove(request);
    }

    private async Task RunPairAsync(Pair pair)
    {
        try
        {
            var complete = await pair.Complete.Task.WaitAsync(options.StreamCreationTimeout, time, session.Gone).ConfigureAwait(false);
            if (!complete)
                return;
            await relay.RunAsync(new(PortOf(pair.Data!)!.Value, pair.Data!, pair.Error!), clientCanEnd: true, session.Gone).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            pair.Complete.TrySetResult(false);
            foreach (var stream in pair.Streams)
                session.Reject(stream);
        }
        catch (OperationCanceledException)
        {
            // The client is gone.
        }
    }

    private void Prune()
    {
        _running.RemoveAll(task => task.IsCompletedSuccessfully);
        foreach (var (request, pair) in _waiting)
        {
            if (pair.Complete.Task.IsCompleted)
                _waiting.Remove(request);
        }
    }

    private sealed class Pair
    {
        public SpdyStream? Data { get; private set; }
        public SpdyStream? Error { get; private set; }
        public bool IsComplete => Data is not null && Error is not null;

        /// <summary>True when both streams are there, false when they will not be.</summary>
        public TaskCompletionSource<bool> Complete { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IEnumerable<SpdyStream> Streams
        {
            get
            {
                if (Data is { } data)
                    yield return data;
                if (Error is { } error)
                    yield return error;
            }
        }

        public bool TryAdd(SpdyStream stream)
        {
            if ((stream.StreamType == "data" ? Data : Error) is not null)
                return false;
            if (stream.StreamType == "data")
                Data = stream;
            else
                Error = stream;
            return true;
        }
    }
}
