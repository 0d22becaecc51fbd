using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded.Cgroups;

/// <summary>
/// What a host with cgroup v1 needs before containers start well: no controller left on the v2 tree, and fast moves between cgroups.
/// </summary>
/// <remarks>
/// <para>crun refuses a hybrid host (v1 controllers and a v2 tree) while the v2 tree still offers a controller. A controller belongs to
/// one hierarchy on the whole machine, so putting the left-over ones into a v1 hierarchy of our own satisfies it. That hierarchy is
/// mounted nowhere: a descriptor of a detached mount makes it, and our cgroup in it keeps it alive without us. The host's mounts
/// and cgroups stay as they are; when the last cgroup in it is removed and it is opened once more, the controllers go back.</para>
/// <para>The same hierarchy carries <c>favordynmods</c>, an option for the whole machine: without it the first move of a process into
/// a cgroup waits for an RCU grace period, often 10 ms and up to 25, and every container start makes one such move. Where no
/// controller is left over, a named hierarchy without controllers carries it.</para>
/// </remarks>
internal sealed class HybridCgroups
{
    private const string Name = "minke";
    private const int Tries = 50;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private readonly string _unified;
    private readonly string _mark;

    public HybridCgroups(string root, string mountPoint = "/sys/fs/cgroup")
    {
        _unified = $"{mountPoint}/unified/cgroup.controllers";
        _mark = root.Trim('/').Replace('/', '-');
    }

    /// <summary>Makes crun accept the host; harmless where it does already.</summary>
    public void Claim()
    {
        // Another one of us may claim or give back at the same time, so look again until there is nothing left to do. Whoever is
        // first makes a hierarchy, but every one marks it: else it would end with the first.
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var left = LeftOver();
            List<IReadOnlyList<string>> ours = [.. Candidates()];
            if (left.Length > 0)
                ours.Add(left);
            else if (ours.Count == 0)
                ours.Add([]);
            if (ours.Select(TryMark).ToList().All(marked => marked) && LeftOver().Length == 0)
                return;
            Thread.Sleep(Pause);
        }
        throw new RuntimeException(
            $"prepare cgroups: the v2 tree still offers {string.Join(", ", LeftOver())}, which crun refuses beside v1; "
            + "mount them as v1 controllers, or install runc");
    }

    /// <summary>Removes our cgroup; the last one to do so gives the controllers back.</summary>
    public void Release()
    {
        foreach (var controllers in Candidates())
        {
            // A removed cgroup lingers for a moment, and a hierarchy that has one is not given up: open and close it again.
            for (var attempt = 0; attempt < Tries && Exists(controllers) && !IsUsed(controllers); attempt++)
                Thread.Sleep(Pause);
        }
    }

    private bool TryMark(IReadOnlyList<string> controllers)
    {
        try
        {
            using var hierarchy = Open(controllers);
            Directory.CreateDirectory(Within(hierarchy, _mark));
            return true;
        }
        catch (Exception e) when (e is LinuxException { Errno: Errno.EBUSY } or DirectoryNotFoundException)
        {
            return false; // It is ending, or was just taken.
        }
    }

    /// <summary>Removes our cgroup. True when others use the hierarchy; closing the last descriptor of one nobody uses ends it.</summary>
    private bool IsUsed(IReadOnlyList<string> controllers)
    {
        try
        {
            using var hierarchy = Open(controllers);
            var own = Within(hierarchy, _mark);
            if (Directory.Exists(own))
                Directory.Delete(own);
            return Directory.EnumerateDirectories(Within(hierarchy, ".")).Any();
        }
        catch (LinuxException e) when (e.Errno == Errno.EBUSY)
        {
            return false; // It is ending.
        }
    }

    private string[] LeftOver() =>
        File.Exists(_unified) ? File.ReadAllText(_unified).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries) : [];

    /// <summary>Hierarchies that are ours: mounted nowhere, and either named so or with controllers.</summary>
    private static List<IReadOnlyList<string>> Candidates()
    {
        var mounted = Mounts.List().Where(mount => mount.FileSystem == "cgroup")
            .SelectMany(mount => mount.SuperOptions.Split(',')).ToHashSet(StringComparer.Ordinal);
        var found = new List<IReadOnlyList<string>>();
        // 11:hugetlb:/   10:name=minke:/   0::/
        foreach (var line in File.ReadLines("/proc/self/cgroup"))
        {
            var controllers = line.Split(':')[1];
            if (controllers == $"name={Name}")
                found.Add([]);
            else if (controllers.Length > 0 && !controllers.StartsWith("name=", StringComparison.Ordinal) && !controllers.Split(',').Any(mounted.Contains))
                found.Add(controllers.Split(','));
        }
        return found;
    }

    private static bool Exists(IReadOnlyList<string> controllers)
    {
        var middle = controllers.Count == 0 ? $":name={Name}:" : $":{string.Join(',', controllers)}:";
        return File.ReadLines("/proc/self/cgroup").Any(line => line.Contains(middle, StringComparison.Ordinal));
    }

    private static SafeFileHandle Open(IReadOnlyList<string> controllers)
    {
        IReadOnlyList<string> flags = controllers.Count == 0 ? ["none"] : controllers;
        var name = controllers.Count == 0 ? Name : null;
        try
        {
            return Mounts.CgroupHierarchy([.. flags, "favordynmods"], name);
        }
        catch (LinuxException e) when (e.Errno == Errno.EINVAL)
        {
            return Mounts.CgroupHierarchy(flags, name); // Before Linux 6.0.
        }
    }

    private static string Within(SafeFileHandle hierarchy, string name) => $"/proc/self/fd/{hierarchy.DangerousGetHandle()}/{name}";
}
