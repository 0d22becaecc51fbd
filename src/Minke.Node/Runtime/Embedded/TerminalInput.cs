using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// The writing side of a terminal. A terminal is one descriptor for both directions, so closing the input closes nothing: it
/// types the character that means "end of file".
/// </summary>
internal sealed class TerminalInput(DescriptorStream terminal) : Stream
{
    private static readonly byte[] EndOfFile = [4];

    public override bool CanRead => false;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        terminal.WriteAsync(buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        terminal.WriteAsync(buffer, offset, count, cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        try
        {
            await terminal.WriteAsync(EndOfFile);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The other side is gone already.
        }
        await base.DisposeAsync();
    }

    public override void Flush() { }
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("write it asynchronously");
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
}
