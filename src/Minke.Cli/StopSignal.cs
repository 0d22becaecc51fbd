using System.Runtime.InteropServices;

namespace Minke.Cli;

/// <summary>The wish that this process ends: Ctrl-C or a signal. The second one ends it at once.</summary>
public sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private volatile bool _wasInterrupted;

    /// <summary>Listens to the process's signals; without this call it is a token a test cancels.</summary>
    public StopSignal Listen()
    {
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                if (_stop.IsCancellationRequested)
                    return; // the default action: the process ends now
                context.Cancel = true;
                Request(context.Signal == PosixSignal.SIGINT);
            }));
        }
        return this;
    }

    public CancellationToken Token => _stop.Token;

    /// <summary>A person pressed Ctrl-C, who wants the cluster gone; a supervisor's SIGTERM leaves its pods running.</summary>
    public bool WasInterrupted => _wasInterrupted;

    internal void Request(bool interrupted)
    {
        _wasInterrupted = interrupted;
        _stop.Cancel();
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        _stop.Dispose();
    }
}
