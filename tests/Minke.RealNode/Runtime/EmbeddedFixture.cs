using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Minke.Node.Linux;
using Minke.Node.Network;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;

namespace Minke.RealNode.Runtime;

/// <summary>An embedded runtime of its own directories and cgroups, with busybox as its only image and loopback as its only network.</summary>
public sealed class EmbeddedFixture : IAsyncDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("minke-runtime-").FullName;

    public EmbeddedFixture()
    {
        Images = new BusyboxImages(Path.Combine(_root, "image"));
        Network = new LoopbackNetwork(Path.Combine(_root, "netns"));
        Options = new EmbeddedOptions
        {
            StateDirectory = Path.Combine(_root, "state"),
            RunDirectory = Path.Combine(_root, "run"),
            CgroupRoot = Path.GetFileName(_root),
        };
    }

    public EmbeddedOptions Options { get; }
    public BusyboxImages Images { get; }
    public LoopbackNetwork Network { get; }
    public string Root => _root;
    public string Logs => Path.Combine(_root, "logs");
    public EmbeddedRuntime Runtime { get; private set; } = null!;

    public async Task<EmbeddedRuntime> OpenAsync() => Runtime = await EmbeddedRuntime.OpenAsync(
        Options, Images, Network, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);

    /// <summary>Removes everything, and fails when anything of it is left on the machine.</summary>
    public async ValueTask DisposeAsync()
    {
        await Runtime.RemoveEverythingAsync(CancellationToken.None);
        await Runtime.DisposeAsync();
        Assert.DoesNotContain(Mounts.List(), mount => mount.MountPoint.StartsWith(_root, StringComparison.Ordinal));
        Assert.Empty(Processes());
        foreach (var hierarchy in Directory.EnumerateDirectories("/sys/fs/cgroup"))
            Assert.False(Directory.Exists($"{hierarchy}/{Options.CgroupRoot}"), $"{hierarchy}/{Options.CgroupRoot} is left");
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>Processes of ours: monitors whose command line names our directories.</summary>
    public IReadOnlyList<int> Processes() =>
    [
        .. Directory.EnumerateDirectories("/proc").Select(path => int.TryParse(Path.GetFileName(path), out var pid) ? pid : 0)
            .Where(pid => pid > 0 && pid != Environment.ProcessId && CommandLine(pid).Contains($"{_root}/", StringComparison.Ordinal)),
    ];

    private static string CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }
}

/// <summary>One image: busybox, with a few users and groups.</summary>
public sealed class BusyboxImages : IImageService
{
    public const string Id = "sha256:busybox";
    private readonly Dictionary<string, ImageInfo> _images = [];

    public BusyboxImages(string directory)
    {
        foreach (var below in (string[])["bin", "etc", "tmp", "proc", "sys", "dev", "home/app", "opt/data"])
            Directory.CreateDirectory(Path.Combine(directory, below));
        File.Copy("/bin/busybox", Path.Combine(directory, "bin/busybox"), overwrite: true);
        foreach (var name in (string[])["sh", "true", "false", "sleep", "cat", "ls", "echo", "id", "env", "pwd", "hostname", "mount", "umount", "stat",
            "ps", "nc", "dd", "tr", "head", "sysctl", "mkdir", "rm", "touch", "chown", "grep", "stty", "tty", "kill", "wc", "unshare", "chroot", "ping", "mknod", "test", "readlink"])
            File.CreateSymbolicLink(Path.Combine(directory, "bin", name), "busybox");
        File.WriteAllText(Path.Combine(directory, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n");
        File.WriteAllText(Path.Combine(directory, "etc/group"), "root:x:0:\napp:x:1001:\nstaff:x:50:app\nwheel:x:51:root,app\n");
        File.WriteAllText(Path.Combine(directory, "opt/data/file"), "from the image\n");
        Add(Id, new ImageConfig { Cmd = ["sh"], Env = ["PATH=/bin", "FROM_IMAGE=yes"] }, directory);
    }

    public void Add(string id, ImageConfig config, params string[] layers) =>
        _images[id] = new ImageInfo { Id = id, SizeBytes = 1, Config = config, LayerDirectories = layers };

    public string Layer => _images[Id].LayerDirectories[0];

    public ImageInfo? Find(string referenceOrId) => _images.GetValueOrDefault(referenceOrId);
    public IReadOnlyList<ImageInfo> List() => [.. _images.Values];

    public Task<ImageInfo> PullAsync(
        string reference, IReadOnlyList<RegistryCredential> credentials, IProgress<PullProgress>? progress, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<bool> RemoveAsync(string referenceOrId, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<ImageFileSystem> FileSystemAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}

/// <summary>Namespaces with nothing but loopback: no packet can leave them.</summary>
public sealed class LoopbackNetwork(string directory) : ISandboxNetwork
{
    private ImmutableDictionary<SandboxId, NetworkAttachment> _attached = ImmutableDictionary<SandboxId, NetworkAttachment>.Empty;

    public Task<NetworkAttachment> AttachAsync(SandboxNetworkRequest request, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, request.Sandbox.Value);
        Namespaces.OnOwnThread(() =>
        {
            Namespaces.Unshare(NamespaceKinds.CLONE_NEWNET);
            Namespaces.Pin("net", path);
            LoopbackUp();
        });
        var attachment = new NetworkAttachment { Sandbox = request.Sandbox, NamespacePath = path, Ips = ["10.0.0.7"] };
        ImmutableInterlocked.TryAdd(ref _attached, request.Sandbox, attachment);
        return Task.FromResult(attachment);
    }

    public Task DetachAsync(SandboxId sandbox, CancellationToken cancellationToken)
    {
        if (ImmutableInterlocked.TryRemove(ref _attached, sandbox, out var attachment))
            Namespaces.Unpin(attachment.NamespacePath);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<NetworkAttachment>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<NetworkAttachment>>([.. _attached.Values]);

    public Task RecoverAsync(IReadOnlySet<SandboxId> known, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>ip link set lo up, by ioctl(SIOCSIFFLAGS).</summary>
    private static unsafe void LoopbackUp()
    {
        using var socket = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp);
        Span<byte> request = stackalloc byte[40];
        request.Clear();
        "lo"u8.CopyTo(request);
        request[16] = 0x41; // IFF_UP | IFF_RUNNING
        fixed (byte* pointer = request)
        {
            if (Native.Ioctl((int)socket.Handle, 0x8914, pointer) != 0)
                throw LinuxException.Last("set lo up");
        }
    }
}

internal static unsafe partial class Native
{
    [System.Runtime.InteropServices.LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(int descriptor, nuint request, byte* argument);
}
