using System.Buffers.Binary;
using System.Diagnostics;

namespace Minke.Store.Tests;

public sealed class CrashTests
{
    private const int Rounds = 200;
    private const ulong Seed = 20261121;

    /// <summary>
    /// A child with many clients is killed at a random moment, 200 times on one directory. After each: no acknowledged write is lost,
    /// none is half applied, no revision is given out twice, and the store opens.
    /// </summary>
    [Fact]
    public async Task Killed_at_any_moment_it_keeps_what_it_acknowledged()
    {
        using var directory = new TemporaryDirectory();
        var random = new Random((int)Seed);
        var model = new CrashModel(Seed);
        var (written, roundsWithWrites) = (0, 0);
        var next = Start();
        try
        {
            for (var round = 0; round < Rounds; round++)
            {
                using var child = next;
                var acknowledged = Path.Combine(directory.Path, "acknowledged");
                File.WriteAllBytes(acknowledged, []);
                await child.StandardInput.WriteLineAsync(
                    $"{Path.Combine(directory.Path, "state")} {acknowledged} {Seed} {string.Join(' ', model.NextSteps)}");
                // Most rounds die while they write, some while they open or have just opened.
                if (round % 8 != 0)
                    await UntilAsync(() => new FileInfo(acknowledged).Length > 0 || child.HasExited);
                next = Start();
                await Task.Delay(random.Next(round % 8 == 0 ? 120 : 50), TestContext.Current.CancellationToken);
                Assert.False(child.HasExited, $"round {round}: the child ended by itself");
                child.Kill();
                await child.WaitForExitAsync(TestContext.Current.CancellationToken);

                var acknowledgements = Read(acknowledged);
                (written, roundsWithWrites) = (written + acknowledgements.Count, roundsWithWrites + (acknowledgements.Count > 0 ? 1 : 0));
                await using var store = await CrashChild.OpenAsync(Path.Combine(directory.Path, "state"));
                model.Check(round, store, acknowledgements);
            }
        }
        finally
        {
            next.Kill();
            next.Dispose();
        }
        TestContext.Current.SendDiagnosticMessage($"{Rounds} rounds, {written} acknowledged writes");
        Assert.True(roundsWithWrites > Rounds * 3 / 4, $"only {roundsWithWrites} rounds wrote anything");
    }

    private static Process Start() => Process.Start(new ProcessStartInfo(Environment.ProcessPath!, "crash-child")
    {
        RedirectStandardInput = true,
        // Four bytes of a name would be the only output.
        UseShellExecute = false,
    })!;

    private static async Task UntilAsync(Func<bool> holds)
    {
        var waited = Stopwatch.StartNew();
        while (!holds())
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(60), "the child wrote nothing for a minute");
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }

    private static List<Acknowledgement> Read(string file)
    {
        var bytes = File.ReadAllBytes(file).AsSpan();
        var records = new List<Acknowledgement>();
        for (; bytes.Length >= CrashChild.AcknowledgementBytes; bytes = bytes[CrashChild.AcknowledgementBytes..])
        {
            records.Add(new(
                BinaryPrimitives.ReadInt32LittleEndian(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[8..])));
        }
        return records;
    }
}

internal readonly record struct Acknowledgement(int Client, int Number, long Revision);

/// <summary>What must be in the store: each client's acknowledged steps, and perhaps the one it was waiting for.</summary>
internal sealed class CrashModel(ulong seed)
{
    private sealed record Held(byte[] Value, long? Created, long? Modified); // revisions where an acknowledgement told them

    private readonly Dictionary<string, Held>[] _states = [.. Enumerable.Range(0, CrashChild.Clients).Select(_ => new Dictionary<string, Held>())];
    private readonly int[] _next = new int[CrashChild.Clients];
    private long _revision = 1; // of the store when it was last looked at

    public IReadOnlyList<int> NextSteps => _next;

    public void Check(int round, StateStore store, List<Acknowledgement> acknowledgements)
    {
        var revisions = acknowledgements.Select(acknowledgement => acknowledgement.Revision).ToHashSet();
        Assert.True(revisions.Count == acknowledgements.Count, $"round {round}: a revision was given out twice");
        Assert.True(revisions.All(revision => revision > _revision), $"round {round}: a revision was given out again");
        Assert.True(revisions.All(revision => revision <= store.CurrentRevision.Value), $"round {round}: an acknowledged revision is lost");

        foreach (var acknowledgement in acknowledgements)
        {
            Assert.True(_next[acknowledgement.Client]++ == acknowledgement.Number, $"round {round}: the test lost count");
            Apply(_states[acknowledgement.Client], acknowledgement.Client, acknowledgement.Number, acknowledgement.Revision);
        }
        var applied = acknowledgements.Count;
        var snapshot = store.Snapshot();
        for (var client = 0; client < CrashChild.Clients; client++)
        {
            var actual = snapshot.Range($"/pods/client-{client}/").ToDictionary(entry => entry.Key);
            if (!IsSame(_states[client], actual))
            {
                // The step under way when the child died may have reached the disk: then all of it.
                var (key, _, _) = CrashStep.Of(seed, client, _next[client]);
                Apply(_states[client], client, _next[client]++, null);
                Assert.True(IsSame(_states[client], actual), $"round {round}: client {client} finds something else than it wrote; its last step was {_next[client] - 1} on {key}");
                applied++;
            }
            foreach (var entry in actual.Values)
                _states[client][entry.Key] = new Held(_states[client][entry.Key].Value, entry.Created.Value, entry.Modified.Value);
        }
        Assert.True(store.CurrentRevision.Value == _revision + applied, $"round {round}: {applied} writes, but revision {_revision} to {store.CurrentRevision}");
        Assert.Equal(_states.Sum(state => state.Count), snapshot.Count(""));
        _revision = store.CurrentRevision.Value;
    }

    private void Apply(Dictionary<string, Held> state, int client, int number, long? revision)
    {
        var step = CrashStep.Of(seed, client, number);
        if (step.IsDelete(state.TryGetValue(step.Key, out var existing)))
            state.Remove(step.Key);
        else
            state[step.Key] = new Held(step.Value, existing is null ? revision : existing.Created, revision);
    }

    private static bool IsSame(Dictionary<string, Held> expected, Dictionary<string, Entry> actual) =>
        expected.Count == actual.Count && expected.All(held => actual.TryGetValue(held.Key, out var entry)
            && entry.Value.Span.SequenceEqual(held.Value.Value)
            && (held.Value.Created ?? entry.Created.Value) == entry.Created.Value
            && (held.Value.Modified ?? entry.Modified.Value) == entry.Modified.Value);
}
