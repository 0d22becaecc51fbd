using Minke.Cli;
using Minke.Cli.Clusters;
using Minke.Server;
using Minke.Server.Pki;
using Minke.Server.Upkeep;
using Minke.Store;
using Minke.Store.Backups;
using Minke.Store.Log;
using Minke.Store.Log.Sealing;
using Minke.Store.Log.Sqlite;

namespace Minke;

/// <summary>What <c>minke store</c> does to the files of a cluster that does not run.</summary>
internal sealed class StoppedState(TimeProvider clock) : IStoppedState
{
    /// <summary>What is secret is sealed below the store, so that neither the file nor a copy of it shows it.</summary>
    public static SealedLog OpenLog(DataDirectory data, SealingKeys? keys = null)
    {
        keys ??= SealingKeys.Open(data.SealingKeys);
        return new SealedLog(SqliteLog.Open(data.State), keys, SealedKinds.Prefixes);
    }

    public Task<int> RotateKeysAsync(DataDirectory data, CancellationToken cancellationToken) => AttemptAsync($"rotate the keys of {data.Root}", async () =>
    {
        var keys = SealingKeys.Open(data.SealingKeys);
        keys.Rotate();
        // Opening seals what an older key has sealed; only then may that key go.
        await using var log = OpenLog(data, keys);
        var (_, entries) = await log.LoadAsync();
        keys.ForgetOld();
        return entries.Count(entry => SealedKinds.Prefixes.Any(prefix => entry.Key.StartsWith(prefix, StringComparison.Ordinal)));
    });

    public Task<BackupReport> BackupAsync(DataDirectory data, Stream? running, Stream output, bool withKeys, CancellationToken cancellationToken) =>
        AttemptAsync($"back up {data.Root}", async () =>
        {
            using var writer = new BackupWriter(output);
            var (start, count) = (default(BackupStart), 0L);
            await foreach (var record in running is null ? ReadStateAsync(data) : ReadRunning())
            {
                switch (record)
                {
                    case BackupStart first:
                        start = first;
                        await writer.WriteAsync(first, cancellationToken);
                        foreach (var file in withKeys ? FilesOf(data) : [])
                            await writer.WriteAsync(file, cancellationToken);
                        break;
                    case BackupEntry { Entry: var entry }:
                        await writer.WriteAsync(entry, cancellationToken);
                        count++;
                        break;
                }
            }
            await writer.EndAsync(cancellationToken);
            return new BackupReport(start!.Revision.Value, start.Taken, count, withKeys);

            async IAsyncEnumerable<BackupRecord> ReadRunning()
            {
                using var reader = new BackupReader(running!, "the cluster's answer");
                await foreach (var record in reader.ReadAsync(cancellationToken))
                    yield return record;
            }
        });

    public Task<BackupReport> ReadBackupAsync(string file, CancellationToken cancellationToken) => AttemptAsync("restore", async () =>
    {
        using var stream = File.OpenRead(file);
        var summary = await BackupReader.SummaryAsync(stream, file, cancellationToken);
        return new BackupReport(summary.Start.Revision.Value, summary.Start.Taken, summary.Entries, summary.Files.Count > 0);
    });

    public Task<long> RestoreAsync(DataDirectory data, string file, string staging, CancellationToken cancellationToken) =>
        AttemptAsync($"restore {data.Root}", async () =>
        {
            var existing = await RevisionOfAsync(data);
            using var stream = File.OpenRead(file);
            return (await new StateRestore(staging, data.SealingKeys, clock).RunAsync(stream, file, existing, cancellationToken)).Value;
        });

    public Task<CompactReport> CompactAsync(DataDirectory data, CancellationToken cancellationToken) => AttemptAsync($"compact {data.Root}", async () =>
    {
        await using var log = SqliteLog.Open(data.State);
        var (revision, _) = await log.LoadAsync();
        var before = log.SizeBytes;
        while (await log.ShrinkAsync())
            cancellationToken.ThrowIfCancellationRequested();
        var after = log.SizeBytes;
        return new CompactReport(revision.Value, 0, Math.Max(0, before - after), after);
    });

    public Task<CheckReport> CheckAsync(DataDirectory data, CancellationToken cancellationToken) => AttemptAsync($"check {data.Root}", async () =>
    {
        // Opening keys that are not there would make new ones.
        var hasKeys = File.Exists(data.SealingKeys);
        await using IStateLog log = hasKeys ? OpenLog(data) : SqliteLog.Open(data.State);
        var check = await StateCheck.OfAsync(log);
        var missing = hasKeys ? (string[])[] : [$"{data.SealingKeys} is missing: without it no Secret opens"];
        return new CheckReport(check.Revision.Value, check.Entries.Count, [.. missing, .. check.Problems, .. ObjectCheck.Problems(check.Entries)]);
    });

    private async IAsyncEnumerable<BackupRecord> ReadStateAsync(DataDirectory data)
    {
        // As it lies on the disk: sealed.
        await using var log = SqliteLog.Open(data.State);
        var (revision, entries) = await log.LoadAsync();
        entries.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        yield return new BackupStart(revision, clock.GetUtcNow());
        foreach (var entry in entries)
            yield return new BackupEntry(entry);
    }

    private static IEnumerable<BackupFile> FilesOf(DataDirectory data)
    {
        yield return new BackupFile(Path.GetFileName(data.SealingKeys), File.ReadAllBytes(data.SealingKeys));
        foreach (var file in Directory.GetFiles(data.Pki).Order(StringComparer.Ordinal))
            yield return new BackupFile($"pki/{Path.GetFileName(file)}", File.ReadAllBytes(file));
    }

    /// <summary>How far the state had come that a restore replaces; none where it cannot be told.</summary>
    private static async Task<Revision> RevisionOfAsync(DataDirectory data)
    {
        if (!Directory.Exists(data.State))
            return Revision.None;
        try
        {
            await using var log = SqliteLog.Open(data.State);
            return (await log.LoadAsync()).Revision;
        }
        catch (StoreCorruptException)
        {
            return Revision.None; // which may be why it is replaced
        }
    }

    private static async Task<T> AttemptAsync<T>(string what, Func<Task<T>> attempt)
    {
        try
        {
            return await attempt();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or PkiException
            or StoreInUseException or StoreUnavailableException or StoreCorruptException or BackupException)
        {
            throw new CliException($"{what}: {exception.Message}", exception);
        }
    }
}
