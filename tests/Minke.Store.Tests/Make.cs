using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Store.Log;

namespace Minke.Store.Tests;

/// <summary>Stores and values that carry only what a test cares about.</summary>
internal static class Make
{
    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static Task<StateStore> StoreAsync(IStateLog? log = null, StateStoreOptions? options = null, TimeProvider? time = null) =>
        StateStore.OpenAsync(log ?? new MemoryLog(), options ?? new(), time ?? TimeProvider.System, NullLogger<StateStore>.Instance);

    public static Task<StateStore> StoreAsync(string directory, StateStoreOptions? options = null, TimeProvider? time = null) =>
        StateStore.OpenAsync(directory, options ?? new(), time ?? TimeProvider.System, NullLogger<StateStore>.Instance);

    public static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    public static string Text(this Entry entry) => Encoding.UTF8.GetString(entry.Value.Span);

    public static async Task<Revision> PutAsync(this StateStore store, string key, string value = "x")
    {
        var result = await store.PutAsync(key, Bytes(value), store.Snapshot().Get(key)?.Modified ?? Revision.None, Cancellation);
        Assert.Equal(WriteOutcome.Committed, result.Outcome);
        return result.Revision;
    }

    public static async Task<Revision> DeleteAsync(this StateStore store, string key)
    {
        var result = await store.DeleteAsync(key, store.Snapshot().Get(key)!.Modified, Cancellation);
        Assert.Equal(WriteOutcome.Committed, result.Outcome);
        return result.Revision;
    }
}

/// <summary>A directory that is gone after the test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("minke-store-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
