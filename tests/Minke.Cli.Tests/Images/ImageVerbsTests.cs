using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json.Nodes;
using Minke.Cli.Clusters;
using Minke.Cli.Images;
using Minke.Node.Images;
using Minke.TestSupport;

namespace Minke.Cli.Tests.Images;

public sealed class ImageVerbsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-img-").FullName;
    private readonly StringWriter _out = new();
    private readonly ImageVerbs _verbs;

    public ImageVerbsTests() => _verbs = new ImageVerbs(
        new DataDirectory(Path.Combine(_directory, "data")),
        new Terminal { In = TextReader.Null, Out = _out, Error = TextWriter.Null, IsInteractive = false }, TimeProvider.System);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task An_image_is_loaded_listed_saved_and_removed()
    {
        await _verbs.LoadAsync([Archive("localhost/demo:1")], null, Cancellation);
        Assert.StartsWith("localhost/demo:1  ", Printed(), StringComparison.Ordinal);

        _verbs.List(asJson: false);
        Assert.Matches(@"^IMAGE +ID +SIZE\nlocalhost/demo:1  [0-9a-f]{12}  \d", Printed());

        var saved = Path.Combine(_directory, "saved.tar");
        await _verbs.SaveAsync(["localhost/demo:1"], saved, ArchiveFormat.Docker, Cancellation);
        await _verbs.RemoveAsync(["localhost/demo:1"], Cancellation);
        Assert.Matches("untagged localhost/demo:1\n(.*\n)?removed [0-9a-f]{12}, .* freed", Printed());

        await _verbs.LoadAsync([saved], "localhost/demo:2", Cancellation);
        Assert.StartsWith("localhost/demo:2  ", Printed(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_root_file_system_becomes_an_image(bool isCompressed)
    {
        var tar = Path.Combine(_directory, "rootfs.tar");
        await using (Stream file = File.Create(tar))
        await using (var output = isCompressed ? new GZipStream(file, CompressionLevel.Fastest) : file)
        await using (var writer = new TarWriter(output))
            await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, "etc/hello") { DataStream = new MemoryStream("hi"u8.ToArray()) }, Cancellation);

        await _verbs.ImportAsync(tar, "localhost/mine:1", new ImportedConfig { Cmd = ["/bin/run", "it"], User = "7" }, Cancellation);
        Printed();
        _verbs.Inspect(["localhost/mine:1"]);

        var image = JsonNode.Parse(Printed())![0]!;
        Assert.Equal("""["/bin/run","it"]""", image["config"]!["cmd"]!.ToJsonString());
        Assert.Equal("7", (string?)image["config"]!["user"]);
    }

    [Fact]
    public async Task Archives_beside_manifests_are_loaded()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "app", "images"));
        File.Move(Archive("localhost/beside:1"), Path.Combine(_directory, "app", "images", "beside.tar"));
        var said = new List<string>();
        await _verbs.LoadBesideAsync([Path.Combine(_directory, "app"), "-", "no/such"], said.Add, Cancellation);
        Assert.Equal(["image localhost/beside:1 loaded"], said);
    }

    [Fact]
    public async Task What_is_not_here_is_named()
    {
        Assert.Contains("localhost/none:1", Assert.Throws<CliException>(() => _verbs.Inspect(["localhost/none:1"])).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<CliException>(() => _verbs.RemoveAsync(["localhost/none:1"], Cancellation));
    }

    private string Archive(string reference)
    {
        var path = Path.Combine(_directory, "image.tar");
        TestImage.Busybox(reference).Build().WriteOciArchive(path);
        return path;
    }

    private string Printed()
    {
        var text = _out.ToString();
        _out.GetStringBuilder().Clear();
        return text;
    }
}
