using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

// The words of other people's JSON happen to be names here too; they are not those names.
#pragma warning disable CA1507

namespace Minke.TestSupport;

/// <summary>How the layers of a test image travel.</summary>
public enum LayerCompression { None, Gzip }

/// <summary>
/// An image made by hand, for tests: no registry, no network and no tool, only <c>/bin/busybox</c> (Debian package
/// busybox-static) as content. Describe it, then <see cref="Build"/> it and write it as an OCI layout or a docker-archive:
/// <code>
/// TestImage.Busybox("demo:1") with { User = "1000", Entrypoint = ["/bin/sh", "-c", "sleep 1000"] }
/// </code>
/// </summary>
public sealed record TestImage
{
    public const string BusyboxPath = "/bin/busybox";

    /// <summary>Fixed, so that the same description gives the same digests for as long as the process lives.</summary>
    public static readonly DateTimeOffset Created = new(2024, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Name with tag, as a person writes it; empty for an image without a name.</summary>
    public required string Reference { get; init; }
    public IReadOnlyList<TestLayer> Layers { get; init; } = [];
    public string User { get; init; } = "";
    public IReadOnlyList<string> Entrypoint { get; init; } = [];
    public IReadOnlyList<string> Cmd { get; init; } = [];
    public IReadOnlyList<string> Env { get; init; } = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
    public string WorkingDir { get; init; } = "";
    public string StopSignal { get; init; } = "";
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public IReadOnlyList<string> Volumes { get; init; } = [];
    public IReadOnlyList<string> ExposedPorts { get; init; } = [];
    public string Os { get; init; } = "linux";
    public string Architecture { get; init; } = HostArchitecture;
    public LayerCompression Compression { get; init; } = LayerCompression.Gzip;

    /// <summary>True for Docker's media types (manifest v2 schema 2), false for OCI's.</summary>
    public bool IsDockerSchema { get; init; }

    /// <summary>Files of one more layer on top, path to text, mode 0644.</summary>
    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>();

    /// <summary>Architecture of this machine in Go's words.</summary>
    public static string HostArchitecture { get; } = System.Runtime.InteropServices.RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        _ => "amd64",
    };

    /// <summary>
    /// A small usable system: busybox with its applets, /etc/passwd with root and <c>app</c> (1000:1000), /etc/group where
    /// <c>app</c> is in <c>extra</c> (2000) too, /tmp, /root, /home/app. Its Cmd is <c>sh</c>.
    /// </summary>
    public static TestImage Busybox(string reference = "busybox:latest") =>
        new() { Reference = reference, Layers = [TestLayer.Busybox()], Cmd = ["sh"] };

    public static TestImage FromLayers(string reference, params TestLayer[] layers) => new() { Reference = reference, Layers = layers };

    public BuiltImage Build()
    {
        var layers = Layers.ToList();
        if (Files.Count > 0)
            layers.Add(Files.OrderBy(file => file.Key, StringComparer.Ordinal).Aggregate(new TestLayer(), (layer, file) => layer.File(file.Key, file.Value)));

        var blobs = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        var tars = new List<byte[]>();
        var layerDescriptors = new JsonArray();
        var diffIds = new JsonArray();
        foreach (var layer in layers)
        {
            var tar = layer.ToTar();
            tars.Add(tar);
            diffIds.Add(DigestOf(tar));
            var blob = Compression == LayerCompression.Gzip ? Gzip(tar) : tar;
            layerDescriptors.Add(Add(blobs, blob, (IsDockerSchema, Compression) switch
            {
                (true, LayerCompression.Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
                (true, _) => "application/vnd.docker.image.rootfs.diff.tar",
                (false, LayerCompression.Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
                _ => "application/vnd.oci.image.layer.v1.tar",
            }));
        }

        var config = Encoding.UTF8.GetBytes(ConfigJson(diffIds).ToJsonString());
        var configDescriptor = Add(blobs, config, IsDockerSchema
            ? "application/vnd.docker.container.image.v1+json" : "application/vnd.oci.image.config.v1+json");
        var manifestType = IsDockerSchema
            ? "application/vnd.docker.distribution.manifest.v2+json" : "application/vnd.oci.image.manifest.v1+json";
        var manifest = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = manifestType,
            ["config"] = configDescriptor,
            ["layers"] = layerDescriptors,
        }.ToJsonString());
        Add(blobs, manifest, manifestType);
        return new BuiltImage
        {
            Source = this,
            Blobs = blobs,
            Manifest = manifest,
            ManifestMediaType = manifestType,
            ManifestDigest = DigestOf(manifest),
            Config = config,
            ConfigDigest = DigestOf(config),
            LayerTars = tars,
        };
    }

    public static string DigestOf(ReadOnlySpan<byte> data) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(data))}";

    public static byte[] Gzip(ReadOnlySpan<byte> data)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(data);
        return output.ToArray();
    }

    private JsonObject ConfigJson(JsonArray diffIds)
    {
        var config = new JsonObject { ["Env"] = Array(Env) };
        if (User.Length > 0)
            config["User"] = User;
        if (Entrypoint.Count > 0)
            config["Entrypoint"] = Array(Entrypoint);
        if (Cmd.Count > 0)
            config["Cmd"] = Array(Cmd);
        if (WorkingDir.Length > 0)
            config["WorkingDir"] = WorkingDir;
        if (StopSignal.Length > 0)
            config["StopSignal"] = StopSignal;
        if (Labels.Count > 0)
            config["Labels"] = new JsonObject(Labels.Select(label => KeyValuePair.Create<string, JsonNode?>(label.Key, label.Value)));
        if (Volumes.Count > 0)
            config["Volumes"] = new JsonObject(Volumes.Select(volume => KeyValuePair.Create<string, JsonNode?>(volume, new JsonObject())));
        if (ExposedPorts.Count > 0)
            config["ExposedPorts"] = new JsonObject(ExposedPorts.Select(port => KeyValuePair.Create<string, JsonNode?>(port, new JsonObject())));
        return new JsonObject
        {
            ["created"] = "2024-01-01T00:00:00Z",
            ["architecture"] = Architecture,
            ["os"] = Os,
            ["config"] = config,
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = diffIds },
            ["history"] = new JsonArray(),
        };
    }

    private static JsonArray Array(IEnumerable<string> values) => new([.. values.Select(value => (JsonNode?)value)]);

    private static JsonObject Add(Dictionary<string, byte[]> blobs, byte[] blob, string mediaType)
    {
        var digest = DigestOf(blob);
        blobs[digest] = blob;
        return new JsonObject { ["mediaType"] = mediaType, ["digest"] = digest, ["size"] = blob.Length };
    }
}

/// <summary>The entries of one layer, in order. Everything a tar can say, hostile things included.</summary>
public sealed class TestLayer
{
    private readonly List<TarEntry> _entries = [];

    /// <summary>Applets that the tests' images have as links to /bin/busybox.</summary>
    private static readonly string[] Applets =
        ("[ ash awk base64 basename cat chgrp chmod chown chroot cmp cp cut date dd df diff dirname dmesg du echo egrep env expr false find " +
         "free grep gunzip gzip head hexdump hostname httpd id ifconfig ip kill killall less ln ls md5sum mkdir mkfifo mknod mktemp mount " +
         "mountpoint mv nc netstat nohup nproc nslookup od pgrep pidof ping printf ps pwd readlink realpath renice rm rmdir route sed seq setpriv " +
         "setsid sh sha256sum sleep sort stat stty su sync sysctl tail tar tee telnet test time timeout top touch tr true truncate tty umount " +
         "uname uniq unshare uptime usleep vi wc wget which whoami xargs yes").Split(' ');

    public static TestLayer Busybox()
    {
        var layer = new TestLayer();
        foreach (var directory in (string[])["bin", "dev", "etc", "home", "proc", "root", "run", "sbin", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/run", "var/log"])
            layer.Directory(directory, Convert.ToInt32(directory == "root" ? "700" : "755", 8));
        layer.Directory("tmp", Convert.ToInt32("1777", 8));
        layer.Directory("var/tmp", Convert.ToInt32("1777", 8));
        layer.Directory("home/app", Convert.ToInt32("755", 8), uid: 1000, gid: 1000);
        layer.File("bin/busybox", System.IO.File.ReadAllBytes(TestImage.BusyboxPath), Convert.ToInt32("755", 8));
        foreach (var applet in Applets)
            layer.Symlink($"bin/{applet}", "busybox");
        layer.File("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
        layer.File("etc/group", "root:x:0:\napp:x:1000:\nextra:x:2000:app\nnogroup:x:65534:\n");
        return layer;
    }

    public TestLayer Directory(string path, int mode = 0b111_101_101, int uid = 0, int gid = 0) =>
        Add(new PaxTarEntry(TarEntryType.Directory, path.TrimEnd('/') + "/"), mode, uid, gid);

    public TestLayer File(string path, string text, int mode = 0b110_100_100, int uid = 0, int gid = 0) =>
        File(path, Encoding.UTF8.GetBytes(text), mode, uid, gid);

    public TestLayer File(
        string path, byte[] content, int mode = 0b110_100_100, int uid = 0, int gid = 0, IReadOnlyDictionary<string, string>? paxAttributes = null)
    {
        var entry = paxAttributes is null
            ? new PaxTarEntry(TarEntryType.RegularFile, path) : new PaxTarEntry(TarEntryType.RegularFile, path, paxAttributes);
        entry.DataStream = new MemoryStream(content, writable: false);
        return Add(entry, mode, uid, gid);
    }

    public TestLayer Symlink(string path, string target, int uid = 0, int gid = 0) =>
        Add(new PaxTarEntry(TarEntryType.SymbolicLink, path) { LinkName = target }, 0b111_111_111, uid, gid);

    public TestLayer Hardlink(string path, string target) =>
        Add(new PaxTarEntry(TarEntryType.HardLink, path) { LinkName = target }, 0b110_100_100, 0, 0);

    public TestLayer Fifo(string path, int mode = 0b110_100_100) => Add(new PaxTarEntry(TarEntryType.Fifo, path), mode, 0, 0);

    public TestLayer CharacterDevice(string path, int major, int minor, int mode = 0b110_110_110) =>
        Add(new PaxTarEntry(TarEntryType.CharacterDevice, path) { DeviceMajor = major, DeviceMinor = minor }, mode, 0, 0);

    /// <summary>Removes what lower layers have at the path.</summary>
    public TestLayer Whiteout(string path)
    {
        var name = Path.GetFileName(path);
        return File($"{path[..^name.Length]}.wh.{name}", "");
    }

    /// <summary>Hides what lower layers have in the directory.</summary>
    public TestLayer Opaque(string directory) => File($"{directory.TrimEnd('/')}/.wh..wh..opq", "");

    public TestLayer Add(TarEntry entry)
    {
        _entries.Add(entry);
        return this;
    }

    /// <summary>The uncompressed tar; its digest is the layer's diffID.</summary>
    public byte[] ToTar()
    {
        using var output = new MemoryStream();
        using (var writer = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var entry in _entries)
            {
                if (entry.DataStream is { CanSeek: true } data)
                    data.Position = 0;
                writer.WriteEntry(entry);
            }
        }
        return output.ToArray();
    }

    private TestLayer Add(PaxTarEntry entry, int mode, int uid, int gid)
    {
        entry.Mode = (UnixFileMode)mode;
        entry.Uid = uid;
        entry.Gid = gid;
        entry.ModificationTime = TestImage.Created;
        return Add((TarEntry)entry);
    }
}

/// <summary>A test image as bytes: its blobs by digest, and ways to write them out.</summary>
public sealed record BuiltImage
{
    public required TestImage Source { get; init; }
    public required IReadOnlyDictionary<string, byte[]> Blobs { get; init; }
    public required byte[] Manifest { get; init; }
    public required string ManifestMediaType { get; init; }
    public required string ManifestDigest { get; init; }
    public required byte[] Config { get; init; }

    /// <summary>The image id.</summary>
    public required string ConfigDigest { get; init; }
    public required IReadOnlyList<byte[]> LayerTars { get; init; }

    /// <summary>Writes an OCI image layout directory.</summary>
    public void WriteOciLayout(string directory)
    {
        foreach (var (name, content) in OciFiles())
        {
            var path = Path.Combine(directory, name);
            System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }
    }

    /// <summary>An OCI layout as a tar.</summary>
    public byte[] ToOciArchive() => Tar(OciFiles());

    /// <summary>What <c>docker save</c> wrote before it spoke OCI: manifest.json, a configuration and plain layer tars.</summary>
    public byte[] ToDockerArchive()
    {
        var configName = $"{ConfigDigest["sha256:".Length..]}.json";
        var names = LayerTars.Select(tar => $"{TestImage.DigestOf(tar)["sha256:".Length..]}/layer.tar").ToList();
        var manifest = new JsonArray(new JsonObject
        {
            ["Config"] = configName,
            ["RepoTags"] = Source.Reference.Length > 0 ? new JsonArray((JsonNode?)Source.Reference) : null,
            ["Layers"] = new JsonArray([.. names.Select(name => (JsonNode?)name)]),
        });
        var files = names.Zip(LayerTars).DistinctBy(pair => pair.First).Select(pair => (pair.First, pair.Second)).ToList();
        files.Add((configName, Config));
        files.Add(("manifest.json", Encoding.UTF8.GetBytes(manifest.ToJsonString())));
        return Tar(files);
    }

    public void WriteOciArchive(string path) => File.WriteAllBytes(path, ToOciArchive());

    public void WriteDockerArchive(string path) => File.WriteAllBytes(path, ToDockerArchive());

    private IEnumerable<(string Name, byte[] Content)> OciFiles()
    {
        yield return ("oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray());
        var descriptor = new JsonObject
        {
            ["mediaType"] = ManifestMediaType,
            ["digest"] = ManifestDigest,
            ["size"] = Manifest.Length,
        };
        if (Source.Reference.Length > 0)
            descriptor["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = Source.Reference };
        yield return ("index.json", Encoding.UTF8.GetBytes(
            new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(descriptor) }.ToJsonString()));
        foreach (var (digest, content) in Blobs.OrderBy(blob => blob.Key, StringComparer.Ordinal))
            yield return ($"blobs/{digest.Replace(':', '/')}", content);
    }

    private static byte[] Tar(IEnumerable<(string Name, byte[] Content)> files)
    {
        using var output = new MemoryStream();
        using (var writer = new TarWriter(output, TarEntryFormat.Ustar, leaveOpen: true))
            foreach (var (name, content) in files)
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), ModificationTime = TestImage.Created });
        return output.ToArray();
    }
}
