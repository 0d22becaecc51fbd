using System.Diagnostics;

namespace Minke.Bench.Api;

/// <summary>
/// Many connections that send one request after the other, each waiting for its answer. They share the machine with the server, so what
/// part of the work was whose is measured too.
/// </summary>
internal sealed class Crowd : IAsyncDisposable
{
    private readonly List<RawConnection> _connections = [];
    private readonly OwnProcess _server, _own;

    private Crowd(OwnProcess server, OwnProcess own) => (_server, _own) = (server, own);

    public static async Task<Crowd> OpenAsync(Cluster cluster, int clients)
    {
        var crowd = new Crowd(cluster.Server, OwnProcess.TryRead(Environment.ProcessId)!);
        for (var i = 0; i < clients; i++)
            crowd._connections.Add(await RawConnection.OpenAsync(cluster));
        return crowd;
    }

    /// <summary>Sends for so long.</summary>
    /// <param name="length">How long.</param>
    /// <param name="request">The next request of a client, by its number and how many it has sent.</param>
    /// <param name="expected">The status of each answer; null for any that is no failure.</param>
    public Task<CrowdResult> RunAsync(TimeSpan length, Func<int, int, ReadOnlyMemory<byte>> request, int? expected) =>
        RunAsync((sent, elapsed) => elapsed < length, request, expected);

    /// <summary>Sends so many in all.</summary>
    public Task<CrowdResult> RunAsync(int count, Func<int, int, ReadOnlyMemory<byte>> request, int? expected)
    {
        var each = count / _connections.Count;
        return RunAsync((sent, _) => sent < each, request, expected);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
            await connection.DisposeAsync();
    }

    private async Task<CrowdResult> RunAsync(Func<int, TimeSpan, bool> goesOn, Func<int, int, ReadOnlyMemory<byte>> request, int? expected)
    {
        var (server, own, began) = (_server.Cpu(), _own.Cpu(), Stopwatch.GetTimestamp());
        var answers = await Task.WhenAll(_connections.Select(async (connection, client) =>
        {
            var (sent, bytes) = (0, 0L);
            while (goesOn(sent, Stopwatch.GetElapsedTime(began)))
                bytes += await connection.SendAsync(request(client, sent++), expected);
            return (Sent: sent, Bytes: bytes);
        }));
        return new(answers.Sum(answer => answer.Sent), answers.Sum(answer => answer.Bytes), Stopwatch.GetElapsedTime(began), _server.Cpu() - server, _own.Cpu() - own);
    }
}

/// <param name="Count">Requests answered.</param>
/// <param name="Bytes">Of their bodies.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="ServerCpu">What Minke used.</param>
/// <param name="OwnCpu">What asking used.</param>
internal sealed record CrowdResult(int Count, long Bytes, TimeSpan Elapsed, TimeSpan ServerCpu, TimeSpan OwnCpu)
{
    public double PerSecond => Count / Elapsed.TotalSeconds;

    /// <summary>Whose work it was.</summary>
    public string Shares => Report.Text(
        $"{ServerCpu.TotalMicroseconds / Math.Max(1, Count):0} µs of CPU each in Minke; it used {ServerCpu / Elapsed:0.00} cores, the clients {OwnCpu / Elapsed:0.00}");
}
