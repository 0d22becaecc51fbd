using FsCheck;
using FsCheck.Fluent;
using Minke.TestSupport;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests;

public sealed class WatchTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_watch_gets_the_changes_below_its_prefix_in_order_with_what_was_there_before()
    {
        await using var store = await StoreAsync();
        using var watch = store.Watch("/pods/", store.CurrentRevision)!;
        await store.PutAsync("/pods/a", "one");
        await store.PutAsync("/podsx/a");
        await store.PutAsync("/pods/a", "two");
        var deleted = await store.DeleteAsync("/pods/a");
        var changes = await ReadAsync(watch, 3);
        Assert.Equal([(null, "one"), ("one", "two"), ("two", null)], changes.Select(change => (change.Previous?.Text(), change.Current?.Text())));
        Assert.All(changes, change => Assert.Equal("/pods/a", change.Key));
        Assert.Equal(deleted, changes[^1].Revision);
    }

    [Fact]
    public async Task Who_has_fallen_behind_reads_many_commits_at_once()
    {
        await using var store = await StoreAsync();
        using var watch = store.Watch("/pods/", store.CurrentRevision)!;
        var revisions = new List<Revision>();
        for (var i = 0; i < 2_000; i++)
            revisions.Add(await store.PutAsync($"/pods/{i}"));
        var (read, batches) = (new List<Revision>(), 0);
        for (; read.Count < revisions.Count; batches++)
        {
            var batch = await watch.ReadAsync(Soon, Cancellation);
            Assert.Equal(batch.Revision, batch.Changes[^1].Revision);
            read.AddRange(batch.Changes.Select(change => change.Revision));
        }
        Assert.Equal(revisions, read);
        Assert.Equal(4, batches);
    }

    [Fact]
    public async Task A_watch_resumes_after_a_revision()
    {
        await using var store = await StoreAsync();
        var first = await store.PutAsync("/pods/a");
        await store.PutAsync("/nodes/a");
        var second = await store.PutAsync("/pods/b");
        using var watch = store.Watch("/pods/", first)!;
        var batch = await watch.ReadAsync(Soon, Cancellation);
        Assert.Equal(second, Assert.Single(batch.Changes).Revision);
        Assert.Equal(second, batch.Revision);
    }

    [Fact]
    public async Task A_watch_from_a_compacted_revision_is_refused()
    {
        await using var store = await StoreAsync(options: new() { HistoryAtMost = 500 });
        var old = await store.PutAsync("/pods/a");
        for (var i = 0; i < 2_000; i++)
            await store.PutAsync("/leases/a", $"{i}");
        Assert.Null(store.Watch("/pods/", old));
        using var watch = store.Watch("/pods/", store.CompactedRevision);
        Assert.NotNull(watch);
    }

    [Fact]
    public async Task An_idle_watch_says_how_far_it_is_complete()
    {
        var time = new ManualTime();
        await using var store = await StoreAsync(time: time);
        using var watch = store.Watch("/pods/", store.CurrentRevision)!;
        await store.PutAsync("/nodes/a");
        Assert.Equal(new ChangeBatch([], store.CurrentRevision).Revision, (await watch.ReadAsync(TimeSpan.Zero, Cancellation)).Revision);
        var reading = watch.ReadAsync(TimeSpan.FromMinutes(1), Cancellation).AsTask();
        var current = await store.PutAsync("/nodes/b");
        Assert.False(reading.IsCompleted);
        time.Advance(TimeSpan.FromMinutes(1));
        var batch = await reading;
        Assert.Empty(batch.Changes);
        Assert.Equal(current, batch.Revision);
    }

    [Fact]
    public async Task A_change_wakes_a_waiting_watch_at_once()
    {
        await using var store = await StoreAsync(time: new ManualTime());
        using var watch = store.Watch("/pods/", store.CurrentRevision)!;
        for (var i = 0; i < 100; i++)
        {
            var reading = watch.ReadAsync(i % 2 == 0 ? TimeSpan.FromHours(1) : Timeout.InfiniteTimeSpan, Cancellation).AsTask();
            var revision = await store.PutAsync("/pods/a", $"{i}");
            Assert.Equal(revision, (await reading.WaitAsync(Soon, Cancellation)).Revision);
        }
    }

    [Fact]
    public async Task A_reader_may_stop_waiting_and_come_back()
    {
        await using var store = await StoreAsync();
        using var watch = store.Watch("/pods/", store.CurrentRevision)!;
        using var stop = new CancellationTokenSource();
        var reading = watch.ReadAsync(Timeout.InfiniteTimeSpan, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        var revision = await store.PutAsync("/pods/a");
        Assert.Equal(revision, Assert.Single((await watch.ReadAsync(Soon, Cancellation)).Changes).Revision);
    }

    [Fact]
    public async Task The_end_of_a_watch_or_of_its_store_ends_the_waiting()
    {
        var store = await StoreAsync();
        var first = store.Watch("/pods/", store.CurrentRevision)!;
        var reading = first.ReadAsync(Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        first.Dispose();
        first.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading.WaitAsync(Soon, Cancellation));

        using var second = store.Watch("/pods/", store.CurrentRevision)!;
        reading = second.ReadAsync(Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading.WaitAsync(Soon, Cancellation));
        Assert.Throws<ObjectDisposedException>(() => store.Watch("/pods/", store.CurrentRevision));
    }

    [Fact]
    public async Task A_reader_that_falls_too_far_behind_is_cut_off_and_others_are_not()
    {
        await using var store = await StoreAsync(options: new() { WatchLagAtMost = 100 });
        using var slow = store.Watch("/pods/", store.CurrentRevision)!;
        using var quick = store.Watch("/pods/", store.CurrentRevision)!;
        using var elsewhere = store.Watch("/nodes/", store.CurrentRevision)!;
        for (var i = 0; i < 110; i++)
        {
            await store.PutAsync("/pods/a", $"{i}");
            Assert.Single((await quick.ReadAsync(Soon, Cancellation)).Changes);
        }
        await Assert.ThrowsAsync<WatchTooSlowException>(async () => await slow.ReadAsync(Soon, Cancellation));
        Assert.Equal(store.CurrentRevision, (await elsewhere.ReadAsync(TimeSpan.Zero, Cancellation)).Revision);
    }

    [Fact]
    public async Task A_reader_is_cut_off_by_the_bytes_that_wait_for_it_too()
    {
        await using var store = await StoreAsync(options: new() { WatchLagBytes = 100_000 });
        using var slow = store.Watch("/pods/", store.CurrentRevision)!;
        for (var i = 0; i < 3; i++)
            await store.PutAsync("/pods/a", new string((char)('a' + i), 60_000));
        await Assert.ThrowsAsync<WatchTooSlowException>(async () => await slow.ReadAsync(Soon, Cancellation));
    }

    /// <summary>Whenever a watch starts, and from whatever revision: no gap, no repeat, no wrong order, nothing foreign.</summary>
    [Fact]
    public async Task Watches_that_come_and_go_under_load_see_every_change_once_and_in_order()
    {
        const int changes = 6_000;
        string[] prefixes = ["", "/", "/pods/", "/pods/ns-1/", "/pods/ns-1/a", "/nodes/", "/nothing/"];
        await using var store = await StoreAsync();
        using var all = store.Watch("", store.CurrentRevision)!;
        var writing = Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(async () =>
        {
            var random = new Random(writer);
            for (var i = 0; i < changes / 8; i++)
            {
                var key = $"{(random.Next(4) == 0 ? "/nodes" : $"/pods/ns-{random.Next(3)}")}/{(char)('a' + random.Next(5))}-{writer}";
                if (store.Snapshot().Get(key) is { } entry && random.Next(3) == 0)
                    await store.DeleteAsync(key);
                else
                    await store.PutAsync(key);
            }
        })));
        var watching = Task.WhenAll(Enumerable.Range(0, 40).Select(number => Task.Run(async () =>
        {
            var random = new Random(number);
            var prefix = prefixes[number % prefixes.Length];
            var seen = new List<Change>();
            var start = new Revision(1);
            var complete = start;
            while (complete.Value < 1 + changes)
            {
                // Reconnects where it left off, as a client does.
                using var watch = store.Watch(prefix, complete)!;
                for (var reads = random.Next(1, 60); reads > 0 && complete.Value < 1 + changes; reads--)
                {
                    var batch = await watch.ReadAsync(TimeSpan.FromMilliseconds(random.Next(20)), Cancellation);
                    Assert.True(batch.Revision >= complete);
                    Assert.All(batch.Changes, change => Assert.True(change.Revision > complete && change.Revision <= batch.Revision));
                    seen.AddRange(batch.Changes);
                    complete = batch.Revision;
                    Assert.True(store.CurrentRevision >= complete);
                }
            }
            return (prefix, seen);
        })));
        await writing;
        var everything = await ReadAsync(all, changes);
        Assert.Equal(Enumerable.Range(2, changes), everything.Select(change => (int)change.Revision.Value));
        foreach (var (prefix, seen) in await watching)
            Assert.Equal(everything.Where(change => change.Key.StartsWith(prefix, StringComparison.Ordinal)), seen);
    }

    private sealed record Step(int Key, bool IsDelete);

    [Fact]
    public void A_watch_from_any_revision_leads_from_that_snapshot_to_the_present()
    {
        var step = from key in Gen.Choose(0, 20) from isDelete in Gen.Elements(true, false, false) select new Step(key, isDelete);
        var runs = from steps in Gen.ListOf(step) from at in Gen.Choose(0, 1_000) select (steps, at);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(100), Prop.ForAll(runs.ToArbitrary(), run => Task.Run(() => LeadsAsync([.. run.steps], run.at)).GetAwaiter().GetResult()));

        static async Task LeadsAsync(List<Step> steps, int at)
        {
            await using var store = await StoreAsync();
            foreach (var (key, isDelete) in steps)
            {
                if (!isDelete)
                    await store.PutAsync($"/{key}", $"{store.CurrentRevision}");
                else if (store.Snapshot().Get($"/{key}") is not null)
                    await store.DeleteAsync($"/{key}");
            }
            var from = store.SnapshotAt(new Revision(1 + (at % store.CurrentRevision.Value)))!;
            var replayed = from.Range("").ToDictionary(entry => entry.Key);
            using var watch = store.Watch("", from.Revision)!;
            for (ChangeBatch batch; (batch = await watch.ReadAsync(TimeSpan.Zero, default)).Changes.Count > 0;)
            {
                foreach (var change in batch.Changes)
                {
                    Assert.Equal(change.Previous, replayed.GetValueOrDefault(change.Key));
                    if (change.Current is null)
                        replayed.Remove(change.Key);
                    else
                        replayed[change.Key] = change.Current;
                }
            }
            Assert.Equal(store.Snapshot().Range(""), replayed.Values.OrderBy(entry => entry.Key, StringComparer.Ordinal));
        }
    }

    private static async Task<List<Change>> ReadAsync(StateWatch watch, int count)
    {
        var changes = new List<Change>();
        while (changes.Count < count)
        {
            var batch = await watch.ReadAsync(Soon, Cancellation);
            Assert.NotEmpty(batch.Changes);
            changes.AddRange(batch.Changes);
        }
        Assert.Equal(count, changes.Count);
        return changes;
    }
}
