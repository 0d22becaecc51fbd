using System.Diagnostics;
using Minke.Store.Log;
using Minke.Store.Log.Sqlite;
using Minke.TestSupport;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests.Log;

public sealed class SqliteLogTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Database => Path.Combine(_directory.Path, "state.db");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_store_opened_again_is_as_it_was()
    {
        Revision revision;
        Entry[] before;
        await using (var store = await StoreAsync(_directory.Path))
        {
            for (var i = 0; i < 300; i++)
                await store.PutAsync($"/pods/{i % 50}", $"value {i}");
            await store.PutAsync("/empty", "");
            await store.PutAsync("/schlüssel/🔑", "ü");
            await store.PutAsync("/last");
            await store.DeleteAsync("/last");
            revision = store.CurrentRevision;
            before = [.. store.Snapshot().Range("")];
        }
        await using (var store = await StoreAsync(_directory.Path))
        {
            Assert.Equal(revision, store.CurrentRevision);
            Assert.Equal(revision, store.CompactedRevision);
            Assert.Null(store.SnapshotAt(new Revision(revision.Value - 1)));
            Assert.Equal(Contents(before), Contents(store.Snapshot().Range("")));
            Assert.Equal(revision.Value + 1, (await store.PutAsync("/next")).Value);
        }
    }

    /// <summary>What a power failure leaves: a WAL whose end is missing, or was never written.</summary>
    [Fact]
    public async Task With_a_wal_cut_anywhere_the_store_is_at_one_of_its_revisions()
    {
        var random = new Random(1);
        await using var store = await StoreAsync(_directory.Path);
        for (var i = 0; i < 150; i++)
        {
            if (i % 5 == 4)
                await store.DeleteAsync($"/pods/{i - 1}");
            else
                await store.PutAsync($"/pods/{i}", new string('x', random.Next(6_000)));
        }
        var wal = await ReadSharedAsync(Database + "-wal");
        var seen = new HashSet<long>();
        for (var round = 0; round < 60; round++)
        {
            using var copy = new TemporaryDirectory();
            await File.WriteAllBytesAsync(Path.Combine(copy.Path, "state.db"), await ReadSharedAsync(Database), Cancellation);
            // From after the first transaction, which makes the tables: the store was not acknowledged as open before that.
            var cut = wal.ToArray();
            var at = random.Next(40_000, cut.Length);
            if (round % 2 == 0)
                cut = cut[..at];
            else
                random.NextBytes(cut.AsSpan(at, Math.Min(cut.Length - at, 4_096)));
            await File.WriteAllBytesAsync(Path.Combine(copy.Path, "state.db-wal"), cut, Cancellation);
            await using var restored = await StoreAsync(copy.Path);
            seen.Add(restored.CurrentRevision.Value);
            Assert.Equal(Contents(store.SnapshotAt(restored.CurrentRevision)!.Range("")), Contents(restored.Snapshot().Range("")));
            await restored.PutAsync("/goes/on");
        }
        Assert.InRange(seen.Count, 20, 151);
    }

    [Fact]
    public async Task The_file_shrinks_when_what_filled_it_is_gone()
    {
        var time = new ManualTime();
        await using var store = await StoreAsync(_directory.Path, time: time);
        await FillAsync(store, keys: 200, bytes: 100_000);
        Assert.InRange(Size(), 20_000_000, 60_000_000);
        foreach (var entry in store.Snapshot().Range("").Skip(5))
            await store.DeleteAsync(entry.Key);
        await UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return Size() < 3_000_000;
        });
        Assert.Equal(5, store.Snapshot().Count(""));
    }

    [Fact]
    public async Task The_file_stays_small_under_writes_that_never_pause()
    {
        var tuning = new SqliteLogTuning { DeletedBytesOverdue = 4 << 20, CheckpointPages = 256 };
        await using var store = await StoreAsync(SqliteLog.Open(_directory.Path, tuning), time: new ManualTime());
        await FillAsync(store, keys: 200, bytes: 100_000);
        foreach (var entry in store.Snapshot().Range("").Skip(5))
            await store.DeleteAsync(entry.Key);
        for (var i = 0; i < 60; i++)
            await store.PutAsync("/pods/0", new string('y', 100_000));
        Assert.InRange(Size(), 0, 8_000_000);
    }

    [Fact]
    public async Task An_idle_store_writes_nothing_and_waits_for_nothing()
    {
        var time = new ManualTime();
        var log = SqliteLog.Open(_directory.Path);
        await using var store = await StoreAsync(log, time: time);
        await FillAsync(store, keys: 20, bytes: 100_000);
        await FillAsync(store, keys: 20, bytes: 100_000);
        await UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return log.CompactionNeed == CompactionNeed.None;
        });
        await UntilAsync(() => time.Timers == 0);
        var before = Files();
        for (var hour = 0; hour < 24; hour++)
            time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, time.Timers);
        Assert.Equal(before, Files());

        (string, long, DateTime)[] Files() =>
            [.. new DirectoryInfo(_directory.Path).EnumerateFiles().Select(file => (file.Name, file.Length, file.LastWriteTimeUtc)).Order()];
    }

    [Theory]
    [InlineData("this is no database, but it is long enough that it could have been one, had it begun as they all do; so it is refused")]
    [InlineData("SQLite format 3\0 and then nothing that makes sense, for a hundred bytes and more, so that its header is complete but wrong.")]
    public async Task A_file_that_is_no_state_is_refused_and_kept(string contents)
    {
        await File.WriteAllTextAsync(Database, contents, Cancellation);
        var failure = await Assert.ThrowsAsync<StoreCorruptException>(() => StoreAsync(_directory.Path));
        Assert.Contains(Database, failure.Message, StringComparison.Ordinal);
        Assert.Equal(contents, await File.ReadAllTextAsync(Database, Cancellation));
        // The directory is free again.
        await SqliteLog.Open(_directory.Path).DisposeAsync();
    }

    [Fact]
    public async Task A_state_of_a_later_format_is_refused()
    {
        await using (await StoreAsync(_directory.Path))
        {
        }
        using (var database = new SqliteDatabase(Database, OpenMode.Existing))
            database.Execute("PRAGMA user_version = 2");
        var failure = await Assert.ThrowsAsync<StoreCorruptException>(() => StoreAsync(_directory.Path));
        Assert.Contains("format 2", failure.Message, StringComparison.Ordinal);
    }

    private long Size() => new DirectoryInfo(_directory.Path).EnumerateFiles().Sum(file => file.Length);

    private static IEnumerable<(string, string, Revision, Revision)> Contents(IEnumerable<Entry> entries) =>
        entries.Select(entry => (entry.Key, entry.Text(), entry.Created, entry.Modified));

    private static Task FillAsync(StateStore store, int keys, int bytes) =>
        Task.WhenAll(Enumerable.Range(0, keys).Select(n => store.PutAsync($"/pods/{n}", new string('x', bytes))));

    private static async Task<byte[]> ReadSharedAsync(string path)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var bytes = new byte[file.Length];
        await file.ReadExactlyAsync(bytes, Cancellation);
        return bytes;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        var waited = Stopwatch.StartNew();
        while (!holds())
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(30), "it did not come to that within 30 s");
            await Task.Delay(5, Cancellation);
        }
    }
}
