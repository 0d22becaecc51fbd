using Minke.Node.Linux;

namespace Minke.Node.Network;

/// <summary>Kernel parameters below <c>net.</c>; each network namespace has its own. Applied to the calling thread's.</summary>
internal static class NetworkSysctls
{
    internal const string IpForward = "net.ipv4.ip_forward";

    /// <summary>Inside a pod's own namespace every port may be bound and anybody may ping, as containerd 2 has it.</summary>
    internal static readonly IReadOnlyList<KeyValuePair<string, string>> PodDefaults =
    [
        new("net.ipv4.ip_unprivileged_port_start", "0"),
        new("net.ipv4.ping_group_range", "0 2147483647"),
    ];

    internal static bool IsNetwork(string name) => name.StartsWith("net.", StringComparison.Ordinal) || name.StartsWith("net/", StringComparison.Ordinal);

    internal static string Read(string name) => File.ReadAllText(PathOf(name)).Trim();

    /// <exception cref="LinuxException">There is no such parameter in a network namespace, or it does not take this value.</exception>
    internal static void Write(string name, string value)
    {
        try
        {
            // FileMode.Open: below /proc there is nothing to create or to cut.
            using var file = new FileStream(PathOf(name), FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            file.Write(System.Text.Encoding.UTF8.GetBytes(value));
        }
        catch (Exception exception) when (exception is IOException and not LinuxException or UnauthorizedAccessException)
        {
            var errno = exception is FileNotFoundException or DirectoryNotFoundException ? Errno.ENOENT
                : exception is UnauthorizedAccessException ? Errno.EACCES : Errno.EINVAL;
            throw new LinuxException(errno, $"set sysctl {name} to \"{value}\"");
        }
    }

    /// <summary>
    /// <c>net.ipv4.conf.eth0.x</c> is a path with slashes for dots. As sysctl(8) has it, a name whose first separator is a slash is a path
    /// already, with dots for dots (in names of interfaces).
    /// </summary>
    internal static string PathOf(string name)
    {
        var path = name.IndexOfAny(['.', '/']) is var first && first >= 0 && name[first] == '/'
            ? name
            : string.Create(name.Length, name, static (span, text) =>
            {
                for (var i = 0; i < span.Length; i++)
                    span[i] = text[i] switch { '.' => '/', '/' => '.', var other => other };
            });
        return path.Split('/').Contains("..") ? throw new ArgumentException($"sysctl {name}: not a name", nameof(name)) : "/proc/sys/" + path;
    }
}
