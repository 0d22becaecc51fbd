using System.Buffers;
using System.Net;

namespace Minke.Server.Proxying;

/// <summary>A body on its way from one connection to another: each piece goes on as it comes.</summary>
internal sealed class ForwardedBody(Stream source, long? length) : HttpContent
{
    private const int BufferBytes = 32 * 1024;

    public static async Task CopyAsync(Stream from, Stream to, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await from.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                await to.FlushAsync(cancellationToken);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => CopyAsync(source, stream, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        CopyAsync(source, stream, cancellationToken);

    protected override bool TryComputeLength(out long computed)
    {
        computed = length ?? 0;
        return length is not null;
    }
}
