using System.Buffers.Text;
using System.Diagnostics;
using System.Text.Json;

namespace Minke.Bench.Api;

/// <summary>
/// Many watches of one namespace, each on a connection of its own. Every update carries the moment it was sent; a watcher looks for that and
/// for nothing else in what it reads.
/// </summary>
internal sealed class WatchFan : IAsyncDisposable
{
    private const int Digits = 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<RawConnection> _connections = [];
    private readonly List<Task> _reading = [];
    private readonly List<List<TimeSpan>> _delays = [];
    private long _seen;

    /// <summary>How long each event took, from the sending of its update to its reading, of each watcher.</summary>
    public Samples Delays => new(_delays.SelectMany(delays => delays));

    public long Seen => Volatile.Read(ref _seen);

    /// <param name="cluster">Whose.</param>
    /// <param name="watchers">How many.</param>
    /// <param name="path">Of the list.</param>
    /// <param name="accept">In which form.</param>
    public static async Task<WatchFan> OpenAsync(Cluster cluster, int watchers, string path, string accept = Requests.Json)
    {
        var fan = new WatchFan();
        // From now on: what is there already carries older moments.
        using var list = JsonDocument.Parse(await cluster.Http.GetStringAsync(path + "?limit=1"));
        var revision = list.RootElement.GetProperty("metadata").GetProperty("resourceVersion").GetString();
        var request = Requests.Get($"{path}?watch=1&resourceVersion={revision}", accept);
        for (var i = 0; i < watchers; i++)
        {
            var connection = await RawConnection.OpenAsync(cluster);
            fan._connections.Add(connection);
            await connection.WatchAsync(request);
            var delays = new List<TimeSpan>();
            fan._delays.Add(delays);
            fan._reading.Add(fan.ReadAsync(connection, delays));
        }
        return fan;
    }

    /// <summary>What an update has in its data, for the watchers to find.</summary>
    public static string Stamp() => Report.Text($"\"stamp\":\"sent-at-{Stopwatch.GetTimestamp():d20}\",");

    /// <summary>Forgets what has been seen. While nothing is on its way.</summary>
    public void Clear()
    {
        Volatile.Write(ref _seen, 0);
        foreach (var delays in _delays)
            delays.Clear();
    }

    /// <summary>Once all watchers together have seen so many events.</summary>
    public async Task SeenAsync(long events)
    {
        var began = Stopwatch.GetTimestamp();
        while (Seen < events)
        {
            if (Stopwatch.GetElapsedTime(began) > Patience)
                throw new TimeoutException($"{Seen} of {events} events were seen within {Patience.TotalSeconds} s");
            await Task.Delay(1);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
            await connection.DisposeAsync();
        await Task.WhenAll(_reading).ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    private async Task ReadAsync(RawConnection connection, List<TimeSpan> delays)
    {
        var carried = Array.Empty<byte>();
        while (await connection.ReadAsync() is { Length: > 0 } read)
        {
            var now = Stopwatch.GetTimestamp();
            carried = Find(carried.Length == 0 ? read.Span : (byte[])[.. carried, .. read.Span], now, delays);
        }
    }

    /// <returns>The end, where a mark may have begun.</returns>
    private byte[] Find(ReadOnlySpan<byte> text, long now, List<TimeSpan> delays)
    {
        var mark = "sent-at-"u8;
        while (text.IndexOf(mark) is var at and >= 0 && text.Length >= at + mark.Length + Digits)
        {
            if (Utf8Parser.TryParse(text.Slice(at + mark.Length, Digits), out long sent, out _))
            {
                delays.Add(Stopwatch.GetElapsedTime(sent, now));
                Interlocked.Increment(ref _seen);
            }
            text = text[(at + mark.Length + Digits)..];
        }
        return text[^Math.Min(text.Length, mark.Length + Digits)..].ToArray();
    }
}
