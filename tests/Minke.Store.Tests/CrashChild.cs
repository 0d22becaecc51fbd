using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Store.Log.Sqlite;

namespace Minke.Store.Tests;

/// <summary>
/// The process that is killed: clients that write, each its own few keys, and note what was acknowledged in a file, whose pages the
/// kernel keeps when the process ends. What a client does is a function of the seed, so the test can tell what must be there.
/// </summary>
internal static class CrashChild
{
    public const int Clients = 12;
    public const int AcknowledgementBytes = 16;

    /// <summary>Everything happens often: a WAL of a few pages is copied back after every few commits, space given back at once.</summary>
    public static readonly SqliteLogTuning Tuning =
        new() { CheckpointPages = 24, FreePagesAtLeast = 4, FreePagesPerStep = 8, DeletedBytesWorthALook = 1, DeletedBytesOverdue = 50_000 };

    /// <summary>Waits for one line, so that a test can start it ahead: directory, file, seed, then each client's next step.</summary>
    public static async Task<int> RunAsync()
    {
        if (Console.ReadLine()?.Split(' ') is not [var directory, var acknowledged, var seed, .. var next])
            return 0;
        await using var store = await OpenAsync(directory);
        using var file = new FileStream(acknowledged, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => WriteAsync(store, file, ulong.Parse(seed, CultureInfo.InvariantCulture), client,
            int.Parse(next[client], CultureInfo.InvariantCulture)))));
        return 0;
    }

    public static Task<StateStore> OpenAsync(string directory) =>
        StateStore.OpenAsync(SqliteLog.Open(directory, Tuning), new(), TimeProvider.System, NullLogger<StateStore>.Instance);

    private static async Task WriteAsync(StateStore store, FileStream acknowledged, ulong seed, int client, int from)
    {
        var record = new byte[AcknowledgementBytes];
        for (var number = from; ; number++)
        {
            var step = CrashStep.Of(seed, client, number);
            var existing = store.Snapshot().Get(step.Key);
            var result = step.IsDelete(existing is not null)
                ? await store.DeleteAsync(step.Key, existing!.Modified, default)
                : await store.PutAsync(step.Key, step.Value, existing?.Modified ?? Revision.None, default);
            if (result.Outcome != WriteOutcome.Committed)
                throw new InvalidOperationException($"{step.Key} belongs to one client and was in conflict");
            BinaryPrimitives.WriteInt32LittleEndian(record, client);
            BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(4), number);
            BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(8), result.Revision.Value);
            lock (acknowledged)
                acknowledged.Write(record);
        }
    }
}

/// <summary>What a client does at one step.</summary>
internal sealed record CrashStep(string Key, byte[] Value, bool MayDelete)
{
    private const int KeysPerClient = 4;

    public static CrashStep Of(ulong seed, int client, int number)
    {
        // Seeded by all three; a client's steps must not depend on how many a round got to.
        var random = new Random(unchecked((int)(seed * 1_000_003) + (client * 7_919) + (number * 104_729)));
        var key = $"/pods/client-{client}/web-{random.Next(KeysPerClient)}";
        var value = new byte[random.Next(10) == 0 ? random.Next(20_000) : random.Next(10, 1_500)];
        random.NextBytes(value);
        return new CrashStep(key, value, MayDelete: random.Next(4) == 0);
    }

    public bool IsDelete(bool exists) => exists && MayDelete;
}
