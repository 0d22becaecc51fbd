using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace Minke.Store.Log.Sqlite;

/// <summary>The part of the system's SQLite that the store uses (https://www.sqlite.org/c3ref/intro.html).</summary>
internal static unsafe partial class SqliteNative
{
    private const string Library = "libsqlite3.so.0";

    internal const int SQLITE_OK = 0;
    internal const int SQLITE_BUSY = 5;
    internal const int SQLITE_READONLY = 8;
    internal const int SQLITE_IOERR = 10;
    internal const int SQLITE_CORRUPT = 11;
    internal const int SQLITE_FULL = 13;
    internal const int SQLITE_CANTOPEN = 14;
    internal const int SQLITE_NOTADB = 26;
    internal const int SQLITE_ROW = 100;
    internal const int SQLITE_DONE = 101;

    internal const int SQLITE_OPEN_READWRITE = 0x2;
    internal const int SQLITE_OPEN_CREATE = 0x4;
    internal const int SQLITE_OPEN_NOMUTEX = 0x8000;
    internal const int SQLITE_OPEN_EXRESCODE = 0x02000000;

    internal const uint SQLITE_PREPARE_PERSISTENT = 1;

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sqlite3_open_v2(string filename, out SqliteHandle database, int flags, string? vfs);

    [LibraryImport(Library)]
    internal static partial int sqlite3_close_v2(nint database);

    [LibraryImport(Library)]
    internal static partial int sqlite3_prepare_v3(
        SqliteHandle database, byte* sql, int sqlBytes, uint flags, out SqliteStatementHandle statement, byte** tail);

    [LibraryImport(Library)]
    internal static partial int sqlite3_step(SqliteStatementHandle statement);

    [LibraryImport(Library)]
    internal static partial int sqlite3_reset(SqliteStatementHandle statement);

    [LibraryImport(Library)]
    internal static partial int sqlite3_finalize(nint statement);

    [LibraryImport(Library)]
    internal static partial int sqlite3_bind_int64(SqliteStatementHandle statement, int index, long value);

    [LibraryImport(Library)]
    internal static partial int sqlite3_bind_text(SqliteStatementHandle statement, int index, byte* text, int bytes, nint destructor);

    [LibraryImport(Library)]
    internal static partial int sqlite3_bind_blob(SqliteStatementHandle statement, int index, byte* data, int bytes, nint destructor);

    [LibraryImport(Library)]
    internal static partial long sqlite3_column_int64(SqliteStatementHandle statement, int column);

    [LibraryImport(Library)]
    internal static partial byte* sqlite3_column_blob(SqliteStatementHandle statement, int column);

    [LibraryImport(Library)]
    internal static partial int sqlite3_column_bytes(SqliteStatementHandle statement, int column);

    [LibraryImport(Library)]
    internal static partial int sqlite3_changes(SqliteHandle database);

    [LibraryImport(Library)]
    internal static partial int sqlite3_get_autocommit(SqliteHandle database);

    [LibraryImport(Library)]
    internal static partial int sqlite3_system_errno(SqliteHandle database);

    /// <summary>Owned by SQLite and valid until its next call: never freed here.</summary>
    [LibraryImport(Library)]
    internal static partial byte* sqlite3_errmsg(SqliteHandle database);

    internal static string ErrorMessage(SqliteHandle database) =>
        Utf8StringMarshaller.ConvertToManaged(sqlite3_errmsg(database)) ?? "unknown error";
}

/// <summary>An open database.</summary>
internal sealed class SqliteHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => SqliteNative.sqlite3_close_v2(handle) == SqliteNative.SQLITE_OK;
}

/// <summary>A prepared statement. Its database stays open, as a "zombie", until the last one is gone (sqlite3_close_v2).</summary>
internal sealed class SqliteStatementHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        // The result repeats the statement's last error, which has been reported already.
        _ = SqliteNative.sqlite3_finalize(handle);
        return true;
    }
}
