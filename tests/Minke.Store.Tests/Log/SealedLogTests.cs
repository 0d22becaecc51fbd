using System.Text;
using Minke.Store.Log;
using Minke.Store.Log.Sealing;
using Minke.Store.Log.Sqlite;
using static Minke.Store.Tests.Make;

namespace Minke.Store.Tests.Log;

public sealed class SealedLogTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string KeyFile => Path.Combine(_directory.Path, "keys");
    private string State => Path.Combine(_directory.Path, "state");

    public void Dispose() => _directory.Dispose();

    private Task<StateStore> OpenAsync(SealingKeys? keys = null) => StoreAsync(new SealedLog(SqliteLog.Open(State), keys ?? SealingKeys.Open(KeyFile), ["/secrets/"]));

    private async Task<string> OnDiskAsync()
    {
        var text = new StringBuilder();
        foreach (var file in Directory.GetFiles(State, "state.db*"))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[stream.Length];
            await stream.ReadExactlyAsync(bytes, Cancellation);
            text.Append(Encoding.Latin1.GetString(bytes));
        }
        return text.ToString();
    }

    [Fact]
    public async Task A_secret_is_never_on_the_disk_in_plain_and_everything_else_is()
    {
        await using (var store = await OpenAsync())
        {
            await store.PutAsync("/secrets/a/b", "swordfish");
            await store.PutAsync("/secrets/a/b", "swordfish again");
            await store.PutAsync("/pods/a/b", "not a secret");
            Assert.Equal("swordfish again", store.Snapshot().Get("/secrets/a/b")!.Text());
            Assert.DoesNotContain("swordfish", await OnDiskAsync(), StringComparison.Ordinal);
        }
        await using (var store = await OpenAsync())
            Assert.Equal("swordfish again", store.Snapshot().Get("/secrets/a/b")!.Text());
        var disk = await OnDiskAsync();
        Assert.DoesNotContain("swordfish", disk, StringComparison.Ordinal);
        Assert.Contains("not a secret", disk, StringComparison.Ordinal);
        Assert.Contains($"k8s:enc:aesgcm:v1:{SealingKeys.Open(KeyFile).ActiveId}:", disk, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
    }

    [Fact]
    public async Task Secrets_from_before_are_read_and_sealed_without_a_trace_and_keep_their_revisions()
    {
        Revision before;
        await using (var store = await StoreAsync(State))
        {
            for (var i = 0; i < 200; i++)
                await store.PutAsync($"/secrets/a/{i % 50}", $"swordfish {i} {new string('x', 500)}");
            await store.DeleteAsync("/secrets/a/7");
            before = store.CurrentRevision;
        }
        Assert.Contains("swordfish", await OnDiskAsync(), StringComparison.Ordinal);
        await using (var store = await OpenAsync())
        {
            Assert.Equal(before, store.CurrentRevision);
            Assert.StartsWith("swordfish 199 ", store.Snapshot().Get("/secrets/a/49")!.Text(), StringComparison.Ordinal);
            Assert.Equal(before.Value - 1, store.Snapshot().Get("/secrets/a/49")!.Modified.Value);
        }
        Assert.DoesNotContain("swordfish", await OnDiskAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_key_seals_everything_and_the_old_one_may_go()
    {
        var keys = SealingKeys.Open(KeyFile);
        var old = keys.ActiveId;
        await using (var store = await OpenAsync(keys))
            await store.PutAsync("/secrets/a/b", "swordfish");
        keys.Rotate();
        await using (var store = await OpenAsync(SealingKeys.Open(KeyFile)))
            Assert.Equal("swordfish", store.Snapshot().Get("/secrets/a/b")!.Text());
        Assert.DoesNotContain($":{old}:", (await OnDiskAsync()).Split("k8s:enc")[^1], StringComparison.Ordinal);
        keys.ForgetOld();
        Assert.NotEqual(old, SealingKeys.Open(KeyFile).ActiveId);
        await using (var store = await OpenAsync())
            Assert.Equal("swordfish", store.Snapshot().Get("/secrets/a/b")!.Text());
    }

    [Fact]
    public async Task Without_its_key_the_state_does_not_open_and_says_which_file_is_missing()
    {
        await using (var store = await OpenAsync())
            await store.PutAsync("/secrets/a/b", "swordfish");
        var id = SealingKeys.Open(KeyFile).ActiveId;
        File.Delete(KeyFile);
        var refused = await Assert.ThrowsAsync<StoreCorruptException>(async () => await OpenAsync());
        Assert.Equal($"/secrets/a/b is sealed with the key {id}, which {KeyFile} does not hold: restore that file", refused.Message);
        await File.WriteAllTextAsync(KeyFile, "nothing\n", Cancellation);
        Assert.Contains("line 1 is not an id and a key", Assert.Throws<StoreCorruptException>(() => SealingKeys.Open(KeyFile)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sealed_value_that_was_changed_cut_or_moved_does_not_open()
    {
        var keys = SealingKeys.Open(KeyFile);
        var random = new Random(1);
        for (var round = 0; round < 500; round++)
        {
            var value = new byte[random.Next(100)];
            random.NextBytes(value);
            var stored = SealedValue.Seal("/secrets/a", value, keys);
            Assert.Equal(value, SealedValue.Open("/secrets/a", stored, keys, out var isCurrent));
            Assert.True(isCurrent);
            Assert.Throws<StoreCorruptException>(() => SealedValue.Open("/secrets/b", stored, keys, out _));
            Assert.Throws<StoreCorruptException>(() => SealedValue.Open("/secrets/a", stored.AsSpan(0, random.Next(18, stored.Length)), keys, out _));
            stored[random.Next(18, stored.Length)] ^= (byte)(1 << random.Next(8));
            Assert.Throws<StoreCorruptException>(() => SealedValue.Open("/secrets/a", stored, keys, out _));
        }
    }
}
