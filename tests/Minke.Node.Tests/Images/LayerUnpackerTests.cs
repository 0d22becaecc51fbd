using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Images.Layers;
using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

/// <summary>Layers become overlay directories, and hostile ones become errors. Needs root: devices, owners, trusted attributes.</summary>
public sealed partial class LayerUnpackerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-layer-").FullName;
    private int _count;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        TreeRemoval.Remove(_directory);
        Assert.False(Directory.Exists(_directory));
    }

    [Fact]
    public async Task Files_links_owners_modes_and_times_arrive()
    {
        var root = await UnpackAsync(new TestLayer()
            .Directory("d", 0b001_111_000_000, uid: 5, gid: 6)
            .File("d/suid", "x", mode: 0b100_111_101_101, uid: 1000, gid: 2000)
            .Hardlink("d/again", "d/suid")
            .Symlink("d/link", "/etc/passwd", uid: 7)
            .Fifo("d/fifo")
            .CharacterDevice("d/null", 1, 3));

        Assert.Equal("5 6 1700", Stat(root, "d", "%u %g %a"));
        Assert.Equal("1000 2000 4755 2", Stat(root, "d/suid", "%u %g %a %h"));
        Assert.Equal(Stat(root, "d/suid", "%i"), Stat(root, "d/again", "%i"));
        Assert.Equal("7 symbolic link", Stat(root, "d/link", "%u %F"));
        Assert.Equal("/etc/passwd", new FileInfo(Path.Combine(root, "d/link")).LinkTarget);
        Assert.Equal("fifo", Stat(root, "d/fifo", "%F"));
        Assert.Equal("1 3 666", Stat(root, "d/null", "%t %T %a"));
        Assert.Equal("1704067200", Stat(root, "d", "%Y"));
        Assert.Equal("1704067200", Stat(root, "d/suid", "%Y"));
    }

    [Fact]
    public async Task Whiteouts_take_overlayfs_form()
    {
        var root = await UnpackAsync(new TestLayer().Whiteout("gone").Whiteout("a/b/gone").Directory("o").Opaque("o").File("o/new", "n").File(".wh..wh.plnk", "aufs"));
        Assert.Equal("character special file 0 0", Stat(root, "gone", "%F %t %T"));
        Assert.Equal("character special file 0 0", Stat(root, "a/b/gone", "%F %t %T"));
        Assert.Equal("y"u8.ToArray(), Attribute(root, "o", "trusted.overlay.opaque"));
        Assert.Equal(["a", "gone", "o"], Directory.EnumerateFileSystemEntries(root).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_whiteout_speaks_of_lower_layers_only_in_either_order()
    {
        var root = await UnpackAsync(new TestLayer()
            .File("f", "mine").Whiteout("f").Whiteout("g").File("g", "mine")
            .Directory("d").File("d/f", "x").Whiteout("d").Whiteout("e").Directory("e").Whiteout("p").File("p/x", "x"));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(root, "f")));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(root, "g")));
        foreach (var name in (string[])["d", "e", "p"])
            Assert.Equal("y"u8.ToArray(), Attribute(root, name, "trusted.overlay.opaque"));
    }

    [Fact]
    public async Task Attributes_are_kept_but_overlayfs_own_are_not_for_layers_to_set()
    {
        // cap_net_bind_service+ep, version 2.
        var capability = "\u0001\0\0\u0002\0\u0004\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        var root = await UnpackAsync(new TestLayer().File("ping", "x"u8.ToArray(), paxAttributes: new Dictionary<string, string>
        {
            ["SCHILY.xattr.security.capability"] = capability,
            ["SCHILY.xattr.user.note"] = "hi",
            ["SCHILY.xattr.trusted.overlay.redirect"] = "/etc",
        }));
        Assert.Equal(20, Attribute(root, "ping", "security.capability")!.Length);
        Assert.Equal("hi"u8.ToArray(), Attribute(root, "ping", "user.note"));
        Assert.Null(Attribute(root, "ping", "trusted.overlay.redirect"));
    }

    [Fact]
    public async Task The_last_entry_of_a_name_wins_whatever_it_was()
    {
        var root = await UnpackAsync(new TestLayer()
            .Directory("a").File("a/deep/down", "x").File("a", "file now")
            .File("b", "x").Directory("b").File("b/in", "y")
            .Symlink("c", "b").Directory("c").File("c/own", "z"));
        Assert.Equal("file now", File.ReadAllText(Path.Combine(root, "a")));
        Assert.Equal("y", File.ReadAllText(Path.Combine(root, "b/in")));
        Assert.Equal("z", File.ReadAllText(Path.Combine(root, "c/own")));
        Assert.False(File.Exists(Path.Combine(root, "b/own")));
    }

    [Fact]
    public async Task What_a_layer_takes_for_granted_looks_as_it_does_below()
    {
        var below = await UnpackAsync(new TestLayer().Directory("tmp", 0b001_111_111_111).Directory("home/app", 0b111_000_000, uid: 1000, gid: 1000).File("home/app/tool", "below", mode: 0b111_101_101, uid: 3));
        var root = await UnpackAsync(new TestLayer().File("tmp/x", "x").File("home/app/y", "y").Hardlink("home/link", "home/app/tool").File("fresh/z", "z"), below);
        Assert.Equal("1777", Stat(root, "tmp", "%a"));
        Assert.Equal("700 1000 1000", Stat(root, "home/app", "%a %u %g"));
        Assert.Equal("755 0", Stat(root, "fresh", "%a %u"));
        Assert.Equal("below", File.ReadAllText(Path.Combine(root, "home/link")));
        Assert.Equal("755 3 2", Stat(root, "home/app/tool", "%a %u %h"));
    }

    [Fact]
    public async Task Names_may_be_any_bytes_and_any_length()
    {
        var name = Encoding.Latin1.GetBytes("caf\u00e9");
        var deep = string.Join('/', Enumerable.Repeat(new string('d', 200), 15)) + "/file";
        var longName = new string('n', 250);
        var root = await UnpackAsync(new RawTar()
            .Entry('0', name, "latin"u8.ToArray())
            .Entry('L', Encoding.UTF8.GetBytes("././@LongLink"), Encoding.UTF8.GetBytes($"gnu/{longName}\0")).Entry('0', "gnu/short", "gnu")
            .Entry('L', Encoding.UTF8.GetBytes("././@LongLink"), "target\0"u8.ToArray()).Entry('K', Encoding.UTF8.GetBytes("././@LongLink"), Encoding.UTF8.GetBytes($"{longName}\0")).Entry('2', "x", null, "short")
            .Pax(("path", deep), ("mtime", "12.5"), ("uid", "4000000000")).Entry('0', "short", "pax")
            .Entry('0', Encoding.UTF8.GetBytes("prefixed"), "p"u8.ToArray(), change: header => "some/dir"u8.CopyTo(header.AsSpan(345)))
            .End());
        using var tree = new LayerTree(root);
        Assert.Equal(0, FileCalls.Status(tree.Root, LayerTree.Terminated(name), out _));
        Assert.Equal("gnu", File.ReadAllText(Path.Combine(root, "gnu", longName)));
        Assert.Equal(longName, new FileInfo(Path.Combine(root, "target")).LinkTarget);
        Assert.Equal("p", File.ReadAllText(Path.Combine(root, "some/dir/prefixed")));
        Assert.Equal("4000000000 12", Stat(root, deep, "%u %Y"));
    }

    [Fact]
    public async Task Sparse_files_are_unfolded_in_all_four_forms()
    {
        static byte[] Block(string text) => [.. Encoding.ASCII.GetBytes(text), .. new byte[512 - text.Length]];
        var old = new RawTar().Entry('S', Encoding.UTF8.GetBytes("old"), "ABCD"u8.ToArray(), change: header =>
        {
            RawTar.Octal(header, 386, 12, 10);
            RawTar.Octal(header, 398, 12, 4);
            RawTar.Octal(header, 410, 12, 5000);
            RawTar.Octal(header, 422, 12, 0);
            RawTar.Octal(header, 483, 12, 5000);
        });
        var root = await UnpackAsync(old
            .Pax(("GNU.sparse.size", "5000"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.offset", "10"), ("GNU.sparse.numbytes", "4")).Entry('0', "pax00", "ABCD")
            .Pax(("GNU.sparse.size", "5000"), ("GNU.sparse.name", "pax01"), ("GNU.sparse.map", "10,4,5000,0")).Entry('0', "x", "ABCD")
            .Pax(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "pax10"), ("GNU.sparse.realsize", "5000"))
            .Entry('0', Encoding.UTF8.GetBytes("x"), [.. Block("2\n10\n4\n5000\n0\n"), .. "ABCD"u8])
            .Pax(("GNU.sparse.size", "70000"), ("GNU.sparse.name", "hole")).Entry('0', "x", "")
            .Entry('0', "after", "after")
            .End());
        foreach (var name in (string[])["old", "pax00", "pax01", "pax10"])
        {
            var content = File.ReadAllBytes(Path.Combine(root, name));
            Assert.Equal(5000, content.Length);
            Assert.Equal("\0ABCD\0", Encoding.ASCII.GetString(content, 9, 6));
        }
        Assert.Equal(70000, new FileInfo(Path.Combine(root, "hole")).Length);
        Assert.Equal("after", File.ReadAllText(Path.Combine(root, "after")));
    }

    [Theory]
    [InlineData("../escaped")]
    [InlineData("a/../../escaped")]
    [InlineData("/../escaped")]
    public async Task A_path_that_climbs_out_is_refused(string name)
    {
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('0', name, "evil").End()));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('0', "f", "x").Entry('1', "l", null, name).End()));
        AssertNothingEscaped();
    }

    [Fact]
    public async Task Links_to_the_outside_lead_to_the_inside()
    {
        var outside = Path.Combine(_directory, "outside");
        Directory.CreateDirectory(outside);
        var root = await UnpackAsync(new TestLayer()
            .Symlink("absolute", outside).File("absolute/file", "in")
            .Symlink("climbing", "../../../../../../..").File($"climbing{outside}/file2", "in")
            .Symlink("up", "..").Directory("up/made").Symlink("chain", "up/up/absolute").File("chain/file3", "in")
            .Directory("etc").Symlink("etc/passwd", "/etc/passwd").File("etc/passwd", "mine"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
        Assert.Equal("in", File.ReadAllText(root + outside + "/file"));
        Assert.Equal("in", File.ReadAllText(root + outside + "/file2"));
        Assert.Equal("in", File.ReadAllText(root + outside + "/file3"));
        Assert.True(Directory.Exists(Path.Combine(root, "made")));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(root, "etc/passwd")));
    }

    [Fact]
    public async Task A_hard_link_through_a_link_cannot_reach_the_outside()
    {
        var secret = Path.Combine(_directory, "secret");
        await File.WriteAllTextAsync(secret, "secret", Token);
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().Symlink("out", _directory).Hardlink("stolen", "out/secret")));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().Hardlink("stolen", secret)));
        // A link to a link is the link, not what it points to.
        var root = await UnpackAsync(new TestLayer().Symlink("out", secret).Hardlink("stolen", "out").File("stolen", "overwritten"));
        Assert.Equal("secret", await File.ReadAllTextAsync(secret, Token));
        Assert.Equal("overwritten", File.ReadAllText(Path.Combine(root, "stolen")));
    }

    [Fact]
    public async Task Circles_of_links_and_files_as_directories_are_errors()
    {
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().Symlink("a", "b").Symlink("b", "a").File("a/x", "x")));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().File("f", "x").File("f/x", "x")));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().Hardlink("l", "nothing")));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().Directory("d").Hardlink("l", "d")));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().File("d/.wh.", "")));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new TestLayer().File("d/.wh...", "")));
    }

    [Fact]
    public async Task Broken_headers_are_errors()
    {
        var good = new RawTar().Entry('0', "f", "x");
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('0', Encoding.UTF8.GetBytes("f"), change: header => header[124] = (byte)'9').End()));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('Z', "f").End()));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('0', "").End()));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('x', Encoding.UTF8.GetBytes("p"), "garbage"u8.ToArray()).Entry('0', "f", "x").End()));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('x', Encoding.UTF8.GetBytes("p"), size: 1L << 40).End()));
        await Assert.ThrowsAsync<EndOfStreamException>(() => UnpackAsync(new RawTar().Entry('0', Encoding.UTF8.GetBytes("f"), size: 1L << 40).End()));
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(new RawTar().Entry('0', new string('n', 90) + "/" + "x", "x").Entry('L', Encoding.UTF8.GetBytes("l"), new byte[300_000].Select(_ => (byte)'n').ToArray()).Entry('0', "f").End()));
        var changed = good.End();
        changed[3] ^= 1;
        await Assert.ThrowsAsync<InvalidDataException>(() => UnpackAsync(changed));
    }

    [Fact]
    public async Task A_tree_of_a_thousand_levels_can_be_made_and_removed()
    {
        var root = await UnpackAsync(new TestLayer().File(string.Join('/', Enumerable.Repeat("d", 1500)) + "/f", "x").File("d/d/x", "x").File("other", "x"));
        TreeRemoval.Remove(root);
        Assert.False(Directory.Exists(root));
    }

    [Fact]
    public async Task Zstd_and_gzip_and_plain_are_told_apart_by_their_bytes()
    {
        var plain = new TestLayer().File("f", new string('x', 300_000)).ToTar();
        var zstd = Zstd(plain);
        foreach (var bytes in (byte[][])[plain, TestImage.Gzip(plain), zstd, [.. Zstd(plain[..1000]), .. Zstd(plain[1000..])]])
        {
            await using var stream = await Decompression.OpenAsync(new MemoryStream(bytes), Token);
            using var output = new MemoryStream();
            await stream.CopyToAsync(output, Token);
            Assert.Equal(plain, output.ToArray());
        }
        await using var cut = await Decompression.OpenAsync(new MemoryStream(zstd[..^3]), Token);
        await Assert.ThrowsAsync<InvalidDataException>(() => cut.CopyToAsync(Stream.Null, Token));
        zstd[zstd.Length / 2] ^= 0xff;
        await using var changed = await Decompression.OpenAsync(new MemoryStream(zstd), Token);
        await Assert.ThrowsAsync<InvalidDataException>(() => changed.CopyToAsync(Stream.Null, Token));
    }

    /// <summary>Whatever bytes come, the reader ends with an entry, the end, or an error that says so.</summary>
    [Fact]
    public void The_reader_survives_any_change_to_a_tar()
    {
        var seed = new RawTar()
            .Pax(("path", "pax/name"), ("mtime", "1.5"), ("SCHILY.xattr.user.a", "b")).Entry('0', "f", "content")
            .Entry('L', Encoding.UTF8.GetBytes("l"), "long\0"u8.ToArray()).Entry('0', "s", "x").Entry('2', "l", null, "t")
            .Pax(("GNU.sparse.size", "5000"), ("GNU.sparse.map", "10,4,5000,0")).Entry('0', "x", "ABCD").End();
        var changes = Gen.Zip(Gen.Choose(0, seed.Length - 1), Gen.Choose(0, 255)).ArrayOf();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(changes.ToArbitrary(), edits =>
        {
            var bytes = (byte[])seed.Clone();
            foreach (var (position, value) in edits)
                bytes[position] = (byte)value;
            // A change inside of a header is caught by its sum; with a sum that fits, the numbers themselves are tested.
            for (var block = 0; block < bytes.Length && edits.Length % 2 == 0; block += 512)
            {
                bytes.AsSpan(block + 148, 8).Fill((byte)' ');
                var sum = 0;
                foreach (var b in bytes.AsSpan(block, 512))
                    sum += b;
                RawTar.Octal(bytes, block + 148, 7, sum);
            }
            try
            {
                var reader = new LayerTarReader(new MemoryStream(bytes));
                while (reader.ReadHeaderAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult() is { } header)
                    _ = LayerTree.Split(header.Name);
            }
            catch (Exception failure) when (failure is InvalidDataException or EndOfStreamException)
            {
                Assert.NotEmpty(failure.Message);
            }
        }));
    }

    private Task<string> UnpackAsync(TestLayer layer, params string[] below) => UnpackAsync(layer.ToTar(), below);

    private async Task<string> UnpackAsync(byte[] tar, params string[] below)
    {
        var root = Path.Combine(_directory, "layers", $"{_count++}");
        Directory.CreateDirectory(root);
        using var tree = new LayerTree(root);
        var unpacker = new LayerUnpacker(tree);
        await unpacker.UnpackAsync(new MemoryStream(tar), Token);
        unpacker.Finish(below);
        return root;
    }

    private void AssertNothingEscaped()
    {
        Assert.Equal(["layers"], Directory.EnumerateFileSystemEntries(_directory).Select(Path.GetFileName));
        Assert.All(Directory.EnumerateFileSystemEntries(Path.Combine(_directory, "layers")).Select(Path.GetFileName), name => Assert.True(int.TryParse(name, out _)));
    }

    private static byte[] Zstd(byte[] data)
    {
        var output = new byte[data.Length + 1024];
        return output[..(int)ZSTD_compress(output, (nuint)output.Length, data, (nuint)data.Length, 3)];
    }

    [LibraryImport("libzstd.so.1")]
    private static partial nuint ZSTD_compress(byte[] target, nuint capacity, byte[] source, nuint size, int level);

    private static string Stat(string root, string path, string format)
    {
        using var process = Process.Start(new ProcessStartInfo("stat", ["-c", format, Path.Combine(root, path)]) { RedirectStandardOutput = true })!;
        return process.StandardOutput.ReadToEnd().Trim();
    }

    private static byte[]? Attribute(string root, string path, string name)
    {
        using var handle = FileCalls.TryOpen(null, LayerTree.Terminated(Path.Combine(root, path)), FileCalls.O_RDONLY, 0, out _);
        return FileCalls.GetAttribute(handle!, LayerTree.Terminated(name));
    }
}
