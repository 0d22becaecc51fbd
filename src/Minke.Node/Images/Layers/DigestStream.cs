using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace Minke.Node.Images.Layers;

/// <summary>
/// Passes bytes through and remembers their digest, optionally keeping a copy in a file. Reads its source in large pieces, because
/// decompressors ask for small ones.
/// </summary>
/// <param name="source">Where the bytes come from; not closed.</param>
/// <param name="like">Whose algorithm to use.</param>
/// <param name="limit">More bytes than this are an error at once, before they fill the disk.</param>
/// <param name="copy">Gets every byte too; not closed.</param>
/// <param name="progress">Called with the number of bytes so far.</param>
internal sealed class DigestStream(Stream source, Digest like, long limit, Stream? copy = null, Action<long>? progress = null) : ReadOnlyStream
{
    private readonly IncrementalHash _hash = like.NewHash();
    private readonly byte[] _buffer = new byte[128 * 1024];
    private int _start, _end;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Bytes taken from the source.</summary>
    public long Count { get; private set; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_start == _end && !await FillAsync(cancellationToken))
            return 0;
        var count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsMemory(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    /// <summary>Reads what is left, then says what all of it is called.</summary>
    public async Task<string> FinishAsync(CancellationToken cancellationToken)
    {
        while (await FillAsync(cancellationToken)) { }
        return $"{like.Algorithm}:{Convert.ToHexStringLower(_hash.GetCurrentHash())}";
    }

    protected override void Dispose(bool disposing)
    {
        _hash.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        // A source that failed is not asked again: what it would say then is about the failure, not about the bytes.
        _failure?.Throw();
        (_start, _end) = (0, 0);
        try
        {
            _end = await source.ReadAsync(_buffer, cancellationToken);
            Count += _end;
            if (Count > limit)
                throw new InvalidDataException($"more than the {limit} bytes that were announced");
        }
        catch (Exception failure)
        {
            _failure = ExceptionDispatchInfo.Capture(failure);
            _end = 0;
            throw;
        }
        if (_end == 0)
            return false;
        _hash.AppendData(_buffer, 0, _end);
        if (copy is not null)
            await WriteCopyAsync(cancellationToken);
        progress?.Invoke(Count);
        return true;
    }

    private async ValueTask WriteCopyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await copy!.WriteAsync(_buffer.AsMemory(0, _end), cancellationToken);
        }
        catch (IOException failure)
        {
            throw FileCalls.Failure(failure.HResult & 0xFFFF, "write blob");
        }
    }
}
