using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Minke.Store.Backups;

/// <summary>Writes a backup. Without <see cref="EndAsync"/> it is one that was cut off, and says so when it is read.</summary>
public sealed class BackupWriter(Stream output) : IDisposable
{
    private const int FlushAbove = 256 << 10;

    private readonly IncrementalHash _checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ArrayBufferWriter<byte> _pending = new(FlushAbove + (64 << 10));
    private long _entries;

    public ValueTask WriteAsync(BackupStart start, CancellationToken cancellationToken)
    {
        _pending.Write(BackupFormat.Magic);
        var content = Begin(BackupFormat.Start, 16);
        BinaryPrimitives.WriteInt64LittleEndian(content, start.Revision.Value);
        BinaryPrimitives.WriteInt64LittleEndian(content[8..], start.Taken.ToUnixTimeMilliseconds());
        return FlushIfDueAsync(cancellationToken);
    }

    public ValueTask WriteAsync(BackupFile file, CancellationToken cancellationToken)
    {
        var name = Encoding.UTF8.GetBytes(file.Name);
        var content = Begin(BackupFormat.File, 2 + name.Length + file.Content.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(content, checked((ushort)name.Length));
        name.CopyTo(content[2..]);
        file.Content.Span.CopyTo(content[(2 + name.Length)..]);
        return FlushIfDueAsync(cancellationToken);
    }

    public ValueTask WriteAsync(Entry entry, CancellationToken cancellationToken)
    {
        var key = Encoding.UTF8.GetBytes(entry.Key);
        var content = Begin(BackupFormat.Entry, 18 + key.Length + entry.Value.Length);
        BinaryPrimitives.WriteInt64LittleEndian(content, entry.Created.Value);
        BinaryPrimitives.WriteInt64LittleEndian(content[8..], entry.Modified.Value);
        BinaryPrimitives.WriteUInt16LittleEndian(content[16..], checked((ushort)key.Length));
        key.CopyTo(content[18..]);
        entry.Value.Span.CopyTo(content[(18 + key.Length)..]);
        _entries++;
        return FlushIfDueAsync(cancellationToken);
    }

    public async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        await FlushAsync(cancellationToken);
        var checksum = _checksum.GetHashAndReset();
        var content = Begin(BackupFormat.End, 8 + checksum.Length);
        BinaryPrimitives.WriteInt64LittleEndian(content, _entries);
        checksum.CopyTo(content[8..]);
        await FlushAsync(cancellationToken);
        await output.FlushAsync(cancellationToken);
    }

    public void Dispose() => _checksum.Dispose();

    /// <summary>The room for a record's content.</summary>
    private Span<byte> Begin(byte type, int length)
    {
        var span = _pending.GetSpan(BackupFormat.HeadBytes + length);
        span[0] = type;
        BinaryPrimitives.WriteInt32LittleEndian(span[1..], length);
        _pending.Advance(BackupFormat.HeadBytes + length);
        return span.Slice(BackupFormat.HeadBytes, length);
    }

    private ValueTask FlushIfDueAsync(CancellationToken cancellationToken) =>
        _pending.WrittenCount < FlushAbove ? ValueTask.CompletedTask : FlushAsync(cancellationToken);

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        _checksum.AppendData(_pending.WrittenSpan);
        await output.WriteAsync(_pending.WrittenMemory, cancellationToken);
        _pending.ResetWrittenCount();
    }
}
