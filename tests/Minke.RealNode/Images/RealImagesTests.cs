using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Minke.Node.Images;
using Minke.Node.Linux;
using Minke.Node.Runtime;
using Minke.TestSupport;

namespace Minke.RealNode.Images;

/// <summary>The store against the kernel's overlayfs, a real registry and other people's tools.</summary>
public sealed class RealImagesTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly string _directory = Directory.CreateTempSubdirectory("minke-images-").FullName;
    private readonly ImageStore _store;
    private readonly ImageArchive _archive;
    private readonly List<string> _mounts = [];

    public RealImagesTests()
    {
        _store = ImageStore.Open(Path.Combine(_directory, "store"), TimeProvider.System);
        _archive = new ImageArchive(_store, TimeProvider.System);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (var mount in _mounts)
            Mounts.Unmount(mount);
        _store.Dispose();
        // Layers have whiteouts and nodes in them: nothing .NET stumbles over.
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task The_kernel_shows_layers_as_the_image_means_them()
    {
        var image = await LoadAsync(TestImage.FromLayers("demo:1",
            new TestLayer().Directory("etc").File("etc/removed", "1").File("etc/kept", "1").Directory("opaque").File("opaque/old", "1")
                .File("replaced/inner", "1").Directory("tmp", 0b001_111_111_111).File("linked", "1"),
            new TestLayer().Whiteout("etc/removed").Opaque("opaque").File("opaque/new", "2").Whiteout("replaced").File("tmp/x", "2").Hardlink("again", "linked"),
            new TestLayer().File("replaced", "3").File("etc/kept", "3")));
        var root = Mount(image);
        Assert.Equal(["kept"], Names(root, "etc"));
        Assert.Equal("3", await File.ReadAllTextAsync(Path.Combine(root, "etc/kept"), Token));
        Assert.Equal(["new"], Names(root, "opaque"));
        Assert.Equal("3", await File.ReadAllTextAsync(Path.Combine(root, "replaced"), Token));
        Assert.Equal("1", await File.ReadAllTextAsync(Path.Combine(root, "again"), Token));
        Assert.Equal((UnixFileMode)0b001_111_111_111, File.GetUnixFileMode(Path.Combine(root, "tmp")));
        await File.WriteAllTextAsync(Path.Combine(root, "tmp/mine"), "written", Token);
        Assert.False(File.Exists(Path.Combine(image.LayerDirectories[0], "tmp/mine")));
    }

    [Fact]
    public async Task An_image_of_128_layers_is_mounted()
    {
        var image = await LoadAsync(TestImage.FromLayers("many:1", [.. Enumerable.Range(0, 128).Select(i => new TestLayer().File($"f{i}", $"{i}"))]));
        var root = Mount(image);
        Assert.Equal(128, Directory.EnumerateFiles(root).Count());
    }

    [Fact]
    public async Task Layers_that_are_mounted_outlive_their_image()
    {
        var image = await LoadAsync(TestImage.FromLayers("demo:1", new TestLayer().File("f", "x"), new TestLayer().File("g", "y")));
        var root = Mount(image);
        Assert.True(await _store.RemoveAsync("demo:1", Token));
        Assert.Null(_store.Find("demo:1"));
        await _store.PruneAsync(Token);
        Assert.Equal("x", await File.ReadAllTextAsync(Path.Combine(root, "f"), Token));
        Assert.All(image.LayerDirectories, layer => Assert.True(Directory.Exists(layer)));

        Mounts.Unmount(root);
        _mounts.Remove(root);
        await _store.SweepAsync(Token);
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(_store.Root, "l")));
    }

    [Fact]
    public async Task A_full_disk_is_an_error_that_says_so_and_leaves_nothing()
    {
        var small = Directory.CreateDirectory(Path.Combine(_directory, "small")).FullName;
        Mounts.Mount("tmpfs", small, "tmpfs", MountFlags.None, "size=3m");
        _mounts.Add(small);
        using (var store = ImageStore.Open(Path.Combine(small, "store"), TimeProvider.System))
        {
            var noise = new byte[2 << 20];
            new Random(1).NextBytes(noise);
            var built = TestImage.FromLayers("demo:1", new TestLayer().File("noise", noise)).Build();
            var layout = Path.Combine(_directory, "layout");
            built.WriteOciLayout(layout);
            var archive = new ImageArchive(store, TimeProvider.System);
            foreach (var load in (Func<Task>[])
                [
                    () => archive.LoadAsync(layout, null, null, Token),
                    () => archive.LoadAsync(new MemoryStream(built.ToDockerArchive()), null, null, Token),
                ])
            {
                var failure = await Assert.ThrowsAsync<ImageException>(load);
                Assert.Contains("no space left on device", failure.Message, StringComparison.OrdinalIgnoreCase);
                await store.PruneAsync(Token);
                Assert.DoesNotContain(Directory.EnumerateFiles(store.Root, "*", SearchOption.AllDirectories), file => Path.GetFileName(file) != "lock");
            }
            // There is room for a smaller one at once.
            await archive.LoadAsync(new MemoryStream(TestImage.FromLayers("demo:2", new TestLayer().File("f", "x")).Build().ToDockerArchive()), null, null, Token);
        }
    }

    [Fact]
    public async Task A_real_registry_serves_what_other_tools_pushed()
    {
        await using var registry = await RealRegistry.StartAsync(Path.Combine(_directory, "registry"));
        var layout = Path.Combine(_directory, "layout");
        var built = (TestImage.Busybox("app:1") with { Files = new Dictionary<string, string> { ["etc/motd"] = "hello" } }).Build();
        built.WriteOciLayout(layout);
        await SkopeoAsync("copy", "--dest-tls-verify=false", $"oci:{layout}:app:1", $"docker://{registry.Host}/team/app:1");
        await SkopeoAsync("copy", "--dest-tls-verify=false", "--format", "v2s2", $"oci:{layout}:app:1", $"docker://{registry.Host}/team/app:docker");
        await SkopeoAsync("copy", "--dest-tls-verify=false", "--dest-compress", "--dest-compress-format", "zstd", $"oci:{layout}:app:1", $"docker://{registry.Host}/zstd/app:1");

        using var service = new ImageService(_store, TimeProvider.System);
        var image = await service.PullAsync($"{registry.Host}/team/app:1", [], null, Token);
        Assert.Equal(built.ConfigDigest, image.Id);
        var root = Mount(image);
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(root, "etc/motd"), Token));
        var docker = await service.PullAsync($"{registry.Host}/team/app:docker", [], null, Token);
        Assert.Equal(image.LayerDirectories, docker.LayerDirectories);

        using var fresh = ImageStore.Open(Path.Combine(_directory, "fresh"), TimeProvider.System);
        using var other = new ImageService(fresh, TimeProvider.System);
        var zstd = await other.PullAsync($"{registry.Host}/zstd/app:1", [], null, Token);
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(zstd.LayerDirectories[1], "etc/motd"), Token));

        var failure = await Assert.ThrowsAsync<ImageException>(() => service.PullAsync($"{registry.Host}/team/app:nosuch", [], null, Token));
        Assert.EndsWith($"{registry.Host}/team/app:nosuch: not found", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_tools_read_what_is_saved_and_what_they_write_is_read()
    {
        var built = TestImage.Busybox("app:1").Build();
        await LoadAsync(built.Source);
        var (docker, oci, theirs) = (Path.Combine(_directory, "docker.tar"), Path.Combine(_directory, "oci.tar"), Path.Combine(_directory, "theirs.tar"));
        await using (var file = File.Create(docker))
            await _archive.SaveAsync(["app:1"], file, ArchiveFormat.Docker, Token);
        await using (var file = File.Create(oci))
            await _archive.SaveAsync(["app:1"], file, ArchiveFormat.Oci, Token);
        Assert.Contains(TestImage.DigestOf(built.LayerTars[0]), await SkopeoAsync("inspect", "--config", $"docker-archive:{docker}:app:1"), StringComparison.Ordinal);
        Assert.Contains(built.ConfigDigest, await SkopeoAsync("inspect", "--raw", $"oci-archive:{oci}"), StringComparison.Ordinal);

        await SkopeoAsync("copy", $"oci-archive:{oci}", $"docker-archive:{theirs}:theirs:1");
        var image = Assert.Single(await _archive.LoadAsync(theirs, null, null, Token));
        Assert.Contains("docker.io/library/theirs:1", image.Tags);
        Assert.Equal(built.Source.Cmd, image.Config.Cmd);
    }

    private async Task<ImageInfo> LoadAsync(TestImage image) =>
        Assert.Single(await _archive.LoadAsync(new MemoryStream(image.Build().ToDockerArchive()), null, null, Token));

    private string Mount(ImageInfo image)
    {
        var at = Path.Combine(_directory, $"mount{_mounts.Count}");
        foreach (var name in (string[])["root", "upper", "work"])
            Directory.CreateDirectory(Path.Combine(at, name));
        var root = Path.Combine(at, "root");
        Mounts.Overlay(image.LayerDirectories, Path.Combine(at, "upper"), Path.Combine(at, "work"), root);
        _mounts.Add(root);
        return root;
    }

    private static IEnumerable<string?> Names(string root, string directory) =>
        Directory.EnumerateFileSystemEntries(Path.Combine(root, directory)).Select(Path.GetFileName).Order();

    private static async Task<string> SkopeoAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("skopeo", ["--insecure-policy", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(Token), process.StandardError.ReadToEndAsync(Token));
        await process.WaitForExitAsync(Token).WaitAsync(Deadline, Token);
        Assert.True(process.ExitCode == 0, $"skopeo {string.Join(' ', arguments)}: {await errors}");
        return await output;
    }

    /// <summary>Debian's docker-registry on a port of loopback.</summary>
    private sealed class RealRegistry : IAsyncDisposable
    {
        private readonly Process _process;

        private RealRegistry(Process process, string host) => (_process, Host) = (process, host);

        public string Host { get; }

        public static async Task<RealRegistry> StartAsync(string directory)
        {
            Directory.CreateDirectory(directory);
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var port = ((IPEndPoint)listener.LocalEndpoint).Port;
            listener.Stop();
            var config = Path.Combine(directory, "config.yml");
            await File.WriteAllTextAsync(
                config, $"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n", Token);
            var process = Process.Start(new ProcessStartInfo("docker-registry", ["serve", config]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.OutputDataReceived += (_, _) => { };
            process.ErrorDataReceived += (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            var registry = new RealRegistry(process, $"127.0.0.1:{port}");
            var waited = Stopwatch.StartNew();
            while (!await AnswersAsync(port))
                Assert.True(waited.Elapsed < Deadline && !process.HasExited, "docker-registry does not start");
            return registry;
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
            _process.Dispose();
        }

        private static async Task<bool> AnswersAsync(int port)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port, Token);
                return true;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), Token);
                return false;
            }
        }
    }
}
