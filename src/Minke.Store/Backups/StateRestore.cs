using Minke.Store.Log.Sealing;
using Minke.Store.Log.Sqlite;

namespace Minke.Store.Backups;

/// <summary>Makes the files of a data directory of a backup, in a directory beside it. What is in use is neither read nor touched.</summary>
/// <param name="directory">Empty; where the files are made, by the names they will have in the data directory.</param>
/// <param name="keysFile">The keys that are there, for a backup that carries none.</param>
/// <param name="clock">What time it is.</param>
public sealed class StateRestore(string directory, string keysFile, TimeProvider clock)
{
    private const int BatchEntries = 1_024;
    private const long BatchBytes = 8 << 20;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>More than a cluster writes between a backup and its restore, where the clock cannot tell; what etcd's manual advises.</summary>
    private const long Leap = 1_000_000_000;

    private readonly List<Change> _batch = [];
    private long _batchBytes;
    private SealingKeys? _keys;

    /// <summary>Reads a backup and makes the state of it.</summary>
    /// <param name="backup">From its beginning.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="existing">The revision the state that will be replaced had come to; none where there is none.</param>
    /// <param name="cancellationToken">Gives up; what was made so far is of no use.</param>
    /// <returns>The revision the restored state goes on from.</returns>
    /// <exception cref="BackupException">It is no whole backup, or its Secrets do not open.</exception>
    /// <exception cref="StoreUnavailableException">The disk does not take it.</exception>
    public async Task<Revision> RunAsync(Stream backup, string name, Revision existing, CancellationToken cancellationToken)
    {
        var start = default(BackupStart);
        using var reader = new BackupReader(backup, name);
        await using var log = SqliteLog.Open(Path.Combine(directory, "state"));
        await log.LoadAsync();
        try
        {
            await foreach (var record in reader.ReadAsync(cancellationToken))
            {
                switch (record)
                {
                    case BackupStart first:
                        start = first;
                        break;
                    case BackupFile file:
                        WriteFile(file, name);
                        break;
                    case BackupEntry { Entry: var entry }:
                        Check(entry, start!, name);
                        await AddAsync(log, new Change(entry.Modified, entry.Key, null, entry));
                        break;
                }
            }
            var revision = RevisionAfter(start!.Revision, existing, clock.GetUtcNow());
            // The last change's revision becomes the counter; this one changes nothing else.
            _batch.Add(new Change(revision, "", null, null));
            await FlushAsync(log);
            return revision;
        }
        catch (StoreCorruptException exception)
        {
            throw new BackupException($"{name}: {exception.Message}");
        }
    }

    /// <summary>
    /// The counter a restored state goes on from. Clients have seen revisions after the backup; were these given out again, to other
    /// changes, a watch that resumes would miss what lies between and a stale object would pass for a current one. Microseconds since
    /// 1970 are ahead of any counter: no cluster writes a million times a second, not even one that was restored before.
    /// </summary>
    internal static Revision RevisionAfter(Revision backup, Revision existing, DateTimeOffset now) =>
        new(Math.Max((now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond, Math.Max(backup.Value, existing.Value) + Leap));

    private void WriteFile(BackupFile file, string name)
    {
        // Nothing but what a backup is made of, wherever it came from.
        if (file.Name != Path.GetFileName(keysFile) && (!file.Name.StartsWith("pki/", StringComparison.Ordinal) || file.Name.IndexOf('/', 4) >= 0 || file.Name is "pki/" or "pki/." or "pki/.."))
            throw new BackupException($"{name} carries the file {file.Name}, which is no part of a backup");
        var path = Path.Combine(directory, file.Name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, OwnerOnly | UnixFileMode.UserExecute);
        using var stream = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        stream.Write(file.Content.Span);
        stream.Flush(flushToDisk: true);
    }

    private void Check(Entry entry, BackupStart start, string name)
    {
        if (entry.Created.Value < 1 || entry.Created > entry.Modified || entry.Modified > start.Revision)
            throw new BackupException($"{name}: {entry.Key} is at revision {entry.Modified}, made at {entry.Created}, in a state at {start.Revision}: the backup is of no use");
        if (!SealedValue.IsSealed(entry.Value.Span))
            return;
        var carried = Path.Combine(directory, Path.GetFileName(keysFile));
        var keys = File.Exists(carried) ? carried : keysFile;
        if (!File.Exists(keys))
            throw new BackupException($"{name} holds Secrets that are sealed, and carries no keys: put the cluster's {Path.GetFileName(keysFile)} to {keysFile} first, or use a backup made with --with-keys");
        _keys ??= SealingKeys.Open(keys);
        SealedValue.Open(entry.Key, entry.Value.Span, _keys, out _);
    }

    private async ValueTask AddAsync(SqliteLog log, Change change)
    {
        _batch.Add(change);
        _batchBytes += change.SizeBytes;
        if (_batch.Count >= BatchEntries || _batchBytes >= BatchBytes)
            await FlushAsync(log);
    }

    private async ValueTask FlushAsync(SqliteLog log)
    {
        await log.AppendAsync(_batch);
        _batch.Clear();
        _batchBytes = 0;
    }
}
