using System.Globalization;

namespace Minke.Cli.Kubeconfigs;

/// <summary>Who typed the command: under sudo the user who asked for it, otherwise the one we are.</summary>
/// <param name="Home">Their home directory.</param>
/// <param name="Uid">Null when files need no change of owner.</param>
/// <param name="Gid">Their group.</param>
/// <param name="KubeconfigPath">The file their kubectl reads.</param>
public sealed record InvokingUser(string Home, uint? Uid, uint? Gid, string KubeconfigPath)
{
    /// <param name="environment">Reads an environment variable.</param>
    /// <param name="passwd">The user database, as /etc/passwd has it.</param>
    /// <param name="isRoot">Whether this process is root: only then does sudo matter.</param>
    public static InvokingUser From(Func<string, string?> environment, string passwd, bool isRoot)
    {
        var home = environment("HOME") ?? "/root";
        uint? uid = null, gid = null;
        if (isRoot && Number(environment("SUDO_UID")) is { } sudoUid and not 0 && Number(environment("SUDO_GID")) is { } sudoGid)
        {
            (uid, gid) = (sudoUid, sudoGid);
            // sudo may or may not have kept HOME: the user database knows.
            home = HomeOf(passwd, sudoUid) ?? "/home/" + environment("SUDO_USER");
        }
        // kubectl writes to the first file of the list.
        var named = environment("KUBECONFIG")?.Split(':', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return new InvokingUser(home, uid, gid, named ?? Path.Combine(home, ".kube", "config"));
    }

    private static uint? Number(string? text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string? HomeOf(string passwd, uint uid)
    {
        foreach (var line in passwd.Split('\n'))
        {
            // name:password:uid:gid:comment:home:shell
            if (line.Split(':') is { Length: >= 6 } fields && Number(fields[2]) == uid)
                return fields[5];
        }
        return null;
    }
}
