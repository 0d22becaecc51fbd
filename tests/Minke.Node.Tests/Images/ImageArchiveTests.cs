using System.Text;
using Minke.Node.Images;
using Minke.Node.Runtime;
using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

/// <summary>Loading and saving: what goes in comes out, and what is broken leaves nothing.</summary>
public sealed class ImageArchiveTests : IDisposable
{
    private readonly TemporaryStore _temporary = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public async Task A_docker_archive_becomes_an_image_with_its_layers_unpacked()
    {
        var built = (TestImage.Busybox("demo:1") with { User = "1000:1000", Entrypoint = ["/bin/sh"] }).Build();
        var image = Assert.Single(await LoadAsync(built.ToDockerArchive()));

        Assert.Equal(built.ConfigDigest, image.Id);
        Assert.Equal(["docker.io/library/demo:1"], image.Tags);
        Assert.Equal("1000:1000", image.Config.User);
        Assert.Equal(["/bin/sh"], image.Config.Entrypoint);
        var layer = Assert.Single(image.LayerDirectories);
        Assert.Equal(File.ReadAllBytes(TestImage.BusyboxPath), File.ReadAllBytes(Path.Combine(layer, "bin/busybox")));
        Assert.Equal("busybox", File.ResolveLinkTarget(Path.Combine(layer, "bin/sh"), false)!.Name);
        Assert.Equal((UnixFileMode)0b001_111_111_111, File.GetUnixFileMode(Path.Combine(layer, "tmp")));
        Assert.Equal(TestImage.Created.UtcDateTime, Directory.GetLastWriteTimeUtc(Path.Combine(layer, "bin")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_oci_layout_loads_from_a_directory_and_from_a_tar(bool isDirectory)
    {
        var built = (TestImage.Busybox("demo:1") with { IsDockerSchema = !isDirectory, Files = new Dictionary<string, string> { ["etc/motd"] = "hi" } }).Build();
        var layout = Path.Combine(_temporary.Directory, "layout");
        built.WriteOciLayout(layout);
        var image = Assert.Single(isDirectory
            ? await _temporary.Archive.LoadAsync(layout, null, null, Token) : await LoadAsync(built.ToOciArchive()));
        Assert.Equal(built.ConfigDigest, image.Id);
        Assert.Equal(2, image.LayerDirectories.Count);
        Assert.Equal("hi", File.ReadAllText(Path.Combine(image.LayerDirectories[1], "etc/motd")));
        Assert.Empty(_temporary.Partial);
    }

    [Fact]
    public async Task A_compressed_archive_is_recognised()
    {
        var built = TestImage.Busybox("demo:1").Build();
        Assert.Single(await LoadAsync(TestImage.Gzip(built.ToDockerArchive())));
    }

    [Theory]
    [InlineData(ArchiveFormat.Docker)]
    [InlineData(ArchiveFormat.Oci)]
    public async Task What_is_saved_loads_elsewhere_as_the_same_image(ArchiveFormat format)
    {
        var built = (TestImage.Busybox("demo:1") with { Files = new Dictionary<string, string> { ["a"] = "b" } }).Build();
        await LoadAsync(built.ToOciArchive());
        using var output = new MemoryStream();
        await _temporary.Archive.SaveAsync(["demo:1"], output, format, Token);

        using var elsewhere = new TemporaryStore();
        output.Position = 0;
        var image = Assert.Single(await elsewhere.Archive.LoadAsync(output, null, null, Token));
        Assert.Equal(built.ConfigDigest, image.Id);
        Assert.Equal(["docker.io/library/demo:1"], image.Tags);
        Assert.NotNull(elsewhere.Store.OpenBlob(Digest.Parse(built.ManifestDigest)));
    }

    [Fact]
    public async Task A_given_name_replaces_the_archives()
    {
        await using var archive = new MemoryStream(TestImage.Busybox("demo:1").Build().ToOciArchive());
        var image = Assert.Single(await _temporary.Archive.LoadAsync(archive, "other/name", null, Token));
        Assert.Equal(["docker.io/other/name:latest"], image.Tags);
    }

    [Fact]
    public async Task An_archive_cut_off_anywhere_is_refused_and_leaves_nothing()
    {
        var archive = (TestImage.FromLayers("demo:1", new TestLayer().File("a", new string('x', 5000)))).Build().ToDockerArchive();
        for (var length = 0; length < archive.Length - 10240; length += 397)
        {
            var failure = await Assert.ThrowsAsync<ImageException>(() => LoadAsync(archive[..length]));
            Assert.StartsWith("load images from archive: ", failure.Message, StringComparison.Ordinal);
        }
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task A_changed_byte_in_a_layer_is_noticed_and_leaves_nothing()
    {
        foreach (var archive in (byte[][])[TestImage.Busybox("demo:1").Build().ToDockerArchive(), TestImage.Busybox("demo:1").Build().ToOciArchive()])
        {
            archive[600_000] ^= 1;
            await Assert.ThrowsAsync<ImageException>(() => LoadAsync(archive));
            _temporary.AssertEmpty();
        }
    }

    [Fact]
    public async Task A_wrong_diff_id_says_so()
    {
        var built = TestImage.FromLayers("demo:1", new TestLayer().File("a", "1")).Build();
        var wrong = built with { LayerTars = [new TestLayer().File("a", "2").ToTar()] };
        var failure = await Assert.ThrowsAsync<ImageException>(() => LoadAsync(wrong.ToDockerArchive()));
        Assert.Contains("wrong diff id calculated on extraction", failure.Message, StringComparison.Ordinal);
        _temporary.AssertEmpty();
    }

    [Fact]
    public async Task A_windows_image_is_refused_with_what_would_be_needed()
    {
        var failure = await Assert.ThrowsAsync<ImageException>(() => LoadAsync((TestImage.Busybox("win:1") with { Os = "windows" }).Build().ToDockerArchive()));
        Assert.Contains("no match for platform in manifest", failure.Message, StringComparison.Ordinal);
        Assert.Contains("containers share the host's kernel", failure.Message, StringComparison.Ordinal);
        Assert.Contains($"linux/{TestImage.HostArchitecture}", failure.Message, StringComparison.Ordinal);
        _temporary.AssertEmpty();
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    public async Task Something_else_is_not_an_archive(string content) =>
        await Assert.ThrowsAsync<ImageException>(() => LoadAsync(Encoding.UTF8.GetBytes(content)));

    private async Task<IReadOnlyList<ImageInfo>> LoadAsync(byte[] archive)
    {
        await using var stream = new MemoryStream(archive);
        return await _temporary.Archive.LoadAsync(stream, null, null, Token);
    }
}
