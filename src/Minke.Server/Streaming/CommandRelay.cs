using System.Buffers;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Streaming;

/// <summary>
/// Carries bytes between a running command and a client until the command has ended and all its output is sent, then says how it
/// ended.
/// </summary>
/// <remarks>
/// Output decides the end, not input: a client that has not closed its stdin is cut off when the command is done, and a command that
/// closed its stdin goes on. A process left behind that still holds the output open keeps the connection, as everywhere else.
/// </remarks>
internal static class CommandRelay
{
    private const int BufferBytes = 32 * 1024;

    /// <summary>An exec'd command: ends with its exit code.</summary>
    public static Task ExecAsync(IProcessStreams process, IReadOnlyList<string> command, CommandChannels channels, CancellationToken cancellationToken) =>
        RunAsync(process, channels, async token => CommandStatus.Exited(await process.WaitAsync(token).ConfigureAwait(false), command),
            "error executing command in container", cancellationToken);

    /// <summary>A container already running: ends well when its output ends; the exit code is for the pod's status to tell.</summary>
    public static Task AttachAsync(IProcessStreams process, CommandChannels channels, CancellationToken cancellationToken) =>
        RunAsync(process, channels, async token =>
        {
            if (process.Stdout is null && process.Stderr is null)
                await process.WaitAsync(token).ConfigureAwait(false);
            return CommandStatus.Success;
        }, "error attaching to container", cancellationToken);

    /// <summary>The command never started.</summary>
    public static async Task FailAsync(Exception error, string what, CommandChannels channels, CancellationToken cancellationToken)
    {
        channels.Stdin?.Abandon();
        channels.Resize?.Abandon();
        await EndAsync(channels, CommandStatus.Failed($"{what}: {Describe(error)}"), cancellationToken).ConfigureAwait(false);
    }

    private static async Task RunAsync(
        IProcessStreams process, CommandChannels channels, Func<CancellationToken, Task<Status>> end, string what, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var input = Task.WhenAll(FeedAsync(process, channels.Stdin, stop.Token), ResizeAsync(process, channels.Resize, stop.Token));
        Status status;
        try
        {
            await Task.WhenAll(
                DrainAsync(process.Stdout, channels.Stdout, stop, cancellationToken),
                DrainAsync(process.Stderr, channels.Stderr, stop, cancellationToken)).ConfigureAwait(false);
            status = await end(stop.Token).ConfigureAwait(false);
        }
        catch (ProcessReadException error)
        {
            status = CommandStatus.Failed($"{what}: {error.InnerException!.Message}");
        }
        catch (Exception error) when (error is not OperationCanceledException and not IOException)
        {
            // The runtime could not start the command, which is known only now.
            status = CommandStatus.Failed($"{what}: {Describe(error)}");
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await input.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            channels.Stdin?.Abandon();
            channels.Resize?.Abandon();
        }
        cancellationToken.ThrowIfCancellationRequested();
        await EndAsync(channels, status, cancellationToken).ConfigureAwait(false);
    }

    private static async Task EndAsync(CommandChannels channels, Status status, CancellationToken cancellationToken)
    {
        if (channels.Stdout is { } stdout)
            await stdout.CompleteAsync(cancellationToken).ConfigureAwait(false);
        if (channels.Stderr is { } stderr)
            await stderr.CompleteAsync(cancellationToken).ConfigureAwait(false);
        if (CommandStatus.Encode(status, channels.ErrorIsStatus) is { Length: > 0 } bytes)
            await channels.Error.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        await channels.Error.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Command to client. Output nobody asked for is read all the same: a full pipe would stop the command.</summary>
    private static async Task DrainAsync(Stream? source, IStreamChannel? channel, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (source is not null)
            {
                int read;
                try
                {
                    read = await source.ReadAsync(buffer, stop.Token).ConfigureAwait(false);
                }
                catch (IOException error)
                {
                    throw new ProcessReadException(error);
                }
                if (read == 0)
                    break;
                if (channel is not null)
                    await channel.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            }
            if (channel is not null)
                await channel.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // The other output must not wait for a client that is gone.
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Client to command, with its end of file.</summary>
    private static async Task FeedAsync(IProcessStreams process, IStreamChannel? channel, CancellationToken cancellationToken)
    {
        if (process.Stdin is not { } stdin)
            return;
        if (channel is null)
        {
            await stdin.DisposeAsync().ConfigureAwait(false);
            return;
        }
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await channel.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
            {
                await stdin.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                await stdin.FlushAsync(cancellationToken).ConfigureAwait(false);
            }
            await stdin.DisposeAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The command closed its stdin, or the client cut the stream: either way nothing more goes in.
            channel.Abandon();
            await stdin.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task ResizeAsync(IProcessStreams process, IStreamChannel? channel, CancellationToken cancellationToken)
    {
        if (channel is null)
            return;
        try
        {
            await new TerminalSizes().ReadAllAsync(channel, process.ResizeAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
        }
        channel.Abandon();
    }

    public static string Describe(Exception error) => error is StatusException { Status.Message.Length: > 0 } status ? status.Status.Message : error.Message;

    private sealed class ProcessReadException(IOException inner) : Exception(inner.Message, inner);
}
