using System.Globalization;
using System.Text;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>Who a container's first process is: numbers, all its groups (the primary one first), and a home directory.</summary>
internal sealed record ImageUser(long Uid, long Gid, IReadOnlyList<long> Groups, string Home)
{
    /// <summary>
    /// Works out the user from what the pod asks, then what the image says, with names looked up in the image's /etc/passwd and
    /// /etc/group.
    /// </summary>
    public static ImageUser Resolve(ContainerSecurity security, string imageUser, string passwd, string group)
    {
        var users = Lines(passwd, 7).ToList();
        var groups = Lines(group, 3).ToList();
        var (name, groupName) = security switch
        {
            { RunAsUser: { } number } => (number.ToString(CultureInfo.InvariantCulture), ""),
            { RunAsUserName.Length: > 0 } => (security.RunAsUserName, ""),
            _ => Split(imageUser),
        };
        var entry = name.Length == 0 ? users.Find(user => user[2] == "0") : users.Find(user => user[0] == name) ?? users.Find(user => user[2] == name);
        var uid = entry is not null && Number(entry[2]) is { } known ? known
            : name.Length == 0 ? 0
            : Number(name) ?? throw new RuntimeException($"unable to find user {name}: no matching entries in passwd file") { Reason = "CreateContainerError" };

        var gid = security.RunAsGroup
            ?? (groupName.Length > 0 ? GroupNumber(groups, groupName) : entry is null ? 0 : Number(entry[3]) ?? 0);

        var all = new List<long> { gid };
        all.AddRange(security.SupplementalGroups);
        if (!security.StrictSupplementalGroups && entry is not null)
        {
            all.AddRange(groups.Where(line => line.Length > 3 && line[3].Split(',').Contains(entry[0]))
                .Select(line => Number(line[2])).OfType<long>());
        }
        return new ImageUser(uid, gid, [.. all.Distinct()], entry is { Length: > 5 } && entry[5].Length > 0 ? entry[5] : "/");
    }

    /// <summary>Reads a small text file of a container's root file system; empty when it is not there.</summary>
    public static string ReadInRoot(string rootfs, string path)
    {
        const int MaxBytes = 4 * 1024 * 1024;
        using var handle = FileSystems.OpenInRoot(rootfs, path);
        if (handle is null)
            return "";
        try
        {
            var content = new byte[Math.Min(RandomAccess.GetLength(handle), MaxBytes)];
            return Encoding.UTF8.GetString(content, 0, RandomAccess.Read(handle, content, 0));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return ""; // A directory, a device: not a list of users.
        }
    }

    private static long GroupNumber(List<string[]> groups, string name) =>
        groups.Find(line => line[0] == name) is { } entry && Number(entry[2]) is { } known ? known
        : Number(name) ?? throw new RuntimeException($"unable to find group {name}: no matching entries in group file") { Reason = "CreateContainerError" };

    private static (string User, string Group) Split(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? (text, "") : (text[..colon], text[(colon + 1)..]);
    }

    private static IEnumerable<string[]> Lines(string text, int fields) =>
        text.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => line.Split(':')).Where(parts => parts.Length >= Math.Min(fields, 4) || (fields == 3 && parts.Length == 3));

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value <= uint.MaxValue ? value : null;
}
