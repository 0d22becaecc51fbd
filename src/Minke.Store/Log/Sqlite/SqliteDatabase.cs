using System.Text;
using static Minke.Store.Log.Sqlite.SqliteNative;

namespace Minke.Store.Log.Sqlite;

/// <summary>One connection. Used by one thread at a time.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    private readonly SqliteHandle _handle;
    private readonly List<SqliteStatement> _statements = [];

    /// <param name="path">The file. It is made only with <see cref="OpenMode.CreateIfMissing"/>.</param>
    public SqliteDatabase(string path, OpenMode mode)
    {
        var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        if (mode == OpenMode.CreateIfMissing)
            flags |= SQLITE_OPEN_CREATE;
        var result = sqlite3_open_v2(path, out _handle, flags, null);
        if (result == SQLITE_OK)
            return;
        // Even a failed open gives a handle, to ask what was wrong and to close.
        var error = _handle.IsInvalid ? new SqliteException(result, 0, $"open {path}: out of memory") : Error(result);
        _handle.Dispose();
        throw error;
    }

    public bool IsInTransaction => sqlite3_get_autocommit(_handle) == 0;

    /// <summary>Rows the last statement inserted, updated or deleted.</summary>
    public int Changes => sqlite3_changes(_handle);

    /// <summary>A statement to be used again and again; it goes with the database.</summary>
    public SqliteStatement Prepare(string sql)
    {
        var statement = new SqliteStatement(this, PrepareHandle(sql));
        _statements.Add(statement);
        return statement;
    }

    public void Execute(string sql)
    {
        using var statement = new SqliteStatement(this, PrepareHandle(sql));
        while (statement.Step())
        {
            // Rows of a PRAGMA; incremental_vacuum does a page of its work a step.
        }
    }

    /// <summary>The first column of the first row.</summary>
    public long Query(string sql)
    {
        using var statement = new SqliteStatement(this, PrepareHandle(sql));
        Invariant.That(statement.Step(), $"{sql} gave no row");
        return statement.Int64(0);
    }

    public void Check(int result)
    {
        if (result != SQLITE_OK)
            throw Error(result);
    }

    public SqliteException Error(int result)
    {
        // Other results leave an older failure's number in place.
        var isFromSystem = (result & 0xff) is SQLITE_IOERR or SQLITE_CANTOPEN or SQLITE_READONLY;
        return new SqliteException(result, isFromSystem ? sqlite3_system_errno(_handle) : 0, ErrorMessage(_handle));
    }

    public void Dispose()
    {
        foreach (var statement in _statements)
            statement.Dispose();
        _handle.Dispose();
    }

    private unsafe SqliteStatementHandle PrepareHandle(string sql)
    {
        var utf8 = Encoding.UTF8.GetBytes(sql);
        fixed (byte* text = utf8)
        {
            Check(sqlite3_prepare_v3(_handle, text, utf8.Length, SQLITE_PREPARE_PERSISTENT, out var statement, null));
            return statement;
        }
    }
}

internal enum OpenMode { Existing, CreateIfMissing }
