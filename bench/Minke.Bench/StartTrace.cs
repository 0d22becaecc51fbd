using System.Diagnostics;

namespace Minke.Bench;

/// <summary>
/// Where the time of a pod's start goes, seen from outside: what the watch shows, and which programs the kernel says were executed between.
/// </summary>
/// <remarks>Only of pods started one at a time: a process is told to be a pod's by there being no other.</remarks>
internal sealed class StartTrace : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    public static readonly string[] Stages =
    [
        "request → seen scheduled by the watch (TLS, admission, durable write, scheduler, durable write)",
        "seen scheduled → conmon executed (volumes, sandbox, root file system, bundle)",
        "conmon executed → OCI runtime executed",
        "OCI runtime executed → ended (create: namespaces, mounts, cgroup, seccomp)",
        "OCI runtime ended → the container's program executed (start)",
        "program executed → Ready seen by the watch (status, durable write)",
    ];

    private readonly Lock _lock = new(); // guards _events
    private readonly List<ProcessEvent> _events = [];
    private readonly ProcessEvents _source;
    private readonly List<TimeSpan>[] _stages = [.. Stages.Select(_ => new List<TimeSpan>())];

    /// <param name="cluster">Whose processes to follow.</param>
    /// <param name="program">What the command line of every container's program begins with.</param>
    /// <param name="outside">The machine's own network namespace, for <see cref="ProcessEvents"/>.</param>
    public StartTrace(Cluster cluster, string program, string outside)
    {
        Program = program;
        _source = new(outside, process => cluster.IsOurs(process) || process.CommandLine.StartsWith(program, StringComparison.Ordinal), happened =>
        {
            lock (_lock)
                _events.Add(happened);
        });
    }

    private string Program { get; }

    /// <summary>Pods whose every step was seen, and the time each of the <see cref="Stages"/> took.</summary>
    public IEnumerable<(string Stage, Samples Samples)> Results => Stages.Zip(_stages).Where(pair => pair.Second.Count > 0).Select(pair => (pair.First, new Samples(pair.Second)));

    public void Begin()
    {
        lock (_lock)
            _events.Clear();
    }

    public async Task EndAsync(long sent, long scheduled, long ready)
    {
        var began = Stopwatch.GetTimestamp();
        long? monitor, runtime, created, program;
        do
        {
            await Task.Delay(1);
            monitor = When(process => process.Name == "conmon", isExit: false);
            runtime = When(IsRuntime, isExit: false);
            created = When(IsRuntime, isExit: true);
            program = When(process => process.CommandLine.StartsWith(Program, StringComparison.Ordinal), isExit: false);
        }
        while ((monitor is null || runtime is null || created is null || program is null) && Stopwatch.GetElapsedTime(began) < Patience);

        if (monitor is null || runtime is null || created is null || program is null)
            return;
        long[] steps = [sent, scheduled, monitor.Value, runtime.Value, created.Value, program.Value, ready];
        for (var i = 0; i < Stages.Length; i++)
            _stages[i].Add(Stopwatch.GetElapsedTime(steps[i], steps[i + 1]));
    }

    public void Dispose() => _source.Dispose();

    private static bool IsRuntime(OwnProcess process) => process.Name is "crun" or "runc" && process.CommandLine.Contains(" create ", StringComparison.Ordinal);

    private long? When(Func<OwnProcess, bool> isIt, bool isExit)
    {
        lock (_lock)
        {
            foreach (var happened in _events)
            {
                if (happened.IsExit == isExit && isIt(happened.Process))
                    return happened.Timestamp;
            }
        }
        return null;
    }
}
