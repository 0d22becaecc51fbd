namespace Minke.Store.Backups;

/// <summary>One record of a backup, in the order in which they come: start, files, entries, end.</summary>
/// <remarks>
/// <code>
/// "minke backup 1\n"
/// record ...         byte type | uint32 length of what follows | what follows; all numbers little endian
///   S start          int64 revision | int64 when, in milliseconds since 1970
///   F file           uint16 length of the name | name, as below the data directory | content
///   E entry          int64 created | int64 modified | uint16 length of the key | key | value, sealed where it lies sealed on the disk
///   Z end            int64 number of entries | SHA-256 of every byte before the record
/// </code>
/// A file without its end is one that was cut off, so a backup may be written to a pipe.
/// </remarks>
public abstract record BackupRecord;

/// <param name="Revision">Everything in it is as of this revision.</param>
/// <param name="Taken">When.</param>
public sealed record BackupStart(Revision Revision, DateTimeOffset Taken) : BackupRecord;

/// <summary>A file of the data directory that the state is of no use without.</summary>
/// <param name="Name">Its path below the data directory: <c>sealing.keys</c>, <c>pki/ca.key</c>.</param>
/// <param name="Content">All of it.</param>
public sealed record BackupFile(string Name, ReadOnlyMemory<byte> Content) : BackupRecord;

public sealed record BackupEntry(Entry Entry) : BackupRecord;

/// <summary>The checksum held: what came before is a whole backup.</summary>
public sealed record BackupEnd(long Entries) : BackupRecord;

/// <summary>A file that is no backup, or not a whole one; the message says which and what to do.</summary>
public sealed class BackupException(string message) : Exception(message);

internal static class BackupFormat
{
    public const byte Start = (byte)'S', File = (byte)'F', Entry = (byte)'E', End = (byte)'Z';
    public const int HeadBytes = 5;
    public const int ChecksumBytes = 32;

    /// <summary>Far above the largest object the API takes: a length beyond it is damage, and must not become an allocation.</summary>
    public const int RecordBytesAtMost = 64 << 20;

    public static ReadOnlySpan<byte> Family => "minke backup "u8;

    public static ReadOnlySpan<byte> Magic => "minke backup 1\n"u8;
}
