using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Images.Layers;

/// <summary>
/// Removes a directory tree by descriptors and byte names: what a layer can hold (names that are not UTF-8, paths longer than
/// PATH_MAX, a tree thousands of levels deep) must also be removable.
/// </summary>
internal static class TreeRemoval
{
    /// <summary>Removes a directory below another. Links in it are removed, never followed. Gone already is fine.</summary>
    /// <exception cref="IOException">Something in it cannot be removed.</exception>
    public static void Remove(SafeFileHandle parent, byte[] name)
    {
        if (FileCalls.TryOpen(parent, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out var errno) is not { } root)
        {
            if (errno == FileCalls.ENOENT)
                return;
            throw FileCalls.Failure(errno, "open directory to remove");
        }
        using (root)
            Empty(root);
        errno = FileCalls.Unlink(parent, name, FileCalls.AT_REMOVEDIR);
        if (errno is not 0 and not FileCalls.ENOENT)
            throw FileCalls.Failure(errno, "remove directory");
    }

    public static void Remove(string directory)
    {
        using var parent = FileCalls.TryOpen(
            null, LayerTree.Terminated(Path.GetDirectoryName(directory)!), FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0, out var errno);
        if (parent is not null)
            Remove(parent, LayerTree.Terminated(Path.GetFileName(directory)));
        else if (errno != FileCalls.ENOENT)
            throw FileCalls.Failure(errno, $"remove {directory}");
    }

    /// <summary>
    /// Directories with content are moved up to the root and emptied there, one after the other: two descriptors and no
    /// recursion, however deep the tree.
    /// </summary>
    private static void Empty(SafeFileHandle root)
    {
        // No layer can know the name, and an interrupted removal had another.
        var prefix = $".removing-{RandomNumberGenerator.GetHexString(16)}-";
        var moved = new Queue<byte[]>();
        var counter = 0;
        Clear(root, root);
        while (moved.TryDequeue(out var name))
        {
            using (var directory = FileCalls.TryOpen(root, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out var errno)
                ?? throw FileCalls.Failure(errno, "open directory to remove"))
            {
                Clear(root, directory);
            }
            Check(FileCalls.Unlink(root, name, FileCalls.AT_REMOVEDIR), "remove directory");
        }

        void Clear(SafeFileHandle root, SafeFileHandle directory)
        {
            foreach (var name in Names(directory))
            {
                if (ReferenceEquals(root, directory) && name.AsSpan().StartsWith(Encoding.ASCII.GetBytes(prefix)))
                    continue;
                var errno = FileCalls.Unlink(directory, name, 0);
                if (errno is FileCalls.EISDIR or FileCalls.EPERM)
                {
                    errno = FileCalls.Unlink(directory, name, FileCalls.AT_REMOVEDIR);
                    if (errno is FileCalls.ENOTEMPTY or FileCalls.EEXIST)
                    {
                        var fresh = LayerTree.Terminated($"{prefix}{counter++}");
                        errno = FileCalls.Rename(directory, name, root, fresh);
                        moved.Enqueue(fresh);
                    }
                }
                if (errno != FileCalls.ENOENT)
                    Check(errno, "remove file");
            }
        }
    }

    /// <summary>All names in a directory, each ended by a zero, read before anything in it changes.</summary>
    private static List<byte[]> Names(SafeFileHandle directory)
    {
        var names = new List<byte[]>();
        var buffer = new byte[32 * 1024];
        int length;
        while ((length = FileCalls.ReadDirectory(directory, buffer)) > 0)
        {
            for (var entry = buffer.AsSpan(0, length); entry.Length > 0;)
            {
                // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name with its zero.
                var size = BinaryPrimitives.ReadUInt16LittleEndian(entry[16..]);
                var name = entry[19..size];
                name = name[..(name.IndexOf((byte)0) + 1)];
                entry = entry[size..];
                if (!name.SequenceEqual(".\0"u8) && !name.SequenceEqual("..\0"u8))
                    names.Add(name.ToArray());
            }
        }
        Check(-length, "read directory to remove");
        return names;
    }

    private static void Check(int errno, string what)
    {
        if (errno != 0)
            throw FileCalls.Failure(errno, what);
    }
}
