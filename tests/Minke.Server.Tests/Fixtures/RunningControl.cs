using Microsoft.Extensions.Logging.Abstractions;
using Minke.Control;

namespace Minke.Server.Tests;

/// <summary>The whole control plane over a server, until disposed.</summary>
internal sealed class RunningControl : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
    private readonly Task _running;

    public RunningControl(TestServer server) => _running = new ControlPlane(
        server.Server.Client, "root", server.Pki.SignRequest, server.Server.Kinds, TimeProvider.System, NullLoggerFactory.Instance).RunAsync(_stop.Token);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }
}
