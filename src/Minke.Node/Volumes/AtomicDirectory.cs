using System.Globalization;
using Minke.Node.Linux;

namespace Minke.Node.Volumes;

/// <summary>One file of a volume that lives.</summary>
/// <param name="Content">Its bytes.</param>
/// <param name="Mode">Permission bits.</param>
/// <param name="OwnerUid">Null for root.</param>
internal sealed record VolumeFile(byte[] Content, uint Mode, long? OwnerUid = null);

/// <summary>A directory whose files all change in one step, for a reader that opens them by name. (kubelet's AtomicWriter)</summary>
/// <remarks>
/// <code>
/// ..2026_11_21_10_00_00.123456789/dir/file    the files, in a directory of their own
/// ..data -> ..2026_11_21_10_00_00.123456789   replaced by rename: the one step
/// dir -> ..data/dir                           what a container sees
/// </code>
/// </remarks>
internal sealed class AtomicDirectory(string directory, TimeProvider time)
{
    private const string Data = "..data";
    private const string NewData = "..data_tmp";

    /// <summary>Brings the directory to these files, and does nothing where it has them already. Keys are relative paths.</summary>
    public void Write(SortedDictionary<string, VolumeFile> files, long? groupGid)
    {
        var stamp = new FileInfo(Path.Combine(directory, Data)).LinkTarget;
        if (stamp is null || !IsSame(Path.Combine(directory, stamp), files))
            stamp = WriteFresh(files, groupGid);

        // Also when the files were there: we may have been killed after the one step, before this.
        foreach (var top in files.Keys.Select(TopOf).Distinct(StringComparer.Ordinal))
        {
            var visible = Path.Combine(directory, top);
            if (new FileInfo(visible).LinkTarget is null)
                File.CreateSymbolicLink(visible, Path.Combine(Data, top));
        }
        RemoveOthers(stamp, files);
    }

    private string WriteFresh(SortedDictionary<string, VolumeFile> files, long? groupGid)
    {
        var stamp = ".." + time.GetUtcNow().ToString("yyyy_MM_dd_HH_mm_ss.fffffff", CultureInfo.InvariantCulture);
        var fresh = Path.Combine(directory, stamp);
        Directory.CreateDirectory(fresh);
        VolumeFiles.ChangeMode(fresh, 0x1ed); // 0755
        if (groupGid is not null)
            VolumeFiles.ChangeOwner(fresh, null, groupGid);
        foreach (var (name, file) in files)
            WriteFile(fresh, name, file, groupGid);

        var newLink = Path.Combine(directory, NewData);
        File.Delete(newLink);
        File.CreateSymbolicLink(newLink, stamp);
        VolumeFiles.Replace(newLink, Path.Combine(directory, Data));
        return stamp;
    }

    private static void WriteFile(string root, string name, VolumeFile file, long? groupGid)
    {
        var path = Path.Combine(root, name);
        var parent = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(parent))
        {
            Directory.CreateDirectory(parent);
            for (var made = parent; made.Length > root.Length; made = Path.GetDirectoryName(made)!)
            {
                VolumeFiles.ChangeMode(made, 0x1ed);
                if (groupGid is not null)
                    VolumeFiles.ChangeOwner(made, null, groupGid);
            }
        }
        // Nobody but root reads it before its mode is set.
        using (var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
            stream.Write(file.Content);
        // A group that was given the volume may read it; that is what it was given it for. (SetVolumeOwnership, read-only mask 0440)
        VolumeFiles.ChangeMode(path, groupGid is null ? file.Mode : file.Mode | 0x120);
        if (file.OwnerUid is not null || groupGid is not null)
            VolumeFiles.ChangeOwner(path, file.OwnerUid, groupGid);
    }

    private void RemoveOthers(string stamp, SortedDictionary<string, VolumeFile> files)
    {
        var tops = files.Keys.Select(TopOf).ToHashSet(StringComparer.Ordinal);
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            if (entry.LinkTarget is not null && entry.Name != Data && !tops.Contains(entry.Name))
                entry.Delete();
            else if (entry.LinkTarget is null && entry.Name.StartsWith("..", StringComparison.Ordinal) && entry.Name != stamp)
                Directory.Delete(entry.FullName, recursive: true);
        }
    }

    private static bool IsSame(string existing, SortedDictionary<string, VolumeFile> files)
    {
        if (!Directory.Exists(existing))
            return false;
        var there = Directory.EnumerateFiles(existing, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(existing, path)).ToHashSet(StringComparer.Ordinal);
        return there.SetEquals(files.Keys) && files.All(pair => File.ReadAllBytes(Path.Combine(existing, pair.Key)).AsSpan().SequenceEqual(pair.Value.Content));
    }

    private static string TopOf(string path) => path.IndexOf('/', StringComparison.Ordinal) is var slash and > 0 ? path[..slash] : path;
}
