using System.Globalization;
using System.Text;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded.Cgroups;

/// <summary>Use of a cgroup's resources, as the kernel counts it.</summary>
internal sealed record CgroupUsage(long CpuNanoseconds, long MemoryBytes, long InactiveFileBytes, long RssBytes, long Pids);

/// <summary>
/// Our cgroups: <c>/ROOT/kubepods[/burstable|/besteffort]/pod-UID/CONTAINER</c>, the same path in every hierarchy. The OCI runtime
/// makes and fills those of containers; the rest is ours. Two layouts: <see cref="CgroupV1Tree"/> and <see cref="CgroupV2Tree"/>.
/// </summary>
internal abstract class CgroupTree(string root)
{
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(5);

    /// <summary>Path of our root cgroup below every hierarchy, with a leading slash.</summary>
    protected string Root { get; } = root;

    /// <summary>Directories of the hierarchies, each mount once.</summary>
    protected abstract IReadOnlyList<string> Hierarchies { get; }

    /// <summary>Those to look for processes in: a process of ours is in all of them.</summary>
    protected virtual IReadOnlyList<string> Counted => Hierarchies;

    /// <summary>Whether limits on huge pages reach a controller here.</summary>
    public abstract bool LimitsHugePages { get; }
    public abstract bool IsUnified { get; }

    public static CgroupTree Detect(string root, string mountPoint = "/sys/fs/cgroup") =>
        FileSystems.IsCgroup2(mountPoint) ? new CgroupV2Tree(root, mountPoint) : new CgroupV1Tree(root, CgroupV1Tree.MountedHierarchies(mountPoint));

    public string QosPath(string qosClass) => qosClass switch
    {
        "Guaranteed" => $"{Root}/kubepods",
        "Burstable" => $"{Root}/kubepods/burstable",
        _ => $"{Root}/kubepods/besteffort",
    };

    public string PodPath(string qosClass, string uid) => $"{QosPath(qosClass)}/pod{uid}";

    /// <summary>Makes the branches of the tree; a pod of any class can follow.</summary>
    public abstract void Prepare();

    /// <summary>Makes a cgroup and sets its limits.</summary>
    public abstract void Create(string path, LinuxResources resources);

    /// <summary>Sets those limits of an existing cgroup that <paramref name="resources"/> names.</summary>
    public abstract void Update(string path, LinuxResources resources);

    public abstract CgroupUsage? Usage(string path);

    /// <summary>How many processes of this cgroup and those below the kernel has killed for memory.</summary>
    public abstract long OutOfMemoryKills(string path);

    /// <summary>Kills every process in the cgroup and below, until there is none.</summary>
    public virtual void Kill(string path)
    {
        var deadline = Environment.TickCount64 + (long)RemovalLimit.TotalMilliseconds;
        for (var wait = 1; ; wait = Math.Min(wait * 2, 50))
        {
            var found = false;
            foreach (var hierarchy in Counted)
            {
                foreach (var pid in ProcessesIn(hierarchy + path))
                {
                    found = true;
                    Processes.Signal(pid, Processes.SIGKILL);
                }
            }
            if (!found)
                return;
            if (Environment.TickCount64 > deadline)
                throw new RuntimeException($"kill the processes in cgroup {path}: some are still there after {RemovalLimit.TotalSeconds}s");
            // They die on their own time, and no event tells when the last has gone.
            Thread.Sleep(wait);
        }
    }

    /// <summary>Removes a cgroup and those below it from every hierarchy. What is not there is fine.</summary>
    public void Remove(string path)
    {
        foreach (var hierarchy in Hierarchies)
            RemoveTree(hierarchy + path);
    }

    /// <summary>Every pod's cgroup there is, as paths for <see cref="Remove"/>.</summary>
    public IReadOnlyList<string> ListPods()
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var hierarchy in Hierarchies)
        {
            foreach (var branch in (string[])[QosPath("Guaranteed"), QosPath("Burstable"), QosPath("BestEffort")])
            {
                foreach (var pod in Below(hierarchy + branch).Select(Path.GetFileName).Where(name => name!.StartsWith("pod", StringComparison.Ordinal)))
                    found.Add($"{branch}/{pod}");
            }
        }
        return [.. found];
    }

    /// <summary>Removes our whole tree.</summary>
    public void RemoveAll()
    {
        if (Hierarchies.Any(hierarchy => Directory.Exists(hierarchy + Root)))
            Kill(Root);
        Remove(Root);
    }

    protected static void Write(string file, string value)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            stream.Write(Encoding.ASCII.GetBytes(value));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeException($"write {value} to {file}: {e.Message}", e);
        }
    }

    protected static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    protected static string? TryRead(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (IOException)
        {
            return null;
        }
    }

    protected static long? TryReadNumber(string file) =>
        long.TryParse(TryRead(file), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>The number behind a key in a file of <c>key number</c> lines; 0 when there is none.</summary>
    protected static long Field(string? text, string key)
    {
        foreach (var line in (text ?? "").AsSpan().EnumerateLines())
        {
            if (line.StartsWith(key, StringComparison.Ordinal) && line.Length > key.Length && line[key.Length] == ' ')
                return long.TryParse(line[(key.Length + 1)..], NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : 0;
        }
        return 0;
    }

    private static IEnumerable<int> ProcessesIn(string directory)
    {
        foreach (var below in Below(directory))
        {
            foreach (var pid in ProcessesIn(below))
                yield return pid;
        }
        foreach (var line in (TryRead($"{directory}/cgroup.procs") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // 0: a process of a PID namespace we cannot see.
            if (int.TryParse(line, out var pid) && pid > 0)
                yield return pid;
        }
    }

    /// <summary>The cgroups right below one; none when it is gone, which it may be at any moment: an end and a removal meet here.</summary>
    private static string[] Below(string directory)
    {
        try
        {
            return Directory.GetDirectories(directory);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static void RemoveTree(string directory)
    {
        if (!Directory.Exists(directory))
            return;
        foreach (var below in Below(directory))
            RemoveTree(below);
        var deadline = Environment.TickCount64 + (long)RemovalLimit.TotalMilliseconds;
        for (var wait = 1; ; wait = Math.Min(wait * 2, 50))
        {
            try
            {
                Directory.Delete(directory);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }
            catch (IOException e)
            {
                // Busy as long as a killed process has not quite gone. One that was moved into this hierarchy alone is killed here.
                if (Environment.TickCount64 > deadline)
                    throw new RuntimeException($"remove cgroup {directory}: {e.Message}", e);
                foreach (var pid in ProcessesIn(directory))
                    Processes.Signal(pid, Processes.SIGKILL);
            }
            Thread.Sleep(wait);
        }
    }
}
