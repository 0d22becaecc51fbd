using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace Minke.Store.Backups;

/// <summary>Reads a backup from wherever it is. Only what comes before a <see cref="BackupEnd"/> may be believed.</summary>
/// <param name="input">From its beginning.</param>
/// <param name="name">What messages call it.</param>
public sealed class BackupReader(Stream input, string name) : IDisposable
{
    private readonly BufferedStream _input = new(input, 256 << 10);
    private readonly IncrementalHash _checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _head = new byte[BackupFormat.HeadBytes];
    private long _at;

    /// <summary>Start, files, entries, end; in this order, or an error.</summary>
    /// <exception cref="BackupException">It is no whole backup.</exception>
    public async IAsyncEnumerable<BackupRecord> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await ReadMagicAsync(cancellationToken);
        BackupRecord? last = null;
        var entries = 0L;
        do
        {
            last = await ReadRecordAsync(last, entries, cancellationToken);
            if (last is BackupEntry)
                entries++;
            yield return last;
        }
        while (last is not BackupEnd);
        if (await _input.ReadAsync(_head, cancellationToken) != 0)
            throw Damaged();
    }

    /// <summary>Reads all of it, for its summary.</summary>
    /// <exception cref="BackupException">It is no whole backup.</exception>
    public static async Task<BackupSummary> SummaryAsync(Stream input, string name, CancellationToken cancellationToken)
    {
        using var reader = new BackupReader(input, name);
        var summary = new BackupSummary(new(default, default), 0, []);
        await foreach (var record in reader.ReadAsync(cancellationToken))
        {
            summary = record switch
            {
                BackupStart start => summary with { Start = start },
                BackupFile file => summary with { Files = [.. summary.Files, file.Name] },
                BackupEnd end => summary with { Entries = end.Entries },
                _ => summary,
            };
        }
        return summary;
    }

    /// <summary>The stream stays open: it is its owner's.</summary>
    public void Dispose() => _checksum.Dispose();

    private async ValueTask ReadMagicAsync(CancellationToken cancellationToken)
    {
        var magic = new byte[BackupFormat.Magic.Length];
        var length = await _input.ReadAtLeastAsync(magic, magic.Length, throwOnEndOfStream: false, cancellationToken);
        if (!magic.AsSpan(0, length).StartsWith(BackupFormat.Family))
            throw new BackupException($"{name} is not a backup of Minke's");
        if (!magic.AsSpan().SequenceEqual(BackupFormat.Magic))
            throw new BackupException($"{name} is a backup of a format that this Minke does not read: use the version that wrote it, or a later one");
        _checksum.AppendData(magic);
        _at = magic.Length;
    }

    private async ValueTask<BackupRecord> ReadRecordAsync(BackupRecord? previous, long entries, CancellationToken cancellationToken)
    {
        await FillAsync(_head, cancellationToken);
        var (type, length) = (_head[0], BinaryPrimitives.ReadUInt32LittleEndian(_head.AsSpan(1)));
        if (length > BackupFormat.RecordBytesAtMost)
            throw Damaged();
        var content = await ReadContentAsync((int)length, cancellationToken);
        var record = Parse(type, content, previous, entries);
        _at += _head.Length + content.Length;
        _checksum.AppendData(_head);
        _checksum.AppendData(content);
        return record;
    }

    /// <summary>In pieces: a length that is damaged must not cost more memory than there is file.</summary>
    private async ValueTask<byte[]> ReadContentAsync(int length, CancellationToken cancellationToken)
    {
        const int piece = 1 << 20;
        var content = new byte[Math.Min(length, piece)];
        await FillAsync(content, cancellationToken);
        while (content.Length < length)
        {
            var read = content.Length;
            Array.Resize(ref content, Math.Min(length, read * 2));
            await FillAsync(content.AsMemory(read), cancellationToken);
        }
        return content;
    }

    private BackupRecord Parse(byte type, byte[] content, BackupRecord? previous, long entries)
    {
        var span = content.AsSpan();
        switch (type, previous)
        {
            case (BackupFormat.Start, null) when span.Length == 16:
                var taken = BinaryPrimitives.ReadInt64LittleEndian(span[8..]);
                if (taken < 0 || taken > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
                    throw Damaged();
                return new BackupStart(new(BinaryPrimitives.ReadInt64LittleEndian(span)), DateTimeOffset.FromUnixTimeMilliseconds(taken));
            case (BackupFormat.File, BackupStart or BackupFile):
                var (file, rest) = Text(content, 0);
                return new BackupFile(file, rest);
            case (BackupFormat.Entry, BackupStart or BackupFile or BackupEntry) when span.Length >= 18:
                var (key, value) = Text(content, 16);
                return new BackupEntry(new Entry(key, value, new(BinaryPrimitives.ReadInt64LittleEndian(span)), new(BinaryPrimitives.ReadInt64LittleEndian(span[8..]))));
            case (BackupFormat.End, not null) when span.Length == 8 + BackupFormat.ChecksumBytes:
                if (!span[8..].SequenceEqual(_checksum.GetCurrentHash()) || BinaryPrimitives.ReadInt64LittleEndian(span) != entries)
                    throw Damaged();
                return new BackupEnd(entries);
            default:
                throw Damaged();
        }
    }

    /// <summary>A text with its length before it, and what follows.</summary>
    private (string Text, ReadOnlyMemory<byte> After) Text(byte[] content, int at)
    {
        var length = content.Length < at + 2 ? int.MaxValue / 2 : BinaryPrimitives.ReadUInt16LittleEndian(content.AsSpan(at));
        if (content.Length < at + 2 + length)
            throw Damaged();
        return (Encoding.UTF8.GetString(content, at + 2, length), content.AsMemory(at + 2 + length));
    }

    private async ValueTask FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (await _input.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken) < buffer.Length)
            throw new BackupException($"{name} is cut off in the record at byte {_at}: it is not a whole backup; use another copy");
    }

    private BackupException Damaged() => new($"{name} is damaged at or before byte {_at}: its checksum does not hold; use another copy");
}

/// <param name="Start">Of which moment.</param>
/// <param name="Entries">How many.</param>
/// <param name="Files">Of the data directory, by name.</param>
public sealed record BackupSummary(BackupStart Start, long Entries, IReadOnlyList<string> Files);
