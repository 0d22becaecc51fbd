using System.Runtime.InteropServices;

namespace Minke.Cli.Doctor;

/// <summary>What a diagnosis needs to know of a machine, read once.</summary>
internal sealed record MachineFacts
{
    public required bool IsRoot { get; init; }

    /// <summary><c>6.1.0-18-amd64</c>.</summary>
    public required string KernelRelease { get; init; }

    /// <summary>Lines of /proc/filesystems, without <c>nodev</c>.</summary>
    public required IReadOnlyCollection<string> FileSystems { get; init; }

    /// <summary>Names in /proc/self/ns.</summary>
    public required IReadOnlyCollection<string> Namespaces { get; init; }

    /// <summary>Type, mount point and options of every cgroup mount.</summary>
    public required IReadOnlyList<(string Type, string Point, string Options)> CgroupMounts { get; init; }

    /// <summary>Controllers of the v2 tree; empty without one.</summary>
    public required IReadOnlyCollection<string> UnifiedControllers { get; init; }
    public required bool HasSeccomp { get; init; }

    /// <summary>Whether <c>nft list tables</c> works; null when not tried (not root, or no nft).</summary>
    public required bool? NftWorks { get; init; }

    /// <summary>Tools that were found, and where.</summary>
    public required IReadOnlyDictionary<string, string> Tools { get; init; }

    /// <summary>Libraries that can be loaded.</summary>
    public required IReadOnlyCollection<string> Libraries { get; init; }

    /// <summary>fs.inotify.max_user_instances; 0 when unknown.</summary>
    public required long InotifyInstances { get; init; }

    /// <summary>Bytes free below /var/lib; null when unknown.</summary>
    public required long? FreeBytes { get; init; }

    public static MachineFacts Read()
    {
        var tools = FindTools();
        var mounts = Lines("/proc/self/mountinfo").Select(ParseMount).Where(mount => mount.Type.StartsWith("cgroup", StringComparison.Ordinal)).ToArray();
        var unified = mounts.FirstOrDefault(mount => mount.Type == "cgroup2").Point;
        return new MachineFacts
        {
            IsRoot = Environment.IsPrivilegedProcess,
            KernelRelease = Lines("/proc/sys/kernel/osrelease").FirstOrDefault("?"),
            FileSystems = [.. Lines("/proc/filesystems").Select(line => line.Split('\t')[^1])],
            Namespaces = Directory.Exists("/proc/self/ns") ? [.. Directory.GetFileSystemEntries("/proc/self/ns").Select(entry => Path.GetFileName(entry))] : [],
            CgroupMounts = mounts,
            UnifiedControllers = unified is null ? [] : [.. Lines(unified + "/cgroup.controllers").SelectMany(line => line.Split(' '))],
            HasSeccomp = File.Exists("/proc/sys/kernel/seccomp/actions_avail"),
            NftWorks = Environment.IsPrivilegedProcess && tools.TryGetValue("nft", out var nft) ? Succeeds(nft, "list", "tables") : null,
            Tools = tools,
            Libraries = [.. Diagnosis.Libraries.Select(library => library.Name).Where(CanLoad)],
            InotifyInstances = long.TryParse(Lines("/proc/sys/fs/inotify/max_user_instances").FirstOrDefault(), out var instances) ? instances : 0,
            FreeBytes = FreeSpace(),
        };
    }

    private static Dictionary<string, string> FindTools()
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "") + ":/usr/local/sbin:/usr/sbin:/sbin";
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var tool in Diagnosis.Tools.SelectMany(tool => tool.Names))
        {
            var file = path.Split(':', StringSplitOptions.RemoveEmptyEntries).Select(directory => Path.Combine(directory, tool)).FirstOrDefault(File.Exists);
            if (file is not null)
                found[tool] = file;
        }
        return found;
    }

    /// <summary>"36 35 0:31 / /sys/fs/cgroup/cpu rw,relatime shared:1 - cgroup cgroup rw,cpu"</summary>
    private static (string Type, string Point, string Options) ParseMount(string line)
    {
        var fields = line.Split(' ');
        var dash = Array.IndexOf(fields, "-");
        return dash < 0 || fields.Length < dash + 4 ? ("", "", "") : (fields[dash + 1], fields[4], fields[dash + 3]);
    }

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static bool CanLoad(string library)
    {
        if (!NativeLibrary.TryLoad(library, out var handle))
            return false;
        NativeLibrary.Free(handle);
        return true;
    }

    private static bool Succeeds(string tool, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private static long? FreeSpace()
    {
        try
        {
            return new DriveInfo("/var/lib").AvailableFreeSpace;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
