using System.Text;

namespace Minke.Node.Runtime.Simulated;

/// <summary>The streams of a simulated command: what it was told to print, and a standard input that swallows.</summary>
internal sealed class SimulatedStreams : IProcessStreams
{
    private readonly Task<int> _exit;
    private readonly CancellationTokenSource _closed = new();

    public SimulatedStreams(SimulatedCommand command, bool stdin, bool stdout, bool stderr, TimeProvider time)
        : this(RunAsync(command, time), stdin, stdout, stderr)
    {
        Stdout = stdout ? new MemoryStream(Encoding.UTF8.GetBytes(command.Stdout), writable: false) : null;
        Stderr = stderr ? new MemoryStream(Encoding.UTF8.GetBytes(command.Stderr), writable: false) : null;
    }

    public SimulatedStreams(Task<int> exit, bool stdin, bool stdout, bool stderr)
    {
        _exit = exit;
        Stdin = stdin ? Stream.Null : null;
        Stdout = stdout ? Stream.Null : null;
        Stderr = stderr ? Stream.Null : null;
    }

    public Stream? Stdin { get; }
    public Stream? Stdout { get; }
    public Stream? Stderr { get; }

    /// <summary>The last size set, in characters.</summary>
    public (int Width, int Height)? Size { get; private set; }

    public Task ResizeAsync(int width, int height, CancellationToken cancellationToken)
    {
        Size = (width, height);
        return Task.CompletedTask;
    }

    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
        return await _exit.WaitAsync(linked.Token);
    }

    public async ValueTask DisposeAsync() => await _closed.CancelAsync();

    private static async Task<int> RunAsync(SimulatedCommand command, TimeProvider time)
    {
        if (command.Takes > TimeSpan.Zero)
            await Task.Delay(command.Takes, time);
        return command.ExitCode;
    }
}
