using Minke.Node.Images;
using Minke.Node.Images.Layers;
using Minke.Node.Runtime;
using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

/// <summary>The store's promises: seen at once by everybody, nothing half there, nothing lost that is needed.</summary>
public sealed class ImageStoreTests : IDisposable
{
    private readonly TemporaryStore _temporary = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private ImageStore Store => _temporary.Store;

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public async Task Two_processes_on_one_store_see_each_others_changes_at_once()
    {
        // Two openings share nothing but the disk, like two processes.
        using var other = ImageStore.Open(Store.Root, TimeProvider.System);
        Assert.Null(other.Find("demo:1"));
        var image = await LoadAsync("demo:1", "a");
        Assert.Equal(image.Id, other.Find("demo:1")!.Id);
        await other.TagAsync("demo:1", "second:2", Token);
        Assert.Equal(image.Id, Store.Find("second:2")!.Id);
        await other.RemoveAsync("demo:1", Token);
        Assert.Null(Store.Find("demo:1"));
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task Changes_from_many_openings_at_once_all_count()
    {
        await LoadAsync("demo:1", "a");
        var stores = Enumerable.Range(0, 4).Select(_ => ImageStore.Open(Store.Root, TimeProvider.System)).ToList();
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(() => stores[i % 4].TagAsync("demo:1", $"tag:{i}", Token), Token)));
        Assert.Equal(41, Store.Find("demo:1")!.Tags.Count);
        stores.ForEach(store => store.Dispose());
    }

    [Fact]
    public async Task A_tag_moves_to_the_image_it_was_given_last()
    {
        var first = await LoadAsync("demo:1", "a");
        var second = await LoadAsync("demo:1", "b");
        Assert.Equal(second.Id, Store.Find("demo:1")!.Id);
        Assert.Empty(Store.Find(first.Id)!.Tags);
        Assert.Equal(2, Store.List().Count);
    }

    [Fact]
    public async Task Untagging_takes_the_image_with_the_last_name()
    {
        var image = await LoadAsync("demo:1", "a");
        await Store.TagAsync("demo:1", "demo:2", Token);
        Assert.False((await Store.UntagAsync("demo:2", Token))!.IsRemoved);
        Assert.Equal(["docker.io/library/demo:1"], Store.Find(image.Id)!.Tags);
        Assert.True((await Store.UntagAsync("demo:1", Token))!.IsRemoved);
        Assert.Null(await Store.UntagAsync("demo:1", Token));
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task Layers_that_another_image_has_stay()
    {
        var shared = new TestLayer().File("shared", "s");
        var one = await LoadAsync(TestImage.FromLayers("one:1", shared, new TestLayer().File("own", "1")));
        var two = await LoadAsync(TestImage.FromLayers("two:1", shared, new TestLayer().File("own", "2")));
        Assert.Equal(one.LayerDirectories[0], two.LayerDirectories[0]);
        var usage = Store.Usage().Single(usage => usage.Id == one.Id);
        Assert.True(usage.UniqueBytes < usage.Bytes);
        Assert.True(Store.FileSystem().UsedBytes > 0);
        Assert.True(Directory.Exists(Store.FileSystem().Mountpoint));
        await Store.RemoveAsync("one:1", Token);
        Assert.Equal(2, _temporary.Layers.Count);
        Assert.All(two.LayerDirectories, layer => Assert.True(Directory.Exists(layer)));
    }

    [Fact]
    public async Task The_same_tar_above_other_layers_is_another_layer()
    {
        var top = new TestLayer().File("tmp/x", "x");
        var one = await LoadAsync(TestImage.FromLayers("one:1", new TestLayer().Directory("tmp", 0b111_000_000), top));
        var two = await LoadAsync(TestImage.FromLayers("two:1", new TestLayer().Directory("tmp", 0b001_111_111_111), top));
        Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(Path.Combine(one.LayerDirectories[1], "tmp")));
        Assert.Equal((UnixFileMode)0b001_111_111_111, File.GetUnixFileMode(Path.Combine(two.LayerDirectories[1], "tmp")));
    }

    [Fact]
    public async Task What_a_killed_pull_left_is_cleared_at_the_next_start_but_its_downloads_are_kept()
    {
        var image = await LoadAsync("demo:1", "a");
        Directory.CreateDirectory(Path.Combine(Store.Root, "l", "halfunpacked", "etc"));
        await File.WriteAllTextAsync(Path.Combine(Store.Root, "l", "halfunpacked", "etc", "x"), "x", Token);
        await File.WriteAllTextAsync(Path.Combine(Store.Root, "partial", $"sha256-{new string('a', 64)}"), "x", Token);
        await File.WriteAllTextAsync(Path.Combine(Store.Root, "partial", "load-0123"), "x", Token);
        await File.WriteAllTextAsync(Path.Combine(Store.Root, "images.json.new"), "{", Token);

        using var again = ImageStore.Open(Store.Root, TimeProvider.System);
        Assert.Equal(image.LayerDirectories, _temporary.Layers);
        Assert.Single(_temporary.Partial);
        Assert.NotNull(again.Find("demo:1"));
        await again.PruneAsync(Token);
        Assert.Empty(_temporary.Partial);
    }

    [Fact]
    public async Task What_another_process_is_building_is_left_alone()
    {
        using var draft = Store.BeginLayer();
        using var partial = Store.OpenPartial(Digest.OfSha256("x"u8));
        partial.File.WriteByte(1);
        using var other = ImageStore.Open(Store.Root, TimeProvider.System);
        await other.PruneAsync(Token);
        Assert.True(Directory.Exists(draft.Path));
        Assert.Single(_temporary.Partial);
    }

    [Fact]
    public async Task A_damaged_index_is_set_aside_and_the_store_opens()
    {
        await LoadAsync("demo:1", "a");
        await File.WriteAllTextAsync(Path.Combine(Store.Root, "images.json"), "{\"images\":[", Token);
        using var again = ImageStore.Open(Store.Root, TimeProvider.System);
        Assert.Empty(again.List());
        Assert.True(File.Exists(Path.Combine(Store.Root, "images.json.damaged")));
        Assert.Empty(_temporary.Layers);
    }

    [Fact]
    public async Task A_store_of_a_later_version_is_not_touched()
    {
        await File.WriteAllTextAsync(Path.Combine(Store.Root, "images.json"), "{\"version\":2}", Token);
        Assert.Throws<InvalidDataException>(() => ImageStore.Open(Store.Root, TimeProvider.System));
        Assert.True(File.Exists(Path.Combine(Store.Root, "images.json")));
        File.Delete(Path.Combine(Store.Root, "images.json"));
    }

    [Fact]
    public async Task A_layer_that_was_deleted_by_hand_is_made_again()
    {
        var built = TestImage.FromLayers("demo:1", new TestLayer().File("a", "a")).Build();
        var image = await LoadAsync(built);
        Directory.Delete(image.LayerDirectories[0], recursive: true);
        var again = await LoadAsync(built);
        Assert.Equal("a", await File.ReadAllTextAsync(Path.Combine(again.LayerDirectories[0], "a"), Token));
        Assert.Equal(again.LayerDirectories, Store.Find("demo:1")!.LayerDirectories);
    }

    [Fact]
    public async Task Collection_takes_the_least_recently_used_and_no_more_than_needed()
    {
        var clock = new ManualTime();
        using var store = ImageStore.Open(Path.Combine(_temporary.Directory, "gc"), clock);
        var archive = new ImageArchive(store, clock);
        var ids = new List<string>();
        foreach (var name in (string[])["old", "used", "pinned", "middle", "new"])
        {
            var tar = TestImage.FromLayers($"{name}:1", new TestLayer().File(name, new byte[100_000])).Build().ToDockerArchive();
            ids.Add((await archive.LoadAsync(new MemoryStream(tar), null, null, Token)).Single().Id);
            clock.Advance(TimeSpan.FromMinutes(1));
        }
        await store.SetPinnedAsync("pinned:1", true, Token);
        var available = 20_000_000L;
        var collector = new ImageGarbageCollector(store, new ImageGcPolicy(), () => (100_000_000, available), clock);
        var inUse = new HashSet<string> { ids[1] };

        Assert.Empty((await collector.CollectAsync(inUse, Token)).Removed); // 80 % full: below the threshold
        available = 10_000_000;
        var starved = await collector.CollectAsync(new HashSet<string>(ids), Token);
        Assert.Equal("Failed to garbage collect required amount of images. Attempted to free 10000000 bytes, but only found 0 bytes eligible to free.", starved.Failure);

        // 86 % full and half an image over the mark: one image is enough.
        clock.Advance(TimeSpan.FromHours(1));
        var collector2 = new ImageGarbageCollector(store, new ImageGcPolicy { LowThresholdPercent = 86, HighThresholdPercent = 86 }, () => (100_000_000, 13_950_000), clock);
        var one = await collector2.CollectAsync(inUse, Token);
        Assert.Equal([ids[0]], one.Removed);
        Assert.Null(one.Failure);
        Assert.True(one.FreedBytes >= 50_000);

        var rest = await collector.CollectAsync(inUse, Token);
        // This collector saw both in use at the same moment: their order says nothing.
        Assert.Equal(new HashSet<string> { ids[3], ids[4] }, rest.Removed.ToHashSet());
        Assert.NotNull(store.Find("used:1"));
        Assert.NotNull(store.Find("pinned:1"));
    }

    [Fact]
    public async Task Young_images_stay_and_those_unused_for_too_long_go()
    {
        var clock = new ManualTime();
        using var store = ImageStore.Open(Path.Combine(_temporary.Directory, "gc"), clock);
        var tar = TestImage.FromLayers("demo:1", new TestLayer().File("a", "a")).Build().ToDockerArchive();
        await new ImageArchive(store, clock).LoadAsync(new MemoryStream(tar), null, null, Token);
        var none = new HashSet<string>();
        Assert.Empty((await new ImageGarbageCollector(store, new ImageGcPolicy(), () => (100, 0), clock).CollectAsync(none, Token)).Removed);
        clock.Advance(TimeSpan.FromDays(8));
        var weekly = new ImageGarbageCollector(store, new ImageGcPolicy { MaximumAge = TimeSpan.FromDays(7) }, () => (100, 90), clock);
        Assert.Single((await weekly.CollectAsync(none, Token)).Removed);
    }

    private Task<ImageInfo> LoadAsync(string reference, string content) => LoadAsync(TestImage.FromLayers(reference, new TestLayer().File("f", content)));

    private Task<ImageInfo> LoadAsync(TestImage image) => LoadAsync(image.Build());

    private async Task<ImageInfo> LoadAsync(BuiltImage image) =>
        (await _temporary.Archive.LoadAsync(new MemoryStream(image.ToDockerArchive()), null, null, Token)).Single();

    private sealed class ManualTime : TimeProvider
    {
        private DateTimeOffset _now = new(2024, 6, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => _now;

        public void Advance(TimeSpan span) => _now += span;
    }
}
