using Microsoft.Extensions.Logging.Abstractions;
using Minke.Node.Linux;
using Minke.Node.Network;

namespace Minke.Node.Tests.Network;

public sealed class NamespacePoolTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static PreparedNamespace Numbered(int number) => new($"/{number}", new Ipv4((uint)number));

    private static NamespacePool Pool(Func<Task<PreparedNamespace?>> make, int size) =>
        new(_ => make(), size, TimeProvider.System, NullLogger.Instance);

    [Fact]
    public async Task It_is_filled_to_its_size_and_no_further()
    {
        var made = 0;
        var filled = new TaskCompletionSource();
        using var closing = new CancellationTokenSource();
        var pool = Pool(
            () =>
            {
                if (++made == 3)
                    filled.SetResult();
                return Task.FromResult<PreparedNamespace?>(Numbered(made));
            },
            size: 3);
        var running = pool.RunAsync(closing.Token);
        await filled.Task.WaitAsync(Deadline, Cancellation);
        Assert.Equal("/1", (await pool.TakeAsync(Cancellation)).Path);
        await closing.CancelAsync();
        var rest = await running.WaitAsync(Deadline, Cancellation);
        Assert.Equal(made - 1, rest.Count);
        Assert.InRange(made, 3, 4);
    }

    [Fact]
    public async Task Who_waits_is_served_in_order()
    {
        var gate = new SemaphoreSlim(0);
        var made = 0;
        using var closing = new CancellationTokenSource();
        var pool = Pool(
            async () =>
            {
                await gate.WaitAsync(closing.Token);
                return Numbered(++made);
            },
            size: 0);
        var running = pool.RunAsync(closing.Token);
        var first = pool.TakeAsync(Cancellation);
        var second = pool.TakeAsync(Cancellation);
        Assert.False(first.IsCompleted);
        gate.Release(2);
        Assert.Equal("/1", (await first.WaitAsync(Deadline, Cancellation)).Path);
        Assert.Equal("/2", (await second.WaitAsync(Deadline, Cancellation)).Path);
        await closing.CancelAsync();
        Assert.Empty(await running.WaitAsync(Deadline, Cancellation));
    }

    [Fact]
    public async Task Who_stops_waiting_leaves_the_next_one_to_others()
    {
        var gate = new SemaphoreSlim(0);
        using var closing = new CancellationTokenSource();
        using var impatient = new CancellationTokenSource();
        var pool = Pool(
            async () =>
            {
                await gate.WaitAsync(closing.Token);
                return Numbered(1);
            },
            size: 0);
        var running = pool.RunAsync(closing.Token);
        var first = pool.TakeAsync(impatient.Token);
        var second = pool.TakeAsync(Cancellation);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        gate.Release();
        Assert.Equal("/1", (await second.WaitAsync(Deadline, Cancellation)).Path);
        await closing.CancelAsync();
        await running.WaitAsync(Deadline, Cancellation);
    }

    [Fact]
    public async Task A_failure_reaches_who_waits_and_the_next_who_asks_is_worth_another_try()
    {
        var isBroken = true;
        using var closing = new CancellationTokenSource();
        var pool = Pool(
            () => isBroken ? throw new LinuxException(Errno.EPERM, "make") : Task.FromResult<PreparedNamespace?>(Numbered(1)), size: 0);
        var running = pool.RunAsync(closing.Token);
        await Assert.ThrowsAsync<LinuxException>(() => pool.TakeAsync(Cancellation).WaitAsync(Deadline, Cancellation));
        isBroken = false;
        Assert.Equal("/1", (await pool.TakeAsync(Cancellation).WaitAsync(Deadline, Cancellation)).Path);
        await closing.CancelAsync();
        await running.WaitAsync(Deadline, Cancellation);
    }

    [Fact]
    public async Task Without_a_free_address_asking_fails_until_one_is_given_back()
    {
        PreparedNamespace? next = null;
        using var closing = new CancellationTokenSource();
        var pool = Pool(() => Task.FromResult(Interlocked.Exchange(ref next, null)), size: 1);
        var running = pool.RunAsync(closing.Token);
        await Assert.ThrowsAsync<AddressesExhaustedException>(() => pool.TakeAsync(Cancellation).WaitAsync(Deadline, Cancellation));
        next = Numbered(1);
        pool.AddressFreed();
        Assert.Equal("/1", (await pool.TakeAsync(Cancellation).WaitAsync(Deadline, Cancellation)).Path);
        await closing.CancelAsync();
        await running.WaitAsync(Deadline, Cancellation);
    }

    [Fact]
    public async Task Closing_fails_who_waits()
    {
        using var closing = new CancellationTokenSource();
        var pool = Pool(
            async () =>
            {
                await Task.Delay(Timeout.Infinite, closing.Token);
                return null;
            },
            size: 0);
        var running = pool.RunAsync(closing.Token);
        var waiting = pool.TakeAsync(Cancellation);
        await closing.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(Deadline, Cancellation));
        Assert.Empty(await running.WaitAsync(Deadline, Cancellation));
    }
}
