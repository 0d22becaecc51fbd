using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Store.Backups;
using Minke.Store.Log;
using Minke.Store.Log.Sqlite;
using Minke.Store.Memory;

namespace Minke.Store;

/// <summary>
/// The state over a local log. One loop decides, orders and commits all writes: whatever waits when the last commit returns becomes
/// the next one. Only then is it visible, and only then acknowledged.
/// </summary>
/// <remarks>
/// <code>
/// PutAsync ─► queue ─► compare with memory ─► log: one transaction ─► memory: readers, watches ─► the writers' answers
///                                               └─ fails: nothing has changed, every writer of the batch is told
/// </code>
/// </remarks>
public sealed partial class StateStore : IStateStore
{
    private const int WaitingWritesAtMost = 8_192;
    private const int BatchWritesAtMost = 1_024;
    private const long BatchBytesAtMost = 8 << 20;

    /// <summary>Without a write for so long, compaction may begin.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);

    /// <summary>How often a disk that refused is tried, if no write does so anyway.</summary>
    private static readonly TimeSpan ProbeFirst = TimeSpan.FromMilliseconds(250), ProbeAtMost = TimeSpan.FromSeconds(5);

    private readonly IStateLog _log;
    private readonly TimeProvider _time;
    private readonly ILogger<StateStore> _logger;
    private readonly StateMemory _memory;
    private readonly Task _loop;
    private readonly Channel<PendingWrite> _waiting = Channel.CreateBounded<PendingWrite>(
        new BoundedChannelOptions(WaitingWritesAtMost) { SingleReader = true, AllowSynchronousContinuations = false });

    // One call of the log at a time: the loop's, or one of those that look after it.
    private readonly SemaphoreSlim _turn = new(1);
    private bool _isLogClosed; // in turn

    private volatile string? _trouble;
    private int _isDisposed;

    private StateStore(IStateLog log, MemorySnapshot start, StateStoreOptions options, TimeProvider time, ILogger<StateStore> logger)
    {
        (_log, _time, _logger) = (log, time, logger);
        _memory = new StateMemory(start, options, time);
        _loop = RunAsync();
    }

    /// <summary>Opens the state in a directory, which is made if it is missing and held until the store is disposed of.</summary>
    /// <exception cref="StoreInUseException">Another process has the directory.</exception>
    /// <exception cref="StoreUnavailableException">The directory or the file cannot be used.</exception>
    /// <exception cref="StoreCorruptException">What is there is not a state.</exception>
    public static Task<StateStore> OpenAsync(string directory, StateStoreOptions options, TimeProvider time, ILogger<StateStore> logger) =>
        OpenAsync(SqliteLog.Open(directory), options, time, logger);

    /// <summary>Opens the state that a log holds; the store disposes of the log.</summary>
    public static async Task<StateStore> OpenAsync(IStateLog log, StateStoreOptions options, TimeProvider time, ILogger<StateStore> logger)
    {
        try
        {
            var began = time.GetTimestamp();
            var (revision, entries) = await log.LoadAsync();
            entries.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
            for (var i = 1; i < entries.Count; i++)
            {
                if (entries[i].Key == entries[i - 1].Key)
                    throw new StoreCorruptException($"the state holds {entries[i].Key} twice: restore a copy");
            }
            var map = EntryMap.FromSorted(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(entries));
            var store = new StateStore(log, new MemorySnapshot(revision, map), options, time, logger);
            store.LogOpened(map.Count, revision, time.GetElapsedTime(began).TotalMilliseconds);
            return store;
        }
        catch
        {
            await log.DisposeAsync();
            throw;
        }
    }

    public Revision CurrentRevision => _memory.Head.Revision;

    public Revision CompactedRevision => _memory.CompactedRevision;

    public string? Trouble => _trouble;

    public Snapshot Snapshot() => _memory.Head;

    public Snapshot? SnapshotAt(Revision revision) => _memory.SnapshotAt(revision);

    public StateWatch? Watch(string prefix, Revision after) => _memory.Watch(prefix, after);

    public ValueTask<WriteResult> PutAsync(
        string key, ReadOnlyMemory<byte> value, Revision expected, CancellationToken cancellationToken, Func<Entry, object>? decode = null) =>
        WriteAsync(new PendingWrite(key, value, expected, decode), cancellationToken);

    public ValueTask<WriteResult> DeleteAsync(string key, Revision expected, CancellationToken cancellationToken) =>
        WriteAsync(new PendingWrite(key, null, expected, null), cancellationToken);

    public async Task BackupAsync(Stream output, CancellationToken cancellationToken)
    {
        // An old snapshot costs only what changes meanwhile.
        var snapshot = _memory.Head;
        using var backup = new BackupWriter(output);
        await backup.WriteAsync(new BackupStart(snapshot.Revision, _time.GetUtcNow()), cancellationToken);
        foreach (var entry in snapshot.Range(""))
            await backup.WriteAsync(_log.AsStored(entry), cancellationToken);
        await backup.EndAsync(cancellationToken);
    }

    public async Task<Compaction> CompactAsync(CancellationToken cancellationToken)
    {
        var (start, forgotten) = _memory.Compact();
        var before = _log.SizeBytes;
        // A turn a step: writes go on between them.
        while (await InTurnAsync(_log.ShrinkAsync, cancellationToken))
        {
        }
        var after = _log.SizeBytes;
        return new(start, forgotten, Math.Max(0, before - after), after);
    }

    public async Task<StateCheck> CheckAsync(CancellationToken cancellationToken)
    {
        // Between two commits memory and the disk are the same.
        var (stored, memory) = await InTurnAsync(async () => (await _log.CheckAsync(), _memory.Head), cancellationToken);
        return StateCheck.Of(stored, memory);
    }

    /// <summary>Commits what is waiting, ends the watches and lets the log go. Snapshots stay readable.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        _waiting.Writer.TryComplete();
        try
        {
            await _loop;
        }
        finally
        {
            _memory.Close();
            await InTurnAsync(() =>
            {
                _isLogClosed = true;
                return _log.DisposeAsync();
            });
        }
    }

    private async ValueTask InTurnAsync(Func<ValueTask> call)
    {
        await _turn.WaitAsync();
        try
        {
            await call();
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<T> InTurnAsync<T>(Func<ValueTask<T>> call, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_isLogClosed, this);
            return await call();
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<WriteResult> WriteAsync(PendingWrite write, CancellationToken cancellationToken)
    {
        if (!_waiting.Writer.TryWrite(write))
            await EnqueueAsync(write, cancellationToken);
        using (cancellationToken.UnsafeRegister(static (write, token) => ((PendingWrite)write!).Abandon(token), write))
            return await write.Result;
    }

    private async ValueTask EnqueueAsync(PendingWrite write, CancellationToken cancellationToken)
    {
        try
        {
            await _waiting.Writer.WriteAsync(write, cancellationToken);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is null)
        {
            throw new ObjectDisposedException(nameof(StateStore));
        }
        catch (ChannelClosedException closed)
        {
            throw new StoreUnavailableException("the store has stopped after an error; see its log", closed.InnerException);
        }
    }

    private async Task RunAsync()
    {
        var batch = new List<PendingWrite>();
        try
        {
            while (await NextAsync())
            {
                Take(batch);
                await InTurnAsync(() => CommitAsync(batch));
                if (_log.CompactionNeed == CompactionNeed.Now)
                    await InTurnAsync(GiveBackAsync);
            }
        }
        catch (Exception exception)
        {
            // A bug or a damaged file. What cannot be decided must not be decided: every write from here on fails.
            _trouble = exception.Message;
            LogStopped(exception);
            _waiting.Writer.TryComplete(exception);
            while (_waiting.Reader.TryRead(out var write))
                batch.Add(write);
            foreach (var write in batch)
                write.Fail(new StoreUnavailableException($"the store has stopped: {exception.Message}", exception));
        }
    }

    /// <summary>Waits for writes; meanwhile gives back space, or tries a disk that refused. False at the end.</summary>
    private async ValueTask<bool> NextAsync()
    {
        var next = _waiting.Reader.WaitToReadAsync();
        if (next.IsCompleted)
            return await next;
        var ready = next.AsTask();
        var probe = ProbeFirst;
        while (true)
        {
            if (_trouble is not null)
            {
                if (await ComesWithinAsync(ready, probe))
                    return await ready;
                probe = probe * 2 < ProbeAtMost ? probe * 2 : ProbeAtMost;
                await InTurnAsync(ProbeAsync);
            }
            else if (_log.CompactionNeed != CompactionNeed.None)
            {
                if (await ComesWithinAsync(ready, Quiet))
                    return await ready;
                while (!ready.IsCompleted && _trouble is null && _log.CompactionNeed != CompactionNeed.None)
                    await InTurnAsync(GiveBackAsync);
            }
            else
            {
                return await ready;
            }
        }
    }

    private async ValueTask<bool> ComesWithinAsync(Task<bool> ready, TimeSpan time)
    {
        using var enough = new CancellationTokenSource();
        await Task.WhenAny(ready, Task.Delay(time, _time, enough.Token));
        await enough.CancelAsync();
        return ready.IsCompleted;
    }

    private void Take(List<PendingWrite> batch)
    {
        batch.Clear();
        var bytes = 0L;
        while (batch.Count < BatchWritesAtMost && bytes < BatchBytesAtMost && _waiting.Reader.TryRead(out var write))
        {
            if (!write.TryTake())
                continue;
            batch.Add(write);
            bytes += write.Value?.Length ?? 0;
        }
    }

    private async ValueTask CommitAsync(List<PendingWrite> batch)
    {
        var (changes, map) = Decide(batch);
        if (changes.Count > 0)
        {
            try
            {
                await _log.AppendAsync(changes);
            }
            catch (StoreUnavailableException exception)
            {
                NoteTrouble(exception);
                // One each: they are thrown on many threads.
                foreach (var write in batch)
                    write.Fail(new StoreUnavailableException(exception.Message, exception));
                return;
            }
            NoteRecovery();
            _memory.Apply(map, changes);
        }
        foreach (var write in batch)
            write.Complete();
    }

    /// <summary>
    /// What each write does to the state that the ones before it leave. The outcomes, conflicts too, are told after the commit: one
    /// may speak of an entry that is not on disk yet.
    /// </summary>
    private (List<Change> Changes, EntryMap Map) Decide(List<PendingWrite> batch)
    {
        var (map, revision) = (_memory.Head.Map, _memory.Head.Revision);
        var changes = new List<Change>(batch.Count);
        foreach (var write in batch)
        {
            var existing = map.Get(write.Key);
            var isDelete = write.Value is null;
            if ((existing?.Modified ?? Revision.None) != write.Expected || (isDelete && existing is null))
            {
                write.Outcome = new WriteResult(WriteOutcome.Conflict, existing, revision);
                continue;
            }
            revision = new Revision(revision.Value + 1);
            var entry = write.Value is { } value ? new Entry(write.Key, value, existing?.Created ?? revision, revision, write.Decode) : null;
            map = entry is null ? map.Without(write.Key) : map.With(entry);
            changes.Add(new Change(revision, write.Key, existing, entry));
            write.Outcome = new WriteResult(WriteOutcome.Committed, entry ?? existing, revision);
        }
        return (changes, map);
    }

    private async ValueTask ProbeAsync()
    {
        try
        {
            await _log.AppendAsync([]);
            NoteRecovery();
        }
        catch (StoreUnavailableException exception)
        {
            NoteTrouble(exception);
        }
    }

    private async ValueTask GiveBackAsync()
    {
        try
        {
            await _log.CompactAsync();
        }
        catch (StoreUnavailableException exception)
        {
            // A disk that has no room to make room still takes small writes: these say whether the store is in trouble.
            LogNotCompacted(exception.Message);
        }
    }

    private void NoteTrouble(StoreUnavailableException exception)
    {
        if (_trouble is null)
            LogTrouble(exception.Message);
        _trouble = exception.Message;
    }

    private void NoteRecovery()
    {
        if (_trouble is null)
            return;
        _trouble = null;
        LogRecovered();
    }

    [LoggerMessage(LogLevel.Information, "State opened: {Entries} entries at revision {Revision} in {Milliseconds:0} ms")]
    private partial void LogOpened(int entries, Revision revision, double milliseconds);

    [LoggerMessage(LogLevel.Error, "Writes fail, reads go on: {Reason}")]
    private partial void LogTrouble(string reason);

    [LoggerMessage(LogLevel.Information, "Writes succeed again")]
    private partial void LogRecovered();

    [LoggerMessage(LogLevel.Debug, "No space was given back: {Reason}")]
    private partial void LogNotCompacted(string reason);

    [LoggerMessage(LogLevel.Critical, "The store has stopped: every write from here on fails")]
    private partial void LogStopped(Exception exception);

    /// <summary>A write on its way. A null value deletes.</summary>
    private sealed class PendingWrite(string key, ReadOnlyMemory<byte>? value, Revision expected, Func<Entry, object>? decode)
    {
        private readonly TaskCompletionSource<WriteResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _isDecided; // 1 once it is either taken or abandoned

        public string Key { get; } = key;
        public ReadOnlyMemory<byte>? Value { get; } = value;
        public Revision Expected { get; } = expected;
        public Func<Entry, object>? Decode { get; } = decode;
        public WriteResult Outcome { get; set; }
        public Task<WriteResult> Result => _result.Task;

        public bool TryTake() => Interlocked.Exchange(ref _isDecided, 1) == 0;

        /// <summary>The caller no longer waits. From the moment it is taken it is written, and the caller learns how it ended.</summary>
        public void Abandon(CancellationToken cancellationToken)
        {
            if (TryTake())
                _result.TrySetCanceled(cancellationToken);
        }

        public void Complete() => _result.TrySetResult(Outcome);

        public void Fail(Exception exception) => _result.TrySetException(exception);
    }
}
