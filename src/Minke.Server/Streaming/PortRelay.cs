using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Minke.Client.Nodes;

namespace Minke.Server.Streaming;

/// <summary>Joins one forwarded connection to a port of the pod.</summary>
internal sealed class PortRelay(PodReference pod, Func<int, CancellationToken, Task<Stream>> connect)
{
    private const int BufferBytes = 32 * 1024;

    /// <summary>
    /// Runs until both sides have ended, or the pod's, where the protocol has no way to say more. Failure to connect goes to the error
    /// stream; a connection that breaks later just ends.
    /// </summary>
    /// <param name="channels">The client's side.</param>
    /// <param name="clientCanEnd">The protocol tells when the client has ended its side.</param>
    /// <param name="cancellationToken">Fires when the client is gone.</param>
    public async Task RunAsync(ForwardChannels channels, bool clientCanEnd, CancellationToken cancellationToken)
    {
        try
        {
            if (await ConnectAsync(channels, cancellationToken).ConfigureAwait(false) is { } target)
            {
                await using (target.ConfigureAwait(false))
                    await JoinAsync(channels, target, clientCanEnd, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            // The client is gone, or gave this connection up.
        }
        finally
        {
            channels.Data.Abandon();
            channels.Error.Abandon();
        }
        await EndAsync(channels, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Null when the client has been told why not.</summary>
    private async Task<Stream?> ConnectAsync(ForwardChannels channels, CancellationToken cancellationToken)
    {
        try
        {
            return await connect(channels.Port, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            var message = string.Create(CultureInfo.InvariantCulture,
                $"error forwarding port {channels.Port} to pod {pod.Name}, uid {pod.Uid}: {CommandRelay.Describe(error)}");
            await channels.Error.WriteAsync(Encoding.UTF8.GetBytes(message), cancellationToken).ConfigureAwait(false);
            return null;
        }
    }

    private static async Task JoinAsync(ForwardChannels channels, Stream target, bool clientCanEnd, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var toPod = ToPodAsync(channels.Data, target, stop.Token);
        try
        {
            await ToClientAsync(target, channels.Data, cancellationToken).ConfigureAwait(false);
            if (clientCanEnd)
                await toPod.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await toPod.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task ToClientAsync(Stream target, IStreamChannel data, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await ReadAsync(target, buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
                await data.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            await data.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A connection the pod reset is one that ended.</summary>
    private static async ValueTask<int> ReadAsync(Stream target, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await target.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static async Task ToPodAsync(IStreamChannel data, Stream target, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await data.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
            {
                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                await target.FlushAsync(cancellationToken).ConfigureAwait(false);
            }
            // Only a socket can end one direction; anything else ends when the other side does.
            if (target is NetworkStream network)
                network.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            // The pod stopped listening, or the client gave up; what the pod still says is for the other direction.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task EndAsync(ForwardChannels channels, CancellationToken cancellationToken)
    {
        try
        {
            await channels.Data.CompleteAsync(cancellationToken).ConfigureAwait(false);
            await channels.Error.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
        }
    }
}
