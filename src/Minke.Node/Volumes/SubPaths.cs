using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;
using Minke.Node.Pods;

namespace Minke.Node.Volumes;

/// <summary>
/// A part of a volume as a mount of its own. The volume belongs to its containers, which may swap a directory for a link at any
/// moment: so the part is opened once, below the volume, and what was opened is mounted, not its name.
/// </summary>
internal static class SubPaths
{
    private const uint DirectoryMode = 0x1e8; // 0750, as kubelet makes them

    /// <summary>Mounts <paramref name="subPath"/> of a volume on <paramref name="target"/>, making directories that are missing.</summary>
    /// <exception cref="ContainerConfigException">The path leads out of the volume or cannot be made.</exception>
    public static void Mount(string volume, string subPath, string target, long? groupGid)
    {
        try
        {
            using var part = Open(volume, subPath, groupGid);
            var source = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{part.DangerousGetHandle()}");
            var isDirectory = Directory.Exists(source);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            Mounts.Unmount(target);
            if (isDirectory)
                Directory.CreateDirectory(target);
            else
                File.WriteAllBytes(target, []);
            Mounts.Bind(source, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ContainerConfigException($"failed to prepare subPath for volumeMount \"{Path.GetFileName(volume)}\" of container: {e.Message}", e) { Reason = "CreateContainerConfigError" };
        }
    }

    private static SafeFileHandle Open(string volume, string subPath, long? groupGid)
    {
        using var root = Descriptors.OpenDirectory(volume);
        if (VolumeFiles.OpenBeneath(root, subPath) is { } there)
            return there;

        var walked = "";
        foreach (var step in subPath.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var next = walked.Length == 0 ? step : walked + "/" + step;
            using var found = VolumeFiles.OpenBeneath(root, next);
            if (found is null)
            {
                using var parent = VolumeFiles.OpenBeneath(root, walked.Length == 0 ? "." : walked)!;
                VolumeFiles.MakeDirectory(parent, step, DirectoryMode);
                if (groupGid is not null)
                    VolumeFiles.ChangeOwner(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{parent.DangerousGetHandle()}/{step}"), null, groupGid);
            }
            walked = next;
        }
        return VolumeFiles.OpenBeneath(root, walked.Length == 0 ? "." : walked)
            ?? throw new IOException($"{subPath} of {volume} vanished while it was made");
    }
}
