using System.Collections.Concurrent;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>The OCI runtimes of this machine, by handler.</summary>
internal sealed class OciRuntimes(EmbeddedOptions options, EmbeddedFiles files)
{
    private static readonly string[] SearchPath = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
    private readonly ConcurrentDictionary<string, OciRuntime> _found = new(StringComparer.Ordinal);

    /// <summary>The runtime of a RuntimeClass's handler; the default one for an empty name: crun, else runc.</summary>
    /// <exception cref="RuntimeException">There is none.</exception>
    public OciRuntime Get(string handler) => _found.GetOrAdd(handler, Find);

    public static string FindProgram(string configured, string name)
    {
        if (configured.Length > 0)
            return File.Exists(configured) ? configured : throw new RuntimeException($"find {name}: {configured} does not exist");
        return OnSearchPath(name) ?? throw new RuntimeException($"find {name}: it is not installed (on Debian: apt-get install {name})");
    }

    /// <summary>Undoes the bind mounts of the binaries.</summary>
    public void Unmount()
    {
        foreach (var program in Directory.EnumerateFiles(files.Programs))
            Mounts.Unmount(program);
    }

    private OciRuntime Find(string handler)
    {
        if (handler.Length == 0)
        {
            var standard = OnSearchPath("crun") ?? OnSearchPath("runc")
                ?? throw new RuntimeException("find an OCI runtime: neither crun nor runc is installed (on Debian: apt-get install crun)");
            return Make("default", standard);
        }
        var path = options.Handlers.GetValueOrDefault(handler) ?? (options.KnownHandlers.Contains(handler) ? OnSearchPath(handler) : null);
        return path is not null && File.Exists(path) ? Make(handler, path)
            : throw new RuntimeException($"failed to get sandbox runtime: no runtime for \"{handler}\" is configured");
    }

    private OciRuntime Make(string handler, string path)
    {
        var root = files.OciRoot(handler);
        Directory.CreateDirectory(root);
        var isCrun = Path.GetFileName(path) == "crun";
        return new OciRuntime(handler, isCrun ? BindReadOnly(path) : path, root, isCrun);
    }

    /// <summary>
    /// crun guards itself against being overwritten by a container (CVE-2019-5736): unless it lies on a read-only mount it makes one for
    /// itself and executes itself again, at every start. One lasting mount spares all of that (2 ms).
    /// </summary>
    private string BindReadOnly(string path)
    {
        var target = $"{files.Programs}/{Path.GetFileName(path)}";
        if (Mounts.List().Any(mount => mount.MountPoint == target))
            return target;
        if (!File.Exists(target))
            File.Create(target).Dispose();
        try
        {
            Mounts.Bind(path, target);
            Mounts.Mount("none", target, null, MountFlags.MS_BIND | MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY);
            return target;
        }
        catch (LinuxException)
        {
            Mounts.Unmount(target);
            return path;
        }
    }

    private static string? OnSearchPath(string name) =>
        SearchPath.Select(directory => $"{directory}/{name}").FirstOrDefault(File.Exists);
}
