using System.Diagnostics;
using System.Text.Json;

namespace Minke.Bench;

/// <summary>What somebody who watches can see of a pod, in order.</summary>
internal enum Sight { Added, Scheduled, Running, Ready, Deleted }

/// <summary>An outside watch over HTTPS of the pods of namespace default: when each pod was first seen in each state.</summary>
internal sealed class PodWatch : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new(); // guards _seen
    private readonly Dictionary<(string Pod, Sight Sight), TaskCompletionSource<long>> _seen = [];
    private readonly Task _loop;

    private PodWatch(HttpResponseMessage response) => _loop = ReadAsync(response);

    public static async Task<PodWatch> OpenAsync(HttpClient http) =>
        new((await http.GetAsync("/api/v1/namespaces/default/pods?watch=true", HttpCompletionOption.ResponseHeadersRead)).EnsureSuccessStatusCode());

    /// <summary>When a pod was seen so, as <see cref="Stopwatch"/> has it.</summary>
    /// <exception cref="TimeoutException">It was not within two minutes.</exception>
    public Task<long> WhenAsync(string pod, Sight sight) => Entry(pod, sight).Task.WaitAsync(Limit);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private TaskCompletionSource<long> Entry(string pod, Sight sight)
    {
        lock (_lock)
        {
            if (!_seen.TryGetValue((pod, sight), out var entry))
                _seen[(pod, sight)] = entry = new(TaskCreationOptions.RunContinuationsAsynchronously);
            return entry;
        }
    }

    private async Task ReadAsync(HttpResponseMessage response)
    {
        using var answer = response;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(_stop.Token));
        try
        {
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
                Note(line, Stopwatch.GetTimestamp());
        }
        catch (OperationCanceledException)
        {
            // Nobody watches any more.
        }
    }

    private void Note(string line, long now)
    {
        using var document = JsonDocument.Parse(line);
        var pod = document.RootElement.GetProperty("object");
        var name = pod.GetProperty("metadata").GetProperty("name").GetString()!;
        void See(Sight sight) => Entry(name, sight).TrySetResult(now);

        See(Sight.Added);
        if (document.RootElement.GetProperty("type").ValueEquals("DELETED"))
            See(Sight.Deleted);
        if (pod.GetProperty("spec").TryGetProperty("nodeName", out _))
            See(Sight.Scheduled);
        if (!pod.TryGetProperty("status", out var status))
            return;
        if (status.TryGetProperty("phase", out var phase) && phase.ValueEquals("Running"))
            See(Sight.Running);
        if (status.TryGetProperty("conditions", out var conditions) && conditions.EnumerateArray().Any(condition =>
            condition.GetProperty("type").ValueEquals("Ready") && condition.GetProperty("status").ValueEquals("True")))
            See(Sight.Ready);
    }
}
