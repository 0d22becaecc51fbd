using System.Collections.Concurrent;
using Minke.Store.Backups;
using Minke.Store.Log;
using Minke.Store.Log.Sealing;
using Minke.Store.Log.Sqlite;
using Minke.TestSupport;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests.Backups;

public sealed class BackupTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string KeysFile => Path.Combine(_directory.Path, "sealing.keys");

    [Fact]
    public async Task A_backup_under_many_writers_is_the_state_of_one_revision()
    {
        await using var store = await StoreAsync(_directory.Path);
        var changes = new ConcurrentDictionary<long, (string Key, string? Value)>();
        var stop = false;
        var writers = Enumerable.Range(0, 8).Select(writer => Task.Run(async () =>
        {
            var random = new Random(writer);
            for (var i = 0; !Volatile.Read(ref stop); i++)
            {
                var key = $"/pods/{writer}/{random.Next(20)}";
                if (random.Next(3) == 0 && store.Snapshot().Get(key) is not null)
                    changes[(await store.DeleteAsync(key)).Value] = (key, null);
                else
                    changes[(await store.PutAsync(key, $"{i}")).Value] = (key, $"{i}");
            }
        })).ToArray();
        var backups = new List<List<BackupRecord>>();
        for (var round = 0; round < 5; round++)
        {
            var revision = store.CurrentRevision.Value;
            while (store.CurrentRevision.Value < revision + 100)
                await Task.Yield();
            backups.Add(await RecordsAsync(await BackupAsync(store)));
        }
        Volatile.Write(ref stop, true);
        await Task.WhenAll(writers);

        foreach (var records in backups)
        {
            var revision = Assert.IsType<BackupStart>(records[0]).Revision.Value;
            var expected = new SortedDictionary<string, string>(StringComparer.Ordinal);
            for (var at = 2L; at <= revision; at++)
            {
                if (changes[at].Value is { } value)
                    expected[changes[at].Key] = value;
                else
                    expected.Remove(changes[at].Key);
            }
            Assert.Equal(expected.Select(pair => (pair.Key, pair.Value)), records.OfType<BackupEntry>().Select(record => (record.Entry.Key, record.Entry.Text())));
        }
    }

    [Fact]
    public async Task A_restored_state_is_the_backups_and_goes_on_from_a_revision_nobody_has_seen()
    {
        var log = new SealedLog(SqliteLog.Open(Path.Combine(_directory.Path, "state")), SealingKeys.Open(KeysFile), ["/secrets/"]);
        byte[] backup;
        await using (var store = await StoreAsync(log))
        {
            await store.PutAsync("/secrets/a", "hidden");
            for (var i = 0; i < 3_000; i++)
                await store.PutAsync($"/pods/{i % 1_500}", $"{i}");
            backup = await BackupAsync(store);
        }
        Assert.DoesNotContain("hidden", System.Text.Encoding.Latin1.GetString(backup), StringComparison.Ordinal);

        var before = await ContentsAsync(Path.Combine(_directory.Path, "state"));
        var revision = await RestoreAsync(backup, "restored");
        Assert.Equal((Now - DateTimeOffset.UnixEpoch).Ticks / 10, revision.Value);
        Assert.Equal(before, await ContentsAsync(Path.Combine(_directory.Path, "restored/state")));
        await using var restored = await StoreAsync(Path.Combine(_directory.Path, "restored/state"));
        Assert.Equal(revision, restored.CurrentRevision);
        // Whoever saw a revision of before must list again.
        Assert.Null(restored.Watch("/pods/", new Revision(2_000)));
        Assert.Equal(revision.Value + 1, (await restored.PutAsync("/pods/new")).Value);

        async Task<List<(string, string, Revision, Revision)>> ContentsAsync(string directory)
        {
            await using var sealedLog = new SealedLog(SqliteLog.Open(directory), SealingKeys.Open(KeysFile), ["/secrets/"]);
            return [.. (await sealedLog.LoadAsync()).Entries.OrderBy(entry => entry.Key, StringComparer.Ordinal)
                .Select(entry => (entry.Key, entry.Text(), entry.Created, entry.Modified))];
        }
    }

    [Theory]
    [InlineData(5, 9, "2026-01-01", 1_767_225_600_000_000)] // the clock is ahead of all counters
    [InlineData(5, 9, "1970-01-01", 1_000_000_009)] // a machine that does not know the time
    [InlineData(2_000_000_000_000_000, 5, "2026-01-01", 2_000_001_000_000_000)]
    public void No_revision_is_given_out_twice(long backup, long existing, string now, long expected) =>
        Assert.Equal(new Revision(expected), StateRestore.RevisionAfter(new(backup), new(existing), DateTimeOffset.Parse(now + "Z", System.Globalization.CultureInfo.InvariantCulture)));

    [Fact]
    public async Task Secrets_without_a_key_that_opens_them_are_refused()
    {
        byte[] backup;
        await using (var store = await StoreAsync(new SealedLog(new MemoryLog(), SealingKeys.Open(KeysFile), ["/secrets/"])))
        {
            await store.PutAsync("/secrets/a", "hidden");
            backup = await BackupAsync(store);
        }
        File.Delete(KeysFile);
        Assert.Contains("carries no keys", (await Assert.ThrowsAsync<BackupException>(() => RestoreAsync(backup, "one"))).Message, StringComparison.Ordinal);
        SealingKeys.Open(KeysFile);
        Assert.Contains("is sealed with the key", (await Assert.ThrowsAsync<BackupException>(() => RestoreAsync(backup, "two"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../etc/passwd")]
    [InlineData("pki/../../x")]
    [InlineData("pki/..")]
    [InlineData("state/state.db")]
    public async Task A_file_that_is_no_part_of_a_backup_is_refused(string name)
    {
        using var output = new MemoryStream();
        using var writer = new BackupWriter(output);
        await writer.WriteAsync(new BackupStart(new(5), Now), Cancellation);
        await writer.WriteAsync(new BackupFile(name, Bytes("x")), Cancellation);
        await writer.EndAsync(Cancellation);
        Assert.Contains(name, (await Assert.ThrowsAsync<BackupException>(() => RestoreAsync(output.ToArray(), "restored"))).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_directory.Path, "x")));
    }

    [Fact]
    public async Task Every_damaged_byte_is_found()
    {
        var whole = await SmallAsync();
        for (var at = 0; at < whole.Length; at++)
        {
            foreach (var bits in (byte[])[0x01, 0x80, 0xff])
            {
                var damaged = (byte[])whole.Clone();
                damaged[at] ^= bits;
                await Assert.ThrowsAsync<BackupException>(() => RecordsAsync(damaged));
            }
        }
    }

    [Fact]
    public async Task Every_missing_or_additional_byte_is_found()
    {
        var whole = await SmallAsync();
        for (var length = 0; length < whole.Length; length++)
            await Assert.ThrowsAsync<BackupException>(() => RecordsAsync(whole[..length]));
        await Assert.ThrowsAsync<BackupException>(() => RecordsAsync([.. whole, 0]));
        Assert.Equal(4, (await RecordsAsync(whole)).Count);
    }

    [Fact]
    public async Task Random_bytes_are_no_backup()
    {
        var random = new Random(11);
        for (var round = 0; round < 500; round++)
        {
            var bytes = new byte[random.Next(400)];
            random.NextBytes(bytes);
            await Assert.ThrowsAsync<BackupException>(() => RecordsAsync(bytes));
            byte[] begins = [.. "minke backup 1\nS\x10\0\0\0"u8, .. bytes];
            await Assert.ThrowsAsync<BackupException>(() => RecordsAsync(begins));
        }
    }

    private static async Task<byte[]> SmallAsync()
    {
        using var output = new MemoryStream();
        using var writer = new BackupWriter(output);
        await writer.WriteAsync(new BackupStart(new(5), Now), Cancellation);
        await writer.WriteAsync(new BackupFile("pki/ca.key", Bytes("key")), Cancellation);
        await writer.WriteAsync(new Entry("/pods/a", Bytes("value"), new(2), new(3)), Cancellation);
        await writer.EndAsync(Cancellation);
        return output.ToArray();
    }

    private static async Task<byte[]> BackupAsync(StateStore store)
    {
        using var output = new MemoryStream();
        await store.BackupAsync(output, Cancellation);
        return output.ToArray();
    }

    private static async Task<List<BackupRecord>> RecordsAsync(byte[] backup)
    {
        using var reader = new BackupReader(new MemoryStream(backup), "FILE");
        var records = new List<BackupRecord>();
        await foreach (var record in reader.ReadAsync(Cancellation))
            records.Add(record);
        return records;
    }

    private Task<Revision> RestoreAsync(byte[] backup, string directory) =>
        new StateRestore(Path.Combine(_directory.Path, directory), KeysFile, new ManualTime(Now)).RunAsync(new MemoryStream(backup), "FILE", Revision.None, Cancellation);
}
