using Minke.Store.Log;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests;

public sealed class StateStoreTests
{
    [Fact]
    public async Task An_empty_store_is_at_revision_1_and_the_first_write_is_2()
    {
        await using var store = await StoreAsync();
        Assert.Equal(new Revision(1), store.CurrentRevision);
        var result = await store.PutAsync("/pods/a", Bytes("x"), Revision.None, Cancellation);
        Assert.Equal(new Revision(2), result.Revision);
        Assert.Equal(new Revision(2), result.Entry!.Created);
        Assert.Equal(new Revision(2), result.Entry.Modified);
    }

    [Fact]
    public async Task A_write_is_visible_when_it_is_acknowledged()
    {
        await using var store = await StoreAsync();
        await store.PutAsync("/pods/a", "one");
        Assert.Equal("one", store.Snapshot().Get("/pods/a")!.Text());
    }

    [Fact]
    public async Task Creating_what_exists_is_a_conflict_that_shows_it()
    {
        await using var store = await StoreAsync();
        var revision = await store.PutAsync("/pods/a", "one");
        var result = await store.PutAsync("/pods/a", Bytes("two"), Revision.None, Cancellation);
        Assert.Equal(WriteOutcome.Conflict, result.Outcome);
        Assert.Equal("one", result.Entry!.Text());
        Assert.Equal(revision, result.Revision);
        Assert.Equal(revision, store.CurrentRevision);
    }

    [Fact]
    public async Task Updating_from_an_old_revision_is_a_conflict()
    {
        await using var store = await StoreAsync();
        var old = await store.PutAsync("/pods/a", "one");
        var current = await store.PutAsync("/pods/a", "two");
        var result = await store.PutAsync("/pods/a", Bytes("three"), old, Cancellation);
        Assert.Equal(WriteOutcome.Conflict, result.Outcome);
        Assert.Equal(current, result.Entry!.Modified);
    }

    [Fact]
    public async Task An_update_keeps_the_revision_of_creation()
    {
        await using var store = await StoreAsync();
        var created = await store.PutAsync("/pods/a", "one");
        await store.PutAsync("/pods/a", "two");
        Assert.Equal(created, store.Snapshot().Get("/pods/a")!.Created);
        await store.DeleteAsync("/pods/a");
        var again = await store.PutAsync("/pods/a", "three");
        Assert.Equal(again, store.Snapshot().Get("/pods/a")!.Created);
    }

    [Fact]
    public async Task Updating_or_deleting_what_is_gone_is_a_conflict_with_nothing()
    {
        await using var store = await StoreAsync();
        var revision = await store.PutAsync("/pods/a");
        await store.DeleteAsync("/pods/a");
        Assert.Equal(new WriteResult(WriteOutcome.Conflict, null, store.CurrentRevision), await store.PutAsync("/pods/a", Bytes("x"), revision, Cancellation));
        Assert.Equal(new WriteResult(WriteOutcome.Conflict, null, store.CurrentRevision), await store.DeleteAsync("/pods/a", revision, Cancellation));
        Assert.Equal(new WriteResult(WriteOutcome.Conflict, null, store.CurrentRevision), await store.DeleteAsync("/pods/a", Revision.None, Cancellation));
    }

    [Fact]
    public async Task A_delete_has_a_revision_and_gives_what_was_removed()
    {
        await using var store = await StoreAsync();
        var revision = await store.PutAsync("/pods/a", "one");
        var result = await store.DeleteAsync("/pods/a", revision, Cancellation);
        Assert.Equal(WriteOutcome.Committed, result.Outcome);
        Assert.Equal("one", result.Entry!.Text());
        Assert.True(result.Revision > revision);
        Assert.Null(store.Snapshot().Get("/pods/a"));
    }

    [Fact]
    public async Task Of_many_writers_at_one_revision_one_wins()
    {
        await using var store = await StoreAsync();
        var revision = await store.PutAsync("/pods/a", "0");
        var results = await Task.WhenAll(Enumerable.Range(0, 100).Select(n => store.PutAsync("/pods/a", Bytes($"{n}"), revision, Cancellation).AsTask()));
        var winner = Assert.Single(results, result => result.Outcome == WriteOutcome.Committed);
        Assert.All(results, result => Assert.Equal(winner.Entry, result.Entry));
    }

    [Fact]
    public async Task An_entry_is_decoded_once_or_never_when_its_writer_knows_the_result()
    {
        await using var store = await StoreAsync();
        await store.PutAsync("/pods/a", "one");
        var decoded = store.Snapshot().Get("/pods/a")!.Decoded(entry => $"{entry.Text()} at {entry.Modified}");
        Assert.Equal("one at 2", decoded);
        Assert.Same(decoded, store.Snapshot().Get("/pods/a")!.Decoded<string>(_ => throw new InvalidOperationException("decoded twice")));

        var result = await store.PutAsync("/pods/b", Bytes("two"), Revision.None, Cancellation, entry => $"known at {entry.Modified}");
        decoded = result.Entry!.Decoded<string>(_ => throw new InvalidOperationException("decoded what is known"));
        Assert.Equal("known at 3", decoded);
        Assert.Same(decoded, store.Snapshot().Get("/pods/b")!.Decoded<string>(_ => throw new InvalidOperationException("decoded twice")));
    }

    [Fact]
    public async Task A_snapshot_stays_as_it_was()
    {
        await using var store = await StoreAsync();
        await store.PutAsync("/pods/a", "one");
        var before = store.Snapshot();
        await store.PutAsync("/pods/a", "two");
        await store.PutAsync("/pods/b");
        Assert.Equal(["/pods/a"], before.Range("/pods/").Select(entry => entry.Key));
        Assert.Equal("one", before.Get("/pods/a")!.Text());
        Assert.Equal(before.Revision, before.Get("/pods/a")!.Modified);
    }

    [Fact]
    public async Task A_range_is_what_begins_with_the_prefix_in_order_after_a_key()
    {
        await using var store = await StoreAsync();
        foreach (var key in new[] { "/pods/b", "/pods/a", "/podsx", "/pod", "/pods/a/1", "/pods/ä", "/pods/\uffff", "/nodes/a" })
            await store.PutAsync(key);
        var snapshot = store.Snapshot();
        Assert.Equal(["/pods/a", "/pods/a/1", "/pods/b", "/pods/ä", "/pods/\uffff"], Keys("/pods/"));
        Assert.Equal(["/pods/b", "/pods/ä", "/pods/\uffff"], Keys("/pods/", "/pods/a/1"));
        Assert.Equal(["/pods/a", "/pods/a/1", "/pods/b", "/pods/ä", "/pods/\uffff"], Keys("/pods/", "/a"));
        Assert.Empty(Keys("/pods/", "/z"));
        Assert.Equal(8, Keys("").Length);

        string[] Keys(string prefix, string? startAfter = null)
        {
            string[] keys = [.. snapshot.Range(prefix, startAfter).Select(entry => entry.Key)];
            Assert.Equal(keys.Length, snapshot.Count(prefix, startAfter));
            return keys;
        }
    }

    [Fact]
    public async Task An_earlier_revision_can_be_read_until_it_is_compacted()
    {
        await using var store = await StoreAsync(options: new() { HistoryAtMost = 1_000 });
        var states = new Dictionary<Revision, string[]> { [store.CurrentRevision] = [] };
        for (var i = 0; i < 700; i++)
        {
            if (i % 3 == 2)
                await store.DeleteAsync($"/pods/{i - 1}");
            else
                await store.PutAsync($"/pods/{i}", $"{i}");
            states[store.CurrentRevision] = [.. store.Snapshot().Range("").Select(entry => entry.Key)];
        }
        foreach (var (revision, keys) in states)
        {
            var snapshot = store.SnapshotAt(revision)!;
            Assert.Equal(revision, snapshot.Revision);
            Assert.Equal(keys, snapshot.Range("").Select(entry => entry.Key));
        }
        for (var i = 0; i < 2_000; i++)
            await store.PutAsync("/leases/a", $"{i}");
        Assert.Null(store.SnapshotAt(new Revision(2)));
        Assert.Null(store.SnapshotAt(new Revision(store.CompactedRevision.Value - 1)));
        Assert.Equal(store.CompactedRevision, store.SnapshotAt(store.CompactedRevision)!.Revision);
    }

    [Fact]
    public async Task A_revision_that_is_not_reached_is_refused()
    {
        await using var store = await StoreAsync();
        var exception = Assert.Throws<FutureRevisionException>(() => store.SnapshotAt(new Revision(5)));
        Assert.Equal(new Revision(1), exception.Current);
        Assert.Throws<FutureRevisionException>(() => store.Watch("", new Revision(5)));
    }

    [Fact]
    public async Task A_write_that_is_given_up_before_its_turn_is_not_written()
    {
        var log = new HeldLog();
        await using var store = await StoreAsync(log);
        var first = store.PutAsync("/pods/a", Bytes("x"), Revision.None, Cancellation);
        await log.Held;
        using var giveUp = new CancellationTokenSource();
        var second = store.PutAsync("/pods/b", Bytes("x"), Revision.None, giveUp.Token);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await second);
        log.Release();
        await first;
        await store.PutAsync("/pods/c");
        Assert.Null(store.Snapshot().Get("/pods/b"));
    }

    [Fact]
    public async Task Nothing_is_visible_before_it_is_on_disk()
    {
        var log = new HeldLog();
        await using var store = await StoreAsync(log);
        using var watch = store.Watch("", store.CurrentRevision)!;
        var write = store.PutAsync("/pods/a", Bytes("x"), Revision.None, Cancellation);
        await log.Held;
        Assert.Equal(new Revision(1), store.CurrentRevision);
        Assert.Null(store.Snapshot().Get("/pods/a"));
        Assert.Empty((await watch.ReadAsync(TimeSpan.Zero, Cancellation)).Changes);
        Assert.False(write.IsCompleted);
        log.Release();
        await write;
        Assert.Single((await watch.ReadAsync(TimeSpan.Zero, Cancellation)).Changes);
    }

    [Fact]
    public async Task What_waits_is_one_commit()
    {
        var log = new HeldLog();
        await using var store = await StoreAsync(log);
        var first = store.PutAsync("/pods/first", Bytes("x"), Revision.None, Cancellation).AsTask();
        await log.Held;
        var others = Enumerable.Range(0, 100).Select(n => store.PutAsync($"/pods/{n}", Bytes("x"), Revision.None, Cancellation).AsTask()).ToArray();
        log.Release();
        await Task.WhenAll([first, .. others]);
        Assert.Equal([1, 100], log.Batches);
    }

    [Fact]
    public async Task A_closed_store_finishes_what_waits_and_refuses_what_comes()
    {
        var log = new HeldLog();
        var store = await StoreAsync(log);
        var first = store.PutAsync("/pods/a", Bytes("x"), Revision.None, Cancellation).AsTask();
        await log.Held;
        var second = store.PutAsync("/pods/b", Bytes("x"), Revision.None, Cancellation).AsTask();
        var closing = store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.PutAsync("/pods/c", Bytes("x"), Revision.None, Cancellation));
        log.Release();
        await closing;
        Assert.Equal(WriteOutcome.Committed, (await first).Outcome);
        Assert.Equal(WriteOutcome.Committed, (await second).Outcome);
        Assert.Equal(2, store.Snapshot().Count(""));
        await store.DisposeAsync();
    }

    [Fact]
    public async Task After_a_bug_writes_fail_with_its_message_and_reads_go_on()
    {
        var store = await StoreAsync(new BrokenLog());
        var writes = Enumerable.Range(0, 10).Select(n => store.PutAsync($"/pods/{n}", Bytes("x"), Revision.None, Cancellation).AsTask()).ToArray();
        foreach (var write in writes)
            Assert.Contains("it broke", (await Assert.ThrowsAsync<StoreUnavailableException>(() => write)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.PutAsync("/pods/x", Bytes("x"), Revision.None, Cancellation));
        Assert.Equal(0, store.Snapshot().Count(""));
        Assert.Contains("it broke", store.Trouble!, StringComparison.Ordinal);
        await store.DisposeAsync();
    }

    private sealed class BrokenLog : IStateLog
    {
        public CompactionNeed CompactionNeed => CompactionNeed.None;
        public ValueTask<LogContents> LoadAsync() => new(new LogContents(new Revision(1), []));
        public ValueTask AppendAsync(IReadOnlyList<Change> changes) => throw new InvalidOperationException("it broke");
        public ValueTask RewriteAsync(IReadOnlyList<Entry> entries, bool leavesNoTrace) => default;
        public ValueTask CompactAsync() => default;
        public ValueTask<bool> ShrinkAsync() => default;
        public long SizeBytes => 0;
        public Entry AsStored(Entry entry) => entry;
        public ValueTask<LogCheck> CheckAsync() => throw new NotSupportedException();
        public ValueTask DisposeAsync() => default;
    }

    /// <summary>A log whose first append waits until it is released.</summary>
    private sealed class HeldLog : IStateLog
    {
        private readonly MemoryLog _log = new();
        private readonly TaskCompletionSource _held = new(), _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Held => _held.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancellation);
        public List<int> Batches { get; } = [];
        public CompactionNeed CompactionNeed => CompactionNeed.None;

        public void Release() => _released.SetResult();

        public async ValueTask AppendAsync(IReadOnlyList<Change> changes)
        {
            Batches.Add(changes.Count);
            _held.TrySetResult();
            await _released.Task;
            await _log.AppendAsync(changes);
        }

        public ValueTask<LogContents> LoadAsync() => _log.LoadAsync();
        public ValueTask RewriteAsync(IReadOnlyList<Entry> entries, bool leavesNoTrace) => default;
        public ValueTask CompactAsync() => default;
        public ValueTask<bool> ShrinkAsync() => default;
        public long SizeBytes => 0;
        public Entry AsStored(Entry entry) => entry;
        public ValueTask<LogCheck> CheckAsync() => throw new NotSupportedException();
        public ValueTask DisposeAsync() => default;
    }
}
