using Minke.Api.Core.V1;
using Minke.Node.Linux;

namespace Minke.Node.Volumes;

/// <summary>The types of hostPath: what must be there, and what is made. (pkg/volume/hostpath)</summary>
internal static class HostPaths
{
    private const uint DirectoryMode = 0x1ed; // 0755
    private const uint FileMode = 0x1a4; // 0644

    /// <returns>The failure in upstream's words, or null.</returns>
    public static string? Prepare(HostPathVolumeSource source)
    {
        var path = source.Path;
        switch (source.Type ?? "")
        {
            case HostPathType.DirectoryOrCreate:
                if (!Path.Exists(path))
                {
                    Directory.CreateDirectory(path);
                    VolumeFiles.ChangeMode(path, DirectoryMode);
                }
                return Directory.Exists(path) ? null : $"hostPath type check failed: {path} is not a directory";
            case HostPathType.Directory:
                return Directory.Exists(path) ? null : $"hostPath type check failed: {path} is not a directory";
            case HostPathType.FileOrCreate:
                if (!Path.Exists(path))
                {
                    try
                    {
                        File.WriteAllBytes(path, []);
                        VolumeFiles.ChangeMode(path, FileMode);
                    }
                    catch (IOException e)
                    {
                        return $"open {path}: {e.Message}";
                    }
                }
                return File.Exists(path) ? null : $"hostPath type check failed: {path} is not a file";
            case HostPathType.File:
                return File.Exists(path) && KindOf(path) == UnixFileKind.Regular ? null : $"hostPath type check failed: {path} is not a file";
            case HostPathType.Socket:
                return KindOf(path) == UnixFileKind.Socket ? null : $"hostPath type check failed: {path} is not a socket file";
            case HostPathType.CharDevice:
                return KindOf(path) == UnixFileKind.CharDevice ? null : $"hostPath type check failed: {path} is not a character device";
            case HostPathType.BlockDevice:
                return KindOf(path) == UnixFileKind.BlockDevice ? null : $"hostPath type check failed: {path} is not a block device";
            default:
                // Nothing is asked; a mount needs something there, and a directory is what upstream's runtimes make.
                if (!Path.Exists(path))
                    Directory.CreateDirectory(path);
                return null;
        }
    }

    private enum UnixFileKind { None, Regular, Socket, CharDevice, BlockDevice }

    private static UnixFileKind KindOf(string path)
    {
        if (!Path.Exists(path))
            return UnixFileKind.None;
        if (FileSystems.Device(path) is { } device)
            return device.Type == 'c' ? UnixFileKind.CharDevice : UnixFileKind.BlockDevice;
        if (Directory.Exists(path))
            return UnixFileKind.None;
        return VolumeFiles.IsSocket(path) ? UnixFileKind.Socket : UnixFileKind.Regular;
    }
}
