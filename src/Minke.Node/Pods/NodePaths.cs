using System.Globalization;

namespace Minke.Node.Pods;

/// <summary>Where a node keeps its files. Everything of a pod is below its uid, so that what a dead pod left is found by name.</summary>
/// <remarks>
/// <code>
/// pods/UID/volumes/KIND/NAME             a volume                          (Volumes/)
/// pods/UID/volume-subpaths/…             sub paths                         (Volumes/)
/// pods/UID/containers/NAME/termination-N the termination message of attempt N
/// logs/pods/NAMESPACE_NAME_UID/CONTAINER/N.log
/// seccomp/PROFILE                        profiles for Localhost
/// </code>
/// </remarks>
public sealed record NodePaths(string DataDirectory)
{
    public string Pods => Path.Combine(DataDirectory, "pods");
    public string PodLogs => Path.Combine(DataDirectory, "logs", "pods");
    public string Seccomp => Path.Combine(DataDirectory, "seccomp");

    public string Pod(string uid) => Path.Combine(Pods, uid);
    public string Volumes(string uid) => Path.Combine(Pods, uid, "volumes");
    public string Container(string uid, string name) => Path.Combine(Pods, uid, "containers", name);

    public string TerminationMessage(string uid, string name, uint attempt) =>
        Path.Combine(Container(uid, name), string.Create(CultureInfo.InvariantCulture, $"termination-{attempt}"));

    public string Logs(string @namespace, string name, string uid) => Path.Combine(PodLogs, $"{@namespace}_{name}_{uid}");

    /// <summary>Removes a directory with everything in it, unless something is mounted below: that would be somebody's data.</summary>
    /// <exception cref="IOException">Something is mounted there.</exception>
    public static void RemoveTree(string directory)
    {
        if (!Directory.Exists(directory))
            return;
        var below = directory.TrimEnd('/') + "/";
        var mounted = Linux.Mounts.List().Select(mount => mount.MountPoint)
            .FirstOrDefault(point => point == directory || point.StartsWith(below, StringComparison.Ordinal));
        if (mounted is not null)
            throw new IOException($"remove {directory}: {mounted} is still mounted");
        Directory.Delete(directory, recursive: true);
    }
}
