using System.Buffers;
using System.Text;
using static Minke.Store.Log.Sqlite.SqliteNative;

namespace Minke.Store.Log.Sqlite;

/// <summary>A prepared statement.</summary>
internal sealed unsafe class SqliteStatement(SqliteDatabase database, SqliteStatementHandle handle) : IDisposable
{
    /// <summary>SQLite copies what is bound: the bytes need not stay where they are.</summary>
    private const nint SQLITE_TRANSIENT = -1;

    public SqliteStatement Bind(int index, long value)
    {
        database.Check(sqlite3_bind_int64(handle, index, value));
        return this;
    }

    public SqliteStatement Bind(int index, string text)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        var length = Encoding.UTF8.GetBytes(text, buffer);
        fixed (byte* bytes = buffer)
            database.Check(sqlite3_bind_text(handle, index, bytes, length, SQLITE_TRANSIENT));
        ArrayPool<byte>.Shared.Return(buffer);
        return this;
    }

    public SqliteStatement Bind(int index, ReadOnlySpan<byte> blob)
    {
        // A null pointer would be NULL and not an empty value.
        byte empty = 0;
        fixed (byte* bytes = blob)
            database.Check(sqlite3_bind_blob(handle, index, bytes == null ? &empty : bytes, blob.Length, SQLITE_TRANSIENT));
        return this;
    }

    /// <summary>Whether there is a row.</summary>
    public bool Step() => sqlite3_step(handle) switch
    {
        SQLITE_ROW => true,
        SQLITE_DONE => false,
        var result => throw ResetAfter(result),
    };

    /// <summary>A statement without rows, to its end; ready for the next use.</summary>
    public void Run()
    {
        Invariant.That(!Step(), "a statement without rows gave one");
        database.Check(sqlite3_reset(handle));
    }

    public long Int64(int column) => sqlite3_column_int64(handle, column);

    /// <summary>The column's bytes; valid until the next step.</summary>
    public ReadOnlySpan<byte> Bytes(int column)
    {
        var bytes = sqlite3_column_blob(handle, column);
        return new ReadOnlySpan<byte>(bytes, sqlite3_column_bytes(handle, column));
    }

    public void Dispose() => handle.Dispose();

    private SqliteException ResetAfter(int result)
    {
        var error = database.Error(result);
        // Repeats the error; without it the statement would hold its transaction open.
        _ = sqlite3_reset(handle);
        return error;
    }
}
