using System.Runtime.InteropServices;

namespace Minke.Store.Log.Sqlite;

/// <summary>What SQLite answered, with the operating system's reason where it had one.</summary>
/// <param name="code">SQLite's extended result code.</param>
/// <param name="errno">The system call's error number, 0 when none failed.</param>
internal sealed class SqliteException(int code, int errno, string message) : Exception(message)
{
    /// <summary>SQLite drops the error number of a commit, and others after a retry of its own: better to ask the disk.</summary>
    public bool MayLackReason => Code is SqliteNative.SQLITE_IOERR or SqliteNative.SQLITE_CANTOPEN or SqliteNative.SQLITE_READONLY;

    public SqliteException WithErrno(int found) => new(code, found, Message);

    private const int EROFS = 30;
    private const int ENOSPC = 28;
    private const int EDQUOT = 122;

    /// <summary>The primary result code.</summary>
    public int Code { get; } = code & 0xff;

    public bool IsCorrupt => Code is SqliteNative.SQLITE_CORRUPT or SqliteNative.SQLITE_NOTADB;

    /// <summary>The whole file system takes no writes, from anybody.</summary>
    public bool IsReadOnlyDisk => errno == EROFS;

    /// <summary>What an operator can do something about.</summary>
    public string Reason => (Code, errno) switch
    {
        (SqliteNative.SQLITE_FULL, _) or (_, ENOSPC or EDQUOT) => "no space left on the disk; writing goes on by itself once there is space",
        (_, EROFS) => "the file system is read-only; writing goes on by itself once it is writable",
        (SqliteNative.SQLITE_READONLY, _) => "the file is read-only; writing goes on by itself once it is writable",
        (SqliteNative.SQLITE_BUSY, _) => "another program has the file locked; writing goes on by itself once it lets go",
        (_, not 0) => $"{Marshal.GetPInvokeErrorMessage(errno)} ({Message})",
        _ => Message,
    };
}
