using System.Diagnostics;
using Minke.Client.Nodes;

namespace Minke.Server.Tests.Streaming;

/// <summary>A command of this machine standing in for one in a container. Its terminal is one in name only: it records its sizes.</summary>
internal sealed class HostProcess : IProcessStreams
{
    private readonly Process _process;
    private readonly bool _tty;

    /// <summary>Guarded by itself.</summary>
    private readonly List<(int Width, int Height)> _sizes = [];

    private HostProcess(Process process, ExecStreamsRequest request)
    {
        _process = process;
        _tty = request.Tty;
        Stdin = request.Stdin ? process.StandardInput.BaseStream : null;
        Stdout = request.Stdout ? process.StandardOutput.BaseStream : null;
        Stderr = request.Stderr && !request.Tty ? process.StandardError.BaseStream : null;
        if (!request.Stdin)
            process.StandardInput.Close();
    }

    public Stream? Stdin { get; }
    public Stream? Stdout { get; }
    public Stream? Stderr { get; }
    public TaskCompletionSource Disposed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static HostProcess Start(ExecStreamsRequest request)
    {
        var command = request.Command.ToList();
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        return new(Process.Start(start)!, request);
    }

    public bool Has(int width, int height)
    {
        lock (_sizes)
            return _sizes.Contains((width, height));
    }

    public Task ResizeAsync(int width, int height, CancellationToken cancellationToken)
    {
        if (_tty)
        {
            lock (_sizes)
                _sizes.Add((width, height));
        }
        return Task.CompletedTask;
    }

    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
        Disposed.TrySetResult();
    }
}
