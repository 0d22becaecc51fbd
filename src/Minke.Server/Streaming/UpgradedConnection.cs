namespace Minke.Server.Streaming;

/// <summary>A connection that has left HTTP. It lives until the client hangs up, is idle too long, or is closed.</summary>
internal abstract class UpgradedConnection : IAsyncDisposable
{
    /// <summary>Fires when the client is gone, or has been idle for too long; whatever works for it should stop.</summary>
    public abstract CancellationToken Gone { get; }

    /// <summary>Says goodbye and waits, for a while, for the client to hang up. Nothing is read or written after it.</summary>
    public abstract Task CloseAsync();

    /// <summary>Hangs up, if that has not happened yet, and waits for the connection's loops.</summary>
    public abstract ValueTask DisposeAsync();
}
