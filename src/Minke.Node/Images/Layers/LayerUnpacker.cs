using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Images.Layers;

/// <summary>
/// Turns the tar of a layer into a directory that overlayfs can use as a lower one. Removed files become character devices 0/0,
/// opaque directories carry <c>trusted.overlay.opaque</c> (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque
/// directories").
/// </summary>
/// <remarks>
/// A layer is unpacked on its own, beside those below it, while it is still arriving. Two things need the layers below and wait
/// for <see cref="Finish"/>: directories that the tar takes for granted get the owner and mode they have below, and hard links to
/// files of lower layers get a copy. Nothing is ever written outside of the directory, whatever the tar says.
/// </remarks>
internal sealed class LayerUnpacker(LayerTree tree)
{
    private const string WhiteoutPrefix = ".wh.";
    private readonly byte[] _buffer = new byte[128 * 1024];
    private readonly List<(List<byte[]> Parts, FileTime Time)> _directoryTimes = [];
    private readonly Dictionary<string, byte[]> _implied = new(StringComparer.Ordinal);
    private readonly List<(List<byte[]> Parts, List<byte[]> Target, TarHeader Header)> _linksBelow = [];
    private FileTime? _rootTime;

    /// <summary>Files, directories and other entries made.</summary>
    public long Inodes { get; private set; }

    /// <summary>Bytes of file content written.</summary>
    public long Bytes { get; private set; }

    /// <summary>Reads the tar to its end mark.</summary>
    /// <exception cref="InvalidDataException">The tar is malformed or tries to leave the layer.</exception>
    /// <exception cref="IOException">The disk is full or refuses.</exception>
    public async Task UnpackAsync(Stream tar, CancellationToken cancellationToken)
    {
        // Latin-1 keeps every byte, so that names that are not UTF-8 stay apart.
        tree.DirectoryMade = path => { _implied[Encoding.Latin1.GetString(path)] = path; Inodes++; };
        var reader = new LayerTarReader(tar);
        while (await reader.ReadHeaderAsync(cancellationToken) is { } header)
        {
            var parts = LayerTree.Split(header.Name);
            if (parts.Count == 0)
                ApplyToRoot(header);
            else if (parts[^1].AsSpan().StartsWith(".wh."u8))
                Whiteout(parts);
            else
                await CreateAsync(reader, header, parts, cancellationToken);
        }
    }

    /// <summary>What had to wait for the layers below, given as directories, the highest first.</summary>
    public void Finish(IReadOnlyList<string> below)
    {
        var trees = below.Select(directory => new LayerTree(directory)).ToList();
        try
        {
            foreach (var (parts, target, header) in _linksBelow)
                LinkBelow(parts, target, header, trees);
            foreach (var path in _implied.OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => entry.Value))
                CopyDirectoryStatus(LayerTree.Split(path), trees);
            if (_rootTime is null && trees.Count > 0)
                CopyStatus(trees[0].Root, tree.Root);
        }
        finally
        {
            trees.ForEach(lower => lower.Dispose());
        }

        // Last, since every entry made in a directory changed its time. Backwards, so that the last word on a directory is heard.
        foreach (var (parts, time) in _directoryTimes)
            if (tree.Parent(parts, create: false) is { } parent)
                FileCalls.SetTime(parent, parts[^1], time);
        if (_rootTime is { } rootTime)
            FileCalls.SetTime(tree.Root, rootTime);
    }

    private void ApplyToRoot(TarHeader header)
    {
        if (header.Kind != TarKind.Directory)
            throw new InvalidDataException($"layer has \"{header.DisplayName}\", its root, as something that is not a directory");
        _rootTime = header.Modified;
        ApplyStatus(tree.Root, header, ".");
    }

    private void Whiteout(List<byte[]> parts)
    {
        var name = parts[^1].AsSpan(WhiteoutPrefix.Length);
        if (parts[^1].AsSpan().SequenceEqual(".wh..wh..opq\0"u8))
        {
            LayerTree.MarkOpaque(tree.Parent(parts, create: true)!, ".\0"u8.ToArray());
            return;
        }
        // aufs' own bookkeeping; it is not content.
        if (name.StartsWith(".wh."u8))
            return;
        if (name.Length == 1 || name.SequenceEqual(".\0"u8) || name.SequenceEqual("..\0"u8))
            throw new InvalidDataException($"invalid whiteout name: \"{Encoding.UTF8.GetString(parts[^1].AsSpan(0, parts[^1].Length - 1))}\"");

        var removed = name.ToArray();
        var parent = tree.Parent(parts, create: true)!;
        var errno = FileCalls.MakeNode(parent, removed, FileCalls.S_IFCHR, 0);
        if (errno == 0)
            Inodes++;
        else if (errno == FileCalls.EEXIST && FileCalls.Status(parent, removed, out var status) == 0)
        {
            // A whiteout speaks of lower layers only: what this layer has stays, and a directory hides what is below it.
            if (status.IsDirectory)
                LayerTree.MarkOpaque(parent, removed);
        }
        else
            throw FileCalls.Failure(errno, $"make whiteout {Encoding.UTF8.GetString(name[..^1])} of layer");
    }

    private async ValueTask CreateAsync(LayerTarReader reader, TarHeader header, List<byte[]> parts, CancellationToken cancellationToken)
    {
        var parent = tree.Parent(parts, create: true)!;
        var name = parts[^1];
        switch (header.Kind)
        {
            case TarKind.Directory:
                MakeDirectory(parent, name, header);
                using (var directory = FileCalls.TryOpen(
                    parent, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out var openError)
                    ?? throw FileCalls.Failure(openError, $"open \"{header.DisplayName}\" of layer"))
                {
                    ApplyStatus(directory, header, header.DisplayName);
                }
                _implied.Remove(Encoding.Latin1.GetString(LayerTree.Join(parts, parts.Count)));
                _directoryTimes.Add((parts, header.Modified));
                break;

            case TarKind.File:
                using (var file = CreateFile(parent, name, header))
                {
                    await WriteContentAsync(reader, header, file, cancellationToken);
                    ApplyStatus(file, header, header.DisplayName);
                    Check(FileCalls.SetTime(file, header.Modified), "set time of", header);
                }
                break;

            case TarKind.Hardlink:
                LinkWithin(parent, parts, header);
                break;

            case TarKind.Symlink:
                if (header.LinkName.Length == 0)
                    throw new InvalidDataException($"layer has a symbolic link \"{header.DisplayName}\" without a target");
                Replace(parent, name, header, () => FileCalls.MakeSymlink(LayerTree.Terminated(header.LinkName), parent, name));
                ApplyStatusByName(parent, name, header);
                break;

            default:
                var type = header.Kind switch
                {
                    TarKind.CharacterDevice => FileCalls.S_IFCHR,
                    TarKind.BlockDevice => FileCalls.S_IFBLK,
                    _ => FileCalls.S_IFIFO,
                };
                Replace(parent, name, header, () => FileCalls.MakeNode(parent, name, type | 0x180, Device(header.DeviceMajor, header.DeviceMinor)));
                ApplyStatusByName(parent, name, header);
                break;
        }
    }

    private void MakeDirectory(SafeFileHandle parent, byte[] name, TarHeader header)
    {
        var errno = FileCalls.MakeDirectory(parent, name, 0x1C0);
        if (errno == FileCalls.EEXIST)
        {
            Check(FileCalls.Status(parent, name, out var status), "examine", header);
            if (status.IsDirectory)
                return;
            Remove(parent, name, status);
            errno = FileCalls.MakeDirectory(parent, name, 0x1C0);
            if (errno == 0 && status.IsWhiteout)
                LayerTree.MarkOpaque(parent, name);
        }
        Check(errno, "make directory", header);
        Inodes++;
    }

    private SafeFileHandle CreateFile(SafeFileHandle parent, byte[] name, TarHeader header)
    {
        SafeFileHandle? file = null;
        Replace(parent, name, header, () =>
        {
            file = FileCalls.TryOpen(parent, name, FileCalls.O_WRONLY | FileCalls.O_CREAT | FileCalls.O_EXCL | FileCalls.O_NOFOLLOW, 0x180, out var errno);
            return errno;
        });
        return file!;
    }

    private async ValueTask WriteContentAsync(LayerTarReader reader, TarHeader header, SafeFileHandle file, CancellationToken cancellationToken)
    {
        if (header.Extents is null)
        {
            await CopyAsync(reader, file, 0, header.Size, cancellationToken);
            return;
        }
        Check(FileCalls.Truncate(file, header.Size), "set size of", header);
        foreach (var (offset, length) in header.Extents)
            await CopyAsync(reader, file, offset, length, cancellationToken);
    }

    private async ValueTask CopyAsync(LayerTarReader reader, SafeFileHandle file, long offset, long length, CancellationToken cancellationToken)
    {
        while (length > 0)
        {
            var count = await reader.ReadAsync(_buffer.AsMemory(0, (int)Math.Min(_buffer.Length, length)), cancellationToken);
            if (count == 0)
                throw new InvalidDataException("sparse map in tar does not fit its file");
            try
            {
                RandomAccess.Write(file, _buffer.AsSpan(0, count), offset);
            }
            catch (IOException failure)
            {
                // The framework's text is not for people; the number is errno.
                throw FileCalls.Failure(failure.HResult & 0xFFFF, "write file of layer");
            }
            offset += count;
            length -= count;
            Bytes += count;
        }
    }

    private void LinkWithin(SafeFileHandle parent, List<byte[]> parts, TarHeader header)
    {
        var target = LayerTree.Split(header.LinkName);
        if (target.Count == 0)
            throw new InvalidDataException($"layer has a hard link \"{header.DisplayName}\" to its root");
        // Kept open over the second walk, which may close what the tree remembers.
        using var holder = FileCalls.TryOpen(parent, ".\0"u8, FileCalls.O_PATH | FileCalls.O_DIRECTORY, 0, out var errno)
            ?? throw FileCalls.Failure(errno, $"open directory of \"{header.DisplayName}\" of layer");
        var from = tree.Parent(target, create: false);
        FileStatus status = default;
        if (from is null || FileCalls.Status(from, target[^1], out status) != 0 || status.IsWhiteout)
        {
            _linksBelow.Add((parts, target, header));
            return;
        }
        if (status.IsDirectory)
            throw new InvalidDataException($"layer has a hard link \"{header.DisplayName}\" to a directory");
        // A link to itself would remove its own target.
        if (FileCalls.Status(holder, parts[^1], out var existing) == 0 && existing.Inode == status.Inode)
            return;
        Replace(holder, parts[^1], header, () => FileCalls.MakeLink(from, target[^1], holder, parts[^1]));
    }

    private void LinkBelow(List<byte[]> parts, List<byte[]> target, TarHeader header, List<LayerTree> below)
    {
        // The target may have come later in this layer.
        if (tree.Parent(target, create: false) is { } own && FileCalls.Status(own, target[^1], out var ownStatus) == 0 && !ownStatus.IsWhiteout)
        {
            LinkWithin(tree.Parent(parts, create: true)!, parts, header);
            return;
        }
        foreach (var lower in below)
        {
            if (lower.Parent(target, create: false) is not { } from || FileCalls.Status(from, target[^1], out var status) != 0)
                continue;
            if (!status.IsRegular)
                break;
            var to = tree.Parent(target, create: true)!;
            using (var source = FileCalls.TryOpen(from, target[^1], FileCalls.O_RDONLY | FileCalls.O_NOFOLLOW, 0, out var readError)
                ?? throw FileCalls.Failure(readError, "open file of lower layer"))
            using (var copy = CreateFile(to, target[^1], header))
            {
                for (long offset = 0; RandomAccess.Read(source, _buffer, offset) is > 0 and var count; offset += count)
                {
                    RandomAccess.Write(copy, _buffer.AsSpan(0, count), offset);
                    Bytes += count;
                }
                CopyStatus(source, copy);
                FileCalls.SetTime(copy, status.Modified);
            }
            LinkWithin(tree.Parent(parts, create: true)!, parts, header);
            return;
        }
        throw new InvalidDataException($"layer has a hard link \"{header.DisplayName}\" to \"{Encoding.UTF8.GetString(header.LinkName)}\", which does not exist");
    }

    private void CopyDirectoryStatus(List<byte[]> parts, List<LayerTree> below)
    {
        if (tree.Parent(parts, create: false) is not { } parent || FileCalls.TryOpen(
            parent, parts[^1], FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out _) is not { } made)
            return;
        using (made)
        {
            foreach (var lower in below)
            {
                if (lower.Parent(parts, create: false) is not { } from || FileCalls.Status(from, parts[^1], out var status) != 0)
                    continue;
                // Something else took its place below: nothing to inherit.
                if (!status.IsDirectory)
                    return;
                using var source = FileCalls.TryOpen(from, parts[^1], FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out _);
                if (source is null)
                    return;
                CopyStatus(source, made);
                _directoryTimes.Add((parts, status.Modified));
                return;
            }
        }
    }

    private static void CopyStatus(SafeFileHandle from, SafeFileHandle to)
    {
        var errno = FileCalls.Status(from, out var status);
        if (errno == 0)
            errno = FileCalls.ChangeOwner(to, status.Uid, status.Gid);
        var names = FileCalls.ListAttributes(from).AsSpan();
        for (; errno == 0 && names.IndexOf((byte)0) is >= 0 and var end; names = names[(end + 1)..])
            if (IsAllowedAttribute(names[..end]) && FileCalls.GetAttribute(from, names[..(end + 1)]) is { } value)
                FileCalls.SetAttribute(to, names[..(end + 1)], value);
        if (errno == 0)
            errno = FileCalls.ChangeMode(to, status.Permissions);
        if (errno != 0)
            throw FileCalls.Failure(errno, "copy owner and mode from lower layer");
    }

    /// <summary>Owner first: changing it clears setuid bits and capabilities.</summary>
    private static void ApplyStatus(SafeFileHandle file, TarHeader header, string name)
    {
        var errno = FileCalls.ChangeOwner(file, header.Uid, header.Gid);
        if (errno != 0)
            throw FileCalls.Failure(errno, $"set owner of \"{name}\" of layer");
        foreach (var (key, value) in header.Attributes)
            if (IsAllowedAttribute(key))
                CheckAttribute(FileCalls.SetAttribute(file, LayerTree.Terminated(key), value), Encoding.UTF8.GetString(key));
        errno = FileCalls.ChangeMode(file, header.Mode);
        if (errno != 0)
            throw FileCalls.Failure(errno, $"set mode of \"{name}\" of layer");
    }

    private static void ApplyStatusByName(SafeFileHandle parent, byte[] name, TarHeader header)
    {
        Check(FileCalls.ChangeOwner(parent, name, header.Uid, header.Gid), "set owner of", header);
        foreach (var (key, value) in header.Attributes)
            if (IsAllowedAttribute(key) && Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1)) is var text)
                CheckAttribute(
                    FileCalls.SetAttribute($"/proc/self/fd/{parent.DangerousGetHandle()}/{text}", LayerTree.Terminated(key), value),
                    Encoding.UTF8.GetString(key));
        if (header.Kind != TarKind.Symlink)
            Check(FileCalls.ChangeMode(parent, name, header.Mode), "set mode of", header);
        Check(FileCalls.SetTime(parent, name, header.Modified), "set time of", header);
    }

    /// <summary>overlayfs' own attributes would let a layer redirect directories; SELinux labels are the machine's.</summary>
    private static bool IsAllowedAttribute(ReadOnlySpan<byte> name) =>
        !name.StartsWith("trusted.overlay."u8) && !name.StartsWith("user.overlay."u8) && !name.SequenceEqual("security.selinux"u8);

    private static void CheckAttribute(int errno, string name)
    {
        // A file system without user attributes is no reason to refuse an image; a lost capability or opaque mark is.
        if (errno != 0 && !(errno is FileCalls.ENOTSUP or FileCalls.EPERM && !name.StartsWith("security.", StringComparison.Ordinal) && name != "trusted.overlay.opaque"))
            throw FileCalls.Failure(errno, $"set attribute {name} of file of layer");
    }

    /// <summary>Makes something, in place of what may be there: the last entry of a name wins.</summary>
    private void Replace(SafeFileHandle parent, byte[] name, TarHeader header, Func<int> make)
    {
        var errno = make();
        if (errno == FileCalls.EEXIST)
        {
            Check(FileCalls.Status(parent, name, out var status), "examine", header);
            Remove(parent, name, status);
            errno = make();
        }
        Check(errno, "make", header);
        Inodes++;
    }

    private void Remove(SafeFileHandle parent, byte[] name, FileStatus status)
    {
        if (status.IsDirectory)
            TreeRemoval.Remove(parent, name);
        else if (FileCalls.Unlink(parent, name, 0) is not 0 and var errno)
            throw FileCalls.Failure(errno, "replace file of layer");
        // The remembered directory may have been in there, or been reached through the link.
        if (status.IsDirectory || status.IsSymlink)
            ForgetExcept(parent);
        Inodes--;
    }

    /// <summary>The caller goes on to use the parent; it is alive, only paths through what was removed are stale.</summary>
    private void ForgetExcept(SafeFileHandle parent)
    {
        if (!tree.IsRemembered(parent))
            tree.Forget();
    }

    private static void Check(int errno, string what, TarHeader header)
    {
        if (errno != 0)
            throw FileCalls.Failure(errno, $"{what} \"{header.DisplayName}\" of layer");
    }

    /// <summary>The kernel's packing of a device number for mknod (glibc's makedev).</summary>
    private static ulong Device(uint major, uint minor) =>
        ((ulong)(major & 0xfffff000) << 32) | ((major & 0xfff) << 8) | ((ulong)(minor & 0xffffff00) << 12) | (minor & 0xff);
}
