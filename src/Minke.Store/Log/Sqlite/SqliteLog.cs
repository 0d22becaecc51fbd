using System.Text;

namespace Minke.Store.Log.Sqlite;

/// <summary>
/// The state in one SQLite file, <c>state.db</c>. A row is a current entry and its row number is the revision that wrote it:
/// <code>
/// entries   revision (row number) | created | key | value
/// counter   id = 1 | revision
/// </code>
/// A new version is inserted at the end and the one it replaces deleted in the same transaction. Memory knows each key's revision, so
/// the file needs no index by key, writes are sequential, and a start reads one table.
/// </summary>
/// <remarks>
/// WAL with <c>synchronous=FULL</c>: one fsync a commit. The lock is exclusive, which also keeps the WAL's index on our heap: there is
/// no shared memory file whose pages a full disk could deny with a SIGBUS.
/// </remarks>
public sealed class SqliteLog : IStateLog
{
    private const long FormatVersion = 1;
    private const long ApplicationId = 0x4d696e6b; // "Mink", for file(1)
    private const int PageBytes = 4096;

    /// <summary>None where the row is missing, which is damage.</summary>
    internal const string CounterQuery = "SELECT coalesce((SELECT revision FROM counter WHERE id = 1), 0)";

    private readonly string _path;
    private readonly SqliteLogTuning _tuning;
    private readonly LogThread _thread = new("minke-store");
    // All that follows is the thread's own, but for _deletedBytes, which the caller reads between its calls.
    private DirectoryLock? _lock;
    private Connection? _connection;
    private Revision _revision;
    private IReadOnlyList<Change>? _doubtful;
    private long _deletedBytes;

    private SqliteLog(string path, DirectoryLock directoryLock, SqliteLogTuning tuning) =>
        (_path, _lock, _tuning) = (path, directoryLock, tuning);

    /// <summary>Holds the directory, which is made if it is missing; the file is opened by <see cref="LoadAsync"/>.</summary>
    /// <exception cref="StoreInUseException">Another process has the directory.</exception>
    /// <exception cref="StoreUnavailableException">The directory cannot be made or used.</exception>
    public static SqliteLog Open(string directory) => Open(directory, new());

    internal static SqliteLog Open(string directory, SqliteLogTuning tuning)
    {
        try
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return new SqliteLog(Path.Combine(directory, "state.db"), DirectoryLock.Take(directory), tuning);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnavailableException($"use {directory} for the state: {exception.Message}", exception);
        }
    }

    public CompactionNeed CompactionNeed => Interlocked.Read(ref _deletedBytes) switch
    {
        var deleted when deleted >= _tuning.DeletedBytesOverdue => CompactionNeed.Now,
        var deleted when deleted >= _tuning.DeletedBytesWorthALook => CompactionNeed.WhenQuiet,
        _ => CompactionNeed.None,
    };

    /// <summary>What tests put between a commit and its return: a failure that leaves the commit on disk.</summary>
    internal Action? AfterCommit { get; set; }

    public async ValueTask<LogContents> LoadAsync() => await _thread.RunAsync(() => Attempt("open", () =>
    {
        _connection = new Connection(_path, OpenMode.CreateIfMissing, _tuning);
        // What a crash left behind may be anything up to a whole file of free pages.
        Interlocked.Exchange(ref _deletedBytes, _tuning.DeletedBytesWorthALook);
        var contents = _connection.Load();
        _revision = contents.Revision;
        return contents;
    }));

    public async ValueTask AppendAsync(IReadOnlyList<Change> changes) => await _thread.RunAsync(() => Attempt("write to", () =>
    {
        var connection = Connect();
        var revision = changes.Count > 0 ? changes[^1].Revision : _revision;
        _doubtful = changes;
        connection.Write(changes, revision);
        AfterCommit?.Invoke();
        _doubtful = null;
        _revision = revision;
        foreach (var change in changes)
            Interlocked.Add(ref _deletedBytes, change.Previous is { } previous ? previous.Value.Length + (long)previous.Key.Length : 0);
        return true;
    }));

    public async ValueTask RewriteAsync(IReadOnlyList<Entry> entries, bool leavesNoTrace) => await _thread.RunAsync(() => Attempt("write to", () =>
    {
        Connect().Rewrite(entries, leavesNoTrace);
        return true;
    }));

    public async ValueTask CompactAsync() => await _thread.RunAsync(() => Attempt("compact", () =>
    {
        var isMore = false;
        try
        {
            isMore = Connect().GiveBack(_tuning.FreePagesAtLeast, _tuning.FreePagesPerStep);
        }
        finally
        {
            // Where this fails, the next try is after as many deletions again.
            if (!isMore)
                Interlocked.Exchange(ref _deletedBytes, 0);
        }
        return true;
    }));

    public async ValueTask<bool> ShrinkAsync() =>
        await _thread.RunAsync(() => Attempt("compact", () => Connect().Shrink(_tuning.FreePagesPerStep)));

    public long SizeBytes => ((string[])[_path, _path + "-wal"]).Select(path => new FileInfo(path)).Where(file => file.Exists).Sum(file => file.Length);

    public Entry AsStored(Entry entry) => entry;

    /// <remarks>Instead of <see cref="LoadAsync"/> too.</remarks>
    public async ValueTask<LogCheck> CheckAsync() => await _thread.RunAsync(() => Attempt("check", () =>
    {
        var connection = _revision == Revision.None ? _connection ??= new Connection(_path, OpenMode.Existing, _tuning) : Connect();
        return new SqliteCheck(connection.Database, _path).Run();
    }));

    public async ValueTask DisposeAsync()
    {
        await _thread.RunAsync(() =>
        {
            SettleAtTheEnd();
            _connection?.Dispose();
            return true;
        });
        _thread.Dispose();
        _lock?.Dispose();
    }

    /// <summary>
    /// After a failure the connection is closed: a new one sees the disk as it is (a file system remounted, a WAL recovered), and
    /// meanwhile no open file is in an operator's way.
    /// </summary>
    private T Attempt<T>(string attempt, Func<T> call)
    {
        try
        {
            return call();
        }
        catch (SqliteException exception)
        {
            _connection?.Dispose();
            _connection = null;
            if (exception.MayLackReason && _lock?.TryDisk() is { } errno and not 0)
                exception = exception.WithErrno(errno);
            if (exception.IsReadOnlyDisk)
            {
                // A disk that failed must be unmounted before it can be mounted again: let it go. Nobody else can write to it either.
                _lock?.Dispose();
                _lock = null;
            }
            if (exception.IsCorrupt)
            {
                throw new StoreCorruptException(
                    $"{attempt} {_path}: the file is damaged or not Minke's ({exception.Message}): restore a copy, or move it away to begin anew");
            }
            throw new StoreUnavailableException($"{attempt} {_path}: {exception.Reason}", exception);
        }
        catch (DllNotFoundException exception)
        {
            throw new StoreUnavailableException($"{attempt} {_path}: libsqlite3.so.0 is missing: install the package libsqlite3-0", exception);
        }
    }

    private Connection Connect()
    {
        if (_connection is { } open)
            return open;
        _lock ??= TakeLock();
        // Never made here: where a disk has gone, an empty file in its mount point would look like an empty cluster.
        var connection = new Connection(_path, OpenMode.Existing, _tuning);
        try
        {
            Settle(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
        return _connection = connection;
    }

    private DirectoryLock TakeLock()
    {
        try
        {
            return DirectoryLock.Take(Path.GetDirectoryName(_path)!);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or StoreInUseException)
        {
            throw new StoreUnavailableException($"write to {_path}: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// A commit that failed, at its fsync say, may be in the WAL all the same and come back to life with the new connection. Its
    /// writers have been told that nothing was written: take it back.
    /// </summary>
    private void Settle(Connection connection)
    {
        var revision = connection.Counter;
        if (revision == _revision)
        {
            _doubtful = null;
            return;
        }
        if (_doubtful is not [.., var last] || last.Revision != revision)
            throw new StoreCorruptException($"write to {_path}: it is at revision {revision} and not at {_revision}: it was changed by somebody else");
        connection.TakeBack(_doubtful, _revision);
        _doubtful = null;
    }

    /// <summary>A failed commit must not wait for the next process, which would not know that it failed.</summary>
    private void SettleAtTheEnd()
    {
        if (_doubtful is null)
            return;
        try
        {
            Connect();
        }
        catch (Exception exception) when (exception is SqliteException or StoreUnavailableException or StoreCorruptException)
        {
            // The disk is still in trouble; it has been reported with the write that failed.
        }
    }

    /// <summary>The open file and its statements.</summary>
    private sealed class Connection : IDisposable
    {
        private readonly string _path;
        private readonly SqliteDatabase _database;
        private readonly SqliteStatement _begin, _commit, _rollback, _insert, _delete, _count;

        public Connection(string path, OpenMode mode, SqliteLogTuning tuning)
        {
            _path = path;
            _database = new SqliteDatabase(path, mode);
            try
            {
                Configure(mode, tuning.CheckpointPages);
                _begin = _database.Prepare("BEGIN IMMEDIATE");
                _commit = _database.Prepare("COMMIT");
                _rollback = _database.Prepare("ROLLBACK");
                _insert = _database.Prepare("INSERT INTO entries (revision, created, key, value) VALUES (?, ?, ?, ?)");
                _delete = _database.Prepare("DELETE FROM entries WHERE revision = ?");
                _count = _database.Prepare("UPDATE counter SET revision = ? WHERE id = 1");
            }
            catch
            {
                _database.Dispose();
                throw;
            }
        }

        public SqliteDatabase Database => _database;

        public Revision Counter => new(_database.Query(CounterQuery));

        public LogContents Load()
        {
            var counter = Counter;
            if (counter.Value < 1)
                throw new StoreCorruptException($"open {_path}: its counter is gone: restore a copy");
            var entries = new List<Entry>();
            using var select = _database.Prepare("SELECT revision, created, key, value FROM entries");
            while (select.Step())
            {
                var revision = new Revision(select.Int64(0));
                entries.Add(new Entry(Encoding.UTF8.GetString(select.Bytes(2)), select.Bytes(3).ToArray(), new(select.Int64(1)), revision));
                if (revision > counter)
                    throw new StoreCorruptException($"open {_path}: {entries[^1].Key} is at revision {revision}, later than the counter, {counter}: restore a copy");
            }
            return new LogContents(counter, entries);
        }

        public void Write(IReadOnlyList<Change> changes, Revision counter) => InTransaction(() =>
        {
            foreach (var change in changes)
            {
                if (change.Previous is { } previous)
                    Delete(previous);
                if (change.Current is { } current)
                    Insert(current);
            }
            _count.Bind(1, counter.Value).Run();
        });

        /// <summary>Undoes a <see cref="Write"/>.</summary>
        public void TakeBack(IReadOnlyList<Change> changes, Revision counter) => InTransaction(() =>
        {
            foreach (var change in changes.Reverse())
            {
                if (change.Current is { } current)
                    Delete(current);
                if (change.Previous is { } previous)
                    Insert(previous);
            }
            _count.Bind(1, counter.Value).Run();
        });

        public void Rewrite(IReadOnlyList<Entry> entries, bool leavesNoTrace)
        {
            using (var update = _database.Prepare("UPDATE entries SET value = ? WHERE revision = ?"))
            {
                InTransaction(() =>
                {
                    foreach (var entry in entries)
                        update.Bind(1, entry.Value.Span).Bind(2, entry.Modified.Value).Run();
                });
            }
            if (!leavesNoTrace)
                return;
            // Old bytes stay in free pages and in the WAL: a new file has none, and the WAL is cut.
            _database.Execute("VACUUM");
            _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }

        /// <summary>Moves some pages from the file's end into its gaps and cuts it. Whether there is more to do.</summary>
        public bool GiveBack(long atLeast, long perStep)
        {
            var spare = Spare();
            if (spare > atLeast)
            {
                _database.Execute($"PRAGMA incremental_vacuum({Math.Min(spare, perStep)})");
                if (Spare() > atLeast)
                    return true;
            }
            // Only now does the file get shorter, and the WAL too.
            _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
            return false;

            // Some free pages are the next writes' room: a file that breathes is better than one that is cut and grown all day.
            long Spare() => _database.Query("PRAGMA freelist_count") - (_database.Query("PRAGMA page_count") / 4);
        }

        /// <summary>As <see cref="GiveBack"/>, but until nothing is spare.</summary>
        public bool Shrink(long perStep)
        {
            if (_database.Query("PRAGMA freelist_count") > 0)
            {
                _database.Execute($"PRAGMA incremental_vacuum({perStep})");
                if (_database.Query("PRAGMA freelist_count") > 0)
                    return true;
            }
            _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
            return false;
        }

        public void Dispose() => _database.Dispose();

        private void Configure(OpenMode mode, int checkpointPages)
        {
            _database.Execute("PRAGMA locking_mode = EXCLUSIVE");
            var version = _database.Query("PRAGMA user_version");
            var isNew = mode == OpenMode.CreateIfMissing && version == 0 && _database.Query("SELECT count(*) FROM sqlite_schema") == 0;
            if (!isNew && version != FormatVersion)
                throw new StoreCorruptException($"open {_path}: it has format {version}, and this Minke reads format {FormatVersion}");
            if (isNew)
            {
                // Both are decided by the first table. Said of an existing file, auto_vacuum writes, which a full disk refuses.
                _database.Execute($"PRAGMA page_size = {PageBytes}");
                _database.Execute("PRAGMA auto_vacuum = INCREMENTAL");
            }
            _database.Execute("PRAGMA journal_mode = WAL");
            _database.Execute("PRAGMA synchronous = FULL");
            _database.Execute($"PRAGMA wal_autocheckpoint = {checkpointPages}");
            _database.Execute($"PRAGMA journal_size_limit = {2L * checkpointPages * PageBytes}");
            _database.Execute("PRAGMA trusted_schema = OFF");
            if (isNew)
                Create();
        }

        private void Create()
        {
            _database.Execute("BEGIN IMMEDIATE");
            _database.Execute("CREATE TABLE entries (revision INTEGER PRIMARY KEY, created INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL)");
            _database.Execute("CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL)");
            _database.Execute("INSERT INTO counter VALUES (1, 1)");
            _database.Execute($"PRAGMA application_id = {ApplicationId}");
            _database.Execute($"PRAGMA user_version = {FormatVersion}");
            _database.Execute("COMMIT");
        }

        private void InTransaction(Action work)
        {
            _begin.Run();
            try
            {
                work();
                _commit.Run();
            }
            catch when (_database.IsInTransaction)
            {
                // Some errors have rolled back by themselves.
                _rollback.Run();
                throw;
            }
        }

        private void Insert(Entry entry) =>
            _insert.Bind(1, entry.Modified.Value).Bind(2, entry.Created.Value).Bind(3, entry.Key).Bind(4, entry.Value.Span).Run();

        private void Delete(Entry entry)
        {
            _delete.Bind(1, entry.Modified.Value).Run();
            if (_database.Changes != 1)
                throw new StoreCorruptException($"write to {_path}: {entry.Key} at revision {entry.Modified} is gone: the file was changed by somebody else");
        }
    }
}

/// <summary>When the file is tidied; smaller numbers let tests see it happen.</summary>
internal sealed record SqliteLogTuning
{
    /// <summary>
    /// SQLite copies the WAL into the file once it is this long, in pages of 4 KB: 4 MB, a few times a second under full load.
    /// </summary>
    public int CheckpointPages { get; init; } = 1_024;

    /// <summary>Free pages worth giving back to the file system, beyond a quarter of the file: 1 MB.</summary>
    public long FreePagesAtLeast { get; init; } = 256;

    /// <summary>1 MB moved keeps writers waiting for some 10 ms.</summary>
    public long FreePagesPerStep { get; init; } = 256;

    /// <summary>Looking for free pages is cheap but not free: once for so many bytes deleted.</summary>
    public long DeletedBytesWorthALook { get; init; } = 1 << 20;

    public long DeletedBytesOverdue { get; init; } = 64 << 20;
}
