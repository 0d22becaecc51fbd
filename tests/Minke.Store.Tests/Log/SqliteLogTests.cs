using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests.Log;

public sealed class SqliteLogTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_store_opened_again_is_as_it_was()
    {
        Revision revision;
        Entry[] before;
        await using (var store = await StoreAsync(_directory.Path))
        {
            for (var i = 0; i < 300; i++)
                await store.PutAsync($"/pods/{i % 50}", $"value {i}");
            await store.PutAsync("/empty", "");
            await store.PutAsync("/schlüssel/🔑", "ü");
            await store.PutAsync("/last");
            await store.DeleteAsync("/last");
            revision = store.CurrentRevision;
            before = [.. store.Snapshot().Range("")];
        }
        await using (var store = await StoreAsync(_directory.Path))
        {
            Assert.Equal(revision, store.CurrentRevision);
            Assert.Equal(revision, store.CompactedRevision);
            Assert.Null(store.SnapshotAt(new Revision(revision.Value - 1)));
            Assert.Equal(
                before.Select(entry => (entry.Key, entry.Text(), entry.Created, entry.Modified)),
                store.Snapshot().Range("").Select(entry => (entry.Key, entry.Text(), entry.Created, entry.Modified)));
            Assert.Equal(revision.Value + 1, (await store.PutAsync("/next")).Value);
        }
    }
}
