using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Minke.Store.Log.Sqlite;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests.Log;

public sealed partial class DirectoryLockTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_second_process_is_refused_and_told_who_holds_the_directory()
    {
        await using (await StoreAsync(_directory.Path))
        {
            using var second = Hold();
            Assert.Contains($"in use by process {Environment.ProcessId} (", await second.StandardOutput.ReadLineAsync(Cancellation), StringComparison.Ordinal);
            await second.WaitForExitAsync(Cancellation);
            Assert.Equal(3, second.ExitCode);
        }
        using var third = Hold();
        Assert.Equal("open", await third.StandardOutput.ReadLineAsync(Cancellation));
        var refusal = Assert.Throws<StoreInUseException>(() => SqliteLog.Open(_directory.Path));
        Assert.Contains($"the data directory {_directory.Path} is in use by process {third.Id} (", refusal.Message, StringComparison.Ordinal);

        // However the holder ends, the directory is free then.
        third.Kill();
        await third.WaitForExitAsync(Cancellation);
        await using var store = await StoreAsync(_directory.Path);
        await store.PutAsync("/pods/a");
    }

    [Fact]
    public async Task A_second_store_in_one_process_is_refused()
    {
        await using var store = await StoreAsync(_directory.Path);
        var refusal = Assert.Throws<StoreInUseException>(() => SqliteLog.Open(_directory.Path));
        Assert.Contains("this process", refusal.Message, StringComparison.Ordinal);
        await store.PutAsync("/pods/a");
    }

    /// <summary>Between fork and exec a process that is being started has a copy of every descriptor: a busy machine leaves it there for long.</summary>
    [Fact]
    public async Task A_directory_is_free_once_its_store_is_closed_whoever_has_a_copy_of_the_descriptor()
    {
        int copy;
        await using (await StoreAsync(_directory.Path))
        {
            var held = new DirectoryInfo("/proc/self/fd").EnumerateFiles().First(file => file.LinkTarget == Path.Combine(_directory.Path, "lock"));
            copy = dup(int.Parse(held.Name, CultureInfo.InvariantCulture));
        }
        try
        {
            await using var next = await StoreAsync(_directory.Path);
        }
        finally
        {
            _ = close(copy);
        }
    }

    [LibraryImport("libc")]
    private static partial int dup(int descriptor);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [Fact]
    public async Task A_directory_that_cannot_be_made_is_an_error_that_names_it()
    {
        var file = Path.Combine(_directory.Path, "file");
        await File.WriteAllTextAsync(file, "", Cancellation);
        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(() => StoreAsync(Path.Combine(file, "state")));
        Assert.Contains(file, failure.Message, StringComparison.Ordinal);
    }

    private Process Hold() => Process.Start(
        new ProcessStartInfo(Environment.ProcessPath!, ["hold", _directory.Path]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
}
