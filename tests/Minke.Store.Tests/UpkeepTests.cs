using Minke.Store.Log.Sealing;
using Minke.Store.Log.Sqlite;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests;

/// <summary>Compaction and checks that somebody asks for.</summary>
public sealed class UpkeepTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Database => Path.Combine(_directory.Path, "state.db");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Compaction_forgets_the_past_and_open_watches_miss_nothing()
    {
        await using var store = await StoreAsync();
        await store.PutAsync("/pods/a", "one");
        var early = store.CurrentRevision;
        using var open = store.Watch("/pods/", early)!;
        await store.PutAsync("/pods/a", "two");
        using var resumed = store.Watch("/pods/", early)!;

        var done = await store.CompactAsync(Cancellation);
        Assert.Equal(store.CurrentRevision, done.Revision);
        Assert.Equal(2, done.ForgottenChanges);
        Assert.Equal(store.CurrentRevision, store.CompactedRevision);
        Assert.Null(store.Watch("/pods/", early));
        Assert.Null(store.SnapshotAt(early));
        await store.PutAsync("/pods/a", "three");
        foreach (var watch in (StateWatch[])[open, resumed, store.Watch("/pods/", done.Revision)!])
        {
            var seen = new List<string>();
            while (seen is not [.., "three"])
                seen.AddRange((await watch.ReadAsync(TimeSpan.FromSeconds(10), Cancellation)).Changes.Select(change => change.Current!.Text()));
            Assert.Equal(ReferenceEquals(watch, open) || ReferenceEquals(watch, resumed) ? ["two", "three"] : (string[])["three"], seen);
        }
    }

    [Fact]
    public async Task Compaction_under_writers_gives_back_what_deletions_have_freed()
    {
        await using var store = await StoreAsync(_directory.Path);
        for (var i = 0; i < 40; i++)
            await store.PutAsync($"/pods/{i}", new string('x', 100_000));
        for (var i = 0; i < 40; i++)
            await store.DeleteAsync($"/pods/{i}");
        var stop = false;
        var writing = Task.Run(async () =>
        {
            for (var i = 0; !Volatile.Read(ref stop); i++)
                await store.PutAsync("/busy", $"{i}");
        }, Cancellation);
        var done = await store.CompactAsync(Cancellation);
        Volatile.Write(ref stop, true);
        await writing;
        Assert.InRange(done.FreedBytes, 3_900_000, long.MaxValue);
        Assert.InRange(new FileInfo(Database).Length, 0, 100_000);
        Assert.Empty((await store.CheckAsync(Cancellation)).Problems);
    }

    [Fact]
    public async Task On_a_full_disk_compaction_fails_in_words_and_writes_go_on_afterwards()
    {
        using var disk = MountedDisk.Tmpfs(megabytes: 8);
        await using var store = await StoreAsync(Path.Combine(disk.Path, "state"));
        for (var i = 0; i < 20; i++)
            await store.PutAsync($"/pods/{i}", new string('x', 100_000));
        for (var i = 0; i < 19; i++)
            await store.DeleteAsync($"/pods/{i}");
        var ballast = disk.Fill();
        try
        {
            await store.CompactAsync(Cancellation);
        }
        catch (StoreUnavailableException exception)
        {
            Assert.Contains("no space left on the disk", exception.Message, StringComparison.Ordinal);
        }
        File.Delete(ballast);
        await store.PutAsync("/pods/a", "after");
        Assert.Empty((await store.CheckAsync(Cancellation)).Problems);
        Assert.Equal(2, store.Snapshot().Count(""));
    }

    [Fact]
    public async Task A_check_under_writers_finds_nothing_in_a_sound_state()
    {
        await using var store = await StoreAsync(new SealedLog(SqliteLog.Open(_directory.Path), SealingKeys.Open(Path.Combine(_directory.Path, "keys")), ["/secrets/"]));
        var stop = false;
        var writing = Task.Run(async () =>
        {
            for (var i = 0; !Volatile.Read(ref stop); i++)
                await store.PutAsync($"/secrets/{i % 7}", $"{i}");
        }, Cancellation);
        for (var round = 0; round < 10; round++)
            Assert.Empty((await store.CheckAsync(Cancellation)).Problems);
        Volatile.Write(ref stop, true);
        await writing;
    }

    [Theory]
    [InlineData("UPDATE entries SET created = 99 WHERE key = '/pods/a'", "/pods/a is at revision 2, and was made at 99")]
    [InlineData("UPDATE counter SET revision = 2", "/pods/b is at revision 3, later than the counter, 2")]
    [InlineData("INSERT INTO entries VALUES (1, 1, '/pods/a', x'00')", "/pods/a is there twice")]
    [InlineData("DELETE FROM counter", "its counter is gone")]
    public async Task A_check_finds_rows_that_are_no_state(string damage, string problem)
    {
        await FillAsync();
        using (var database = new SqliteDatabase(Database, OpenMode.Existing))
            database.Execute(damage);
        Assert.Contains((await CheckAsync()).Problems, found => found.Contains(problem, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_check_finds_damaged_pages()
    {
        await FillAsync();
        var bytes = await File.ReadAllBytesAsync(Database, Cancellation);
        bytes.AsSpan(4096, 8).Fill(0x5a); // the head of the second page
        bytes.AsSpan(bytes.Length - 4096, 8).Fill(0x5a);
        await File.WriteAllBytesAsync(Database, bytes, Cancellation);
        Assert.NotEmpty((await CheckAsync()).Problems);
        await File.WriteAllTextAsync(Database, new string('x', 8192), Cancellation);
        Assert.Contains("damaged or not Minke's", Assert.Single((await CheckAsync()).Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_check_finds_that_disk_and_memory_are_two()
    {
        var log = SqliteLog.Open(_directory.Path);
        await using var store = await StoreAsync(log);
        await store.PutAsync("/pods/a", "one");
        await store.PutAsync("/pods/b", "one");
        var (a, b) = (store.Snapshot().Get("/pods/a")!, store.Snapshot().Get("/pods/b")!);
        await log.RewriteAsync([new Entry(a.Key, Bytes("two"), a.Created, a.Modified)], leavesNoTrace: false);
        await log.AppendAsync([new Change(b.Modified, b.Key, b, null)]);
        Assert.Equal(["/pods/a is another on the disk than in memory", "/pods/b is in memory and not on the disk"], (await store.CheckAsync(Cancellation)).Problems);
    }

    [Fact]
    public async Task A_check_finds_secrets_that_do_not_open()
    {
        await using (var store = await StoreAsync(new SealedLog(SqliteLog.Open(_directory.Path), SealingKeys.Open(Path.Combine(_directory.Path, "keys")), ["/secrets/"])))
            await store.PutAsync("/secrets/a", "hidden");
        await using var log = new SealedLog(SqliteLog.Open(_directory.Path), SealingKeys.Open(Path.Combine(_directory.Path, "other")), ["/secrets/"]);
        Assert.Contains("/secrets/a is sealed with the key", Assert.Single((await StateCheck.OfAsync(log)).Problems), StringComparison.Ordinal);
    }

    private async Task FillAsync()
    {
        await using var store = await StoreAsync(_directory.Path);
        await store.PutAsync("/pods/a", "one");
        await store.PutAsync("/pods/b", new string('x', 9_000));
    }

    private async Task<StateCheck> CheckAsync()
    {
        await using var log = SqliteLog.Open(_directory.Path);
        return await StateCheck.OfAsync(log);
    }
}
