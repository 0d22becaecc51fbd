using System.Collections.Concurrent;
using System.Diagnostics;
using Minke.Store.Log;
using Minke.Store.Log.Sqlite;
using Minke.TestSupport;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests.Log;

public sealed class DiskTroubleTests
{
    [Fact]
    public async Task On_a_full_disk_writes_fail_and_reads_go_on_until_there_is_space_again()
    {
        using var disk = MountedDisk.Tmpfs(megabytes: 8);
        var directory = Path.Combine(disk.Path, "state");
        await using (var store = await StoreAsync(directory))
        {
            await store.PutAsync("/pods/a", "before");
            using var watch = store.Watch("/pods/", store.CurrentRevision)!;
            var ballast = disk.Fill();

            var failure = await FailAsync(store);
            Assert.Contains("no space left on the disk", failure.Message, StringComparison.Ordinal);
            Assert.Contains(directory, failure.Message, StringComparison.Ordinal);
            Assert.Equal(failure.Message, store.Trouble);
            var revision = store.CurrentRevision;
            Assert.Equal("before", store.Snapshot().Get("/pods/a")!.Text());
            Assert.Equal("before", Assert.Single(store.SnapshotAt(new Revision(2))!.Range("/pods/")).Text());
            await FailAsync(store);
            Assert.Equal(revision, store.CurrentRevision);

            File.Delete(ballast);
            // Without a write: the store tries the disk by itself.
            await UntilAsync(() => store.Trouble is null);
            await store.PutAsync("/pods/a", "after");
            Assert.Equal("after", Assert.Single((await watch.ReadAsync(TimeSpan.FromSeconds(20), Cancellation)).Changes).Current!.Text());
        }
        await using (var store = await StoreAsync(directory))
            Assert.Equal("after", store.Snapshot().Get("/pods/a")!.Text());
    }

    [Fact]
    public async Task With_a_disk_that_fills_and_empties_under_many_writers_what_failed_is_not_there_and_what_succeeded_is()
    {
        using var disk = MountedDisk.Tmpfs(megabytes: 24);
        var directory = Path.Combine(disk.Path, "state");
        var (expected, expectedRevision, failures) = (new ConcurrentDictionary<string, string>(), Revision.None, 0);
        await using (var store = await StoreAsync(directory))
        {
            var stop = false;
            var writers = Enumerable.Range(0, 16).Select(writer => Task.Run(async () =>
            {
                var random = new Random(writer);
                for (var i = 0; !Volatile.Read(ref stop); i++)
                {
                    // A new key now and then: a full disk has room for what replaces something.
                    var (key, value) = ($"/pods/{writer}/{i / 8}", $"{i} {new string('x', random.Next(16_000))}");
                    try
                    {
                        await store.PutAsync(key, value);
                        expected[key] = value;
                    }
                    catch (StoreUnavailableException)
                    {
                        Interlocked.Increment(ref failures);
                    }
                }
            })).ToArray();
            for (var round = 0; round < 8; round++)
            {
                var (ballast, failed) = (disk.Fill(), Volatile.Read(ref failures));
                await UntilAsync(() => Volatile.Read(ref failures) > failed);
                File.Delete(ballast);
                var revision = store.CurrentRevision.Value;
                await UntilAsync(() => store.CurrentRevision.Value > revision + 20);
            }
            Volatile.Write(ref stop, true);
            await Task.WhenAll(writers);
            AssertHolds(store);
            expectedRevision = store.CurrentRevision;
        }
        await using (var store = await StoreAsync(directory))
        {
            AssertHolds(store);
            Assert.Equal(expectedRevision, store.CurrentRevision);
        }

        void AssertHolds(StateStore store) => Assert.Equal(
            expected.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)),
            store.Snapshot().Range("").Select(entry => (entry.Key, entry.Text())));
    }

    [Fact]
    public async Task A_store_opens_on_a_full_disk()
    {
        using var disk = MountedDisk.Tmpfs(megabytes: 4);
        var directory = Path.Combine(disk.Path, "state");
        await using (var store = await StoreAsync(directory))
            await store.PutAsync("/pods/a", "one");
        var ballast = disk.Fill();
        await using (var store = await StoreAsync(directory))
        {
            Assert.Equal("one", store.Snapshot().Get("/pods/a")!.Text());
            await FailAsync(store);
            File.Delete(ballast);
            await store.PutAsync("/pods/a", "two");
        }
    }

    [Fact]
    public async Task A_disk_that_turns_read_only_can_be_mounted_again_under_the_running_store()
    {
        using var disk = MountedDisk.Ext4(megabytes: 16);
        var directory = Path.Combine(disk.Path, "state");
        await using var store = await StoreAsync(directory);
        await store.PutAsync("/pods/a", "before");
        disk.Break();

        var failure = await FailAsync(store);
        Assert.Contains("the file system is read-only", failure.Message, StringComparison.Ordinal);
        Assert.Equal("before", store.Snapshot().Get("/pods/a")!.Text());
        await FailAsync(store);

        await UntilAsync(() => Succeeds(disk.Unmount));
        // The mount point is an empty directory now: no new, empty state may be made in it.
        await FailAsync(store);
        Assert.Empty(Directory.EnumerateFiles(disk.Path, "*.db", SearchOption.AllDirectories));
        disk.Mount();
        await UntilAsync(() => store.Trouble is null);
        await store.PutAsync("/pods/a", "after");
        Assert.Throws<StoreInUseException>(() => SqliteLog.Open(directory));
    }

    /// <summary>An fsync that fails after the WAL has reached the disk: the commit comes back to life when the file is opened again.</summary>
    [Fact]
    public async Task A_commit_that_was_reported_as_failed_is_taken_back()
    {
        using var directory = new TemporaryDirectory();
        var log = SqliteLog.Open(directory.Path);
        await using (var store = await StoreAsync(log))
        {
            await store.PutAsync("/pods/a", "one");
            await store.PutAsync("/pods/b", "one");
            log.AfterCommit = () =>
            {
                log.AfterCommit = null;
                throw new SqliteException(SqliteNative.SQLITE_IOERR, 5, "disk I/O error");
            };
            var writes = new[]
            {
                store.PutAsync("/pods/a", Bytes("two"), new Revision(2), Cancellation).AsTask(),
                store.DeleteAsync("/pods/b", new Revision(3), Cancellation).AsTask(),
                store.PutAsync("/pods/c", Bytes("two"), Revision.None, Cancellation).AsTask(),
            };
            // Whichever of them were in the commit that failed.
            var failed = 0;
            foreach (var write in writes)
            {
                try
                {
                    await write;
                }
                catch (StoreUnavailableException exception)
                {
                    Assert.Contains("Input/output error", exception.Message, StringComparison.Ordinal);
                    failed++;
                }
            }
            Assert.NotEqual(0, failed);
            Assert.Equal(3 + writes.Length - failed, store.CurrentRevision.Value);
            await store.PutAsync("/pods/d", "three");
        }
        await using (var store = await StoreAsync(directory.Path))
        {
            Assert.Equal("one", store.Snapshot().Get("/pods/a")!.Text());
            Assert.Equal("three", store.Snapshot().Get("/pods/d")!.Text());
        }
    }

    [Fact]
    public async Task A_failed_commit_is_taken_back_also_when_the_store_ends_with_it()
    {
        using var directory = new TemporaryDirectory();
        var log = SqliteLog.Open(directory.Path);
        // A clock that stands still: nothing tries the disk after the failure.
        await using (var store = await StoreAsync(log, time: new ManualTime()))
        {
            await store.PutAsync("/pods/a", "one");
            log.AfterCommit = () => throw new SqliteException(SqliteNative.SQLITE_IOERR, 5, "disk I/O error");
            await Assert.ThrowsAsync<StoreUnavailableException>(() => store.PutAsync("/pods/a", "two"));
        }
        await using (var store = await StoreAsync(directory.Path))
            Assert.Equal("one", store.Snapshot().Get("/pods/a")!.Text());
    }

    [Fact]
    public async Task With_a_disk_that_fails_at_random_what_failed_is_not_there_and_what_succeeded_is()
    {
        using var directory = new TemporaryDirectory();
        var log = SqliteLog.Open(directory.Path, CrashChild.Tuning);
        var (expected, failures, random) = (new ConcurrentDictionary<string, string>(), 0, new Random(7));
        await using (var store = await StoreAsync(log))
        {
            // On the log's thread: one at a time.
            log.AfterCommit = () =>
            {
                if (random.Next(8) == 0)
                    throw new SqliteException(SqliteNative.SQLITE_IOERR, 5, "disk I/O error");
            };
            await Task.WhenAll(Enumerable.Range(0, 12).Select(writer => Task.Run(async () =>
            {
                var steps = new Random(writer);
                for (var i = 0; i < 150; i++)
                {
                    var (key, value) = ($"/pods/{writer}/{steps.Next(4)}", $"{i} {new string('x', steps.Next(3_000))}");
                    try
                    {
                        if (steps.Next(4) == 0 && expected.ContainsKey(key))
                        {
                            await store.DeleteAsync(key);
                            expected.TryRemove(key, out _);
                        }
                        else
                        {
                            await store.PutAsync(key, value);
                            expected[key] = value;
                        }
                    }
                    catch (StoreUnavailableException)
                    {
                        Interlocked.Increment(ref failures);
                    }
                }
            })));
            log.AfterCommit = null;
            AssertHolds(store);
        }
        Assert.InRange(failures, 20, 1_700);
        await using (var store = await StoreAsync(directory.Path))
            AssertHolds(store);

        void AssertHolds(StateStore store) => Assert.Equal(
            expected.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)),
            store.Snapshot().Range("").Select(entry => (entry.Key, entry.Text())));
    }

    [Fact]
    public async Task A_state_that_somebody_else_has_changed_stops_the_writes()
    {
        using var directory = new TemporaryDirectory();
        var log = SqliteLog.Open(directory.Path);
        await using var store = await StoreAsync(log);
        await store.PutAsync("/pods/a", "one");
        var revision = store.Snapshot().Get("/pods/a")!.Modified;
        // A version that memory does not know, as if the row had been changed behind its back.
        await log.AppendAsync([new Change(new Revision(9), "/pods/a", store.Snapshot().Get("/pods/a"), null)]);

        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.PutAsync("/pods/a", Bytes("two"), revision, Cancellation));
        Assert.Contains("changed by somebody else", failure.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.PutAsync("/pods/b", Bytes("two"), Revision.None, Cancellation));
        Assert.Equal("one", store.Snapshot().Get("/pods/a")!.Text());
        Assert.Contains("changed by somebody else", store.Trouble!, StringComparison.Ordinal);
    }

    /// <summary>Writes until one fails: the WAL may have room left.</summary>
    private static async Task<StoreUnavailableException> FailAsync(StateStore store)
    {
        for (var i = 0; i < 1_000; i++)
        {
            try
            {
                await store.PutAsync("/ballast", new string('x', 100_000));
            }
            catch (StoreUnavailableException exception)
            {
                return exception;
            }
        }
        throw new UnreachableException("the disk took 100 MB");
    }

    private static bool Succeeds(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
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
