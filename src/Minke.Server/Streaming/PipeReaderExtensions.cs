using System.Buffers;
using System.IO.Pipelines;

namespace Minke.Server.Streaming;

internal static class PipeReaderExtensions
{
    /// <summary>Waits for bytes and takes as many as fit; 0 at the end.</summary>
    public static async ValueTask<int> ReadIntoAsync(this PipeReader reader, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        var length = (int)Math.Min(result.Buffer.Length, buffer.Length);
        var taken = result.Buffer.Slice(0, length);
        taken.CopyTo(buffer.Span);
        reader.AdvanceTo(taken.End); // from here on what was taken belongs to the pipe again, its length included
        return length;
    }
}
