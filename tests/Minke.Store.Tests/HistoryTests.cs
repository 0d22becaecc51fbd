using Minke.TestSupport;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests;

public sealed class HistoryTests
{
    [Fact]
    public async Task Changes_are_kept_for_an_age_and_the_last_ones_for_ever()
    {
        var time = new ManualTime();
        await using var store = await StoreAsync(options: new() { HistoryAge = TimeSpan.FromMinutes(5), HistoryAtLeast = 100 }, time: time);
        for (var i = 0; i < 1_000; i++)
            await store.PutAsync("/leases/a", $"{i}");
        time.Advance(TimeSpan.FromMinutes(4));
        await store.PutAsync("/leases/a");
        Assert.Equal(new Revision(1), store.CompactedRevision);
        time.Advance(TimeSpan.FromMinutes(2));
        await store.PutAsync("/leases/a");
        // By whole segments: the last hundred are there, and not many more.
        Assert.InRange(store.CurrentRevision.Value - store.CompactedRevision.Value, 100, 400);
        time.Advance(TimeSpan.FromDays(1));
        await store.PutAsync("/leases/a");
        Assert.InRange(store.CurrentRevision.Value - store.CompactedRevision.Value, 100, 400);
    }

    [Fact]
    public async Task A_trickle_of_changes_ages_in_small_steps()
    {
        var time = new ManualTime();
        await using var store = await StoreAsync(options: new() { HistoryAge = TimeSpan.FromMinutes(5), HistoryAtLeast = 0 }, time: time);
        for (var i = 0; i < 100; i++)
        {
            await store.PutAsync("/leases/a", $"{i}");
            time.Advance(TimeSpan.FromSeconds(10));
        }
        Assert.InRange(store.CurrentRevision.Value - store.CompactedRevision.Value, 30, 33);
    }

    [Fact]
    public async Task Memory_for_the_past_is_bounded_by_bytes()
    {
        await using var store = await StoreAsync(options: new() { HistoryBytes = 1_000_000 });
        var value = new string('x', 10_000);
        for (var i = 0; i < 1_000; i++)
            await store.PutAsync("/pods/a", value);
        Assert.InRange(store.CurrentRevision.Value - store.CompactedRevision.Value, 1, 400);
    }

    [Fact]
    public async Task A_wall_clock_that_jumps_changes_nothing()
    {
        var time = new ManualTime();
        await using var store = await StoreAsync(options: new() { HistoryAtLeast = 10 }, time: time);
        using var watch = store.Watch("", store.CurrentRevision)!;
        foreach (var year in new[] { 1970, 2099, 2001, 9000, 2030 })
        {
            time.SetWallClock(new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero));
            for (var i = 0; i < 300; i++)
            {
                var before = store.CurrentRevision;
                Assert.Equal(before.Value + 1, (await store.PutAsync("/leases/a", $"{i}")).Value);
                Assert.Equal(store.CurrentRevision, (await watch.ReadAsync(TimeSpan.Zero, Cancellation)).Revision);
            }
        }
        Assert.Equal(new Revision(1), store.CompactedRevision);
        Assert.NotNull(store.SnapshotAt(new Revision(1)));
    }
}
