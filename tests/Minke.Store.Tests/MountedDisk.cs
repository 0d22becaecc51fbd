using System.Diagnostics;

namespace Minke.Store.Tests;

/// <summary>A small disk of a test's own; unmounted and gone afterwards. Needs root.</summary>
internal sealed class MountedDisk : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly string[] _mount;

    private MountedDisk(Func<string, string[]> mount)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "mounting needs root");
        Path = Directory.CreateDirectory(System.IO.Path.Combine(_directory.Path, "disk")).FullName;
        _mount = mount(_directory.Path);
        Mount();
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    public static MountedDisk Tmpfs(int megabytes) => new(_ => ["-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs"]);

    /// <summary>ext4 in a file, which becomes read-only at the first error, as data disks do.</summary>
    public static MountedDisk Ext4(int megabytes) => new(directory =>
    {
        var image = System.IO.Path.Combine(directory, "image");
        Run("mkfs.ext4", "-q", image, $"{megabytes}m");
        return ["-t", "ext4", "-o", "loop,errors=remount-ro", image];
    });

    public void Mount() => Run("mount", [.. _mount, Path]);

    /// <summary>Fails while somebody has a file open on it.</summary>
    public void Unmount() => Run("umount", Path);

    /// <summary>What a bad block does: the kernel takes no more writes.</summary>
    public void Break()
    {
        var device = Run("findmnt", "-n", "-o", "SOURCE", Path).Trim();
        File.WriteAllText($"/sys/fs/ext4/{System.IO.Path.GetFileName(device)}/trigger_fs_error", "1");
    }

    /// <summary>Takes all the space that is left, into one file.</summary>
    public string Fill()
    {
        var ballast = System.IO.Path.Combine(Path, "ballast");
        using var file = new FileStream(ballast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        // Ever smaller pieces: a file system keeps some blocks for itself.
        for (var piece = 1 << 20; piece >= 512; piece /= 2)
        {
            try
            {
                while (true)
                    file.Write(new byte[piece]);
            }
            catch (IOException)
            {
                // Full, for pieces of this size.
            }
        }
        return ballast;
    }

    public void Dispose()
    {
        // Lazily: a test that failed may have files open.
        Run("umount", "--lazy", Path);
        _directory.Dispose();
    }

    private static string Run(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEnd();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new IOException($"{command} {string.Join(' ', arguments)}: {errors.Trim()}");
    }
}
