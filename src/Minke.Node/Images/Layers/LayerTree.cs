using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Images.Layers;

/// <summary>
/// The directory of one layer and a walk in it that cannot leave it: every step is taken from a descriptor without following
/// links; a link is read and followed here, with the layer as its root, as chroot would.
/// </summary>
internal sealed class LayerTree : IDisposable
{
    private const int MaximumLinks = 40; // what the kernel allows
    private const int DirectoryMode = 0b111_101_101;

    private readonly SafeFileHandle _root;
    private byte[]? _cachedPath;
    private SafeFileHandle? _cached;

    public LayerTree(string directory)
    {
        Path = directory;
        _root = FileCalls.TryOpen(null, Terminated(directory), FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0, out var errno)
            ?? throw FileCalls.Failure(errno, $"open layer directory {directory}");
    }

    public string Path { get; }
    public SafeFileHandle Root => _root;

    /// <summary>Called for each directory that the walk had to make, with its path inside the layer.</summary>
    public Action<byte[]>? DirectoryMade { get; set; }

    /// <summary>
    /// Splits a name from a tar into its parts: absolute is relative to the layer, <c>.</c> is nothing. Empty means the root.
    /// </summary>
    /// <exception cref="InvalidDataException">The name climbs out of the layer.</exception>
    public static List<byte[]> Split(ReadOnlySpan<byte> name)
    {
        var parts = new List<byte[]>();
        foreach (var range in name.Split((byte)'/'))
        {
            var part = name[range];
            if (part.Length == 0 || part.SequenceEqual("."u8))
                continue;
            if (part.SequenceEqual(".."u8))
            {
                if (parts.Count == 0)
                    throw new InvalidDataException($"layer has a path that leads outside of its root: \"{Encoding.UTF8.GetString(name)}\"");
                parts.RemoveAt(parts.Count - 1);
                continue;
            }
            if (part.Length > 255)
                throw new InvalidDataException($"layer has a name of {part.Length} bytes; Linux allows 255");
            parts.Add(Terminated(part));
        }
        return parts;
    }

    /// <summary>
    /// The directory that holds the last part, kept open until the next call. Null when it is not there and shall not be made.
    /// </summary>
    public SafeFileHandle? Parent(List<byte[]> parts, bool create)
    {
        var count = parts.Count - 1;
        if (count == 0)
            return _root;
        var key = Join(parts, count);
        if (_cached is not null && key.AsSpan().SequenceEqual(_cachedPath))
            return _cached;
        var found = Walk(parts.Take(count), create);
        if (found is null)
            return null;
        Forget();
        (_cachedPath, _cached) = (key, found);
        return found;
    }

    /// <summary>Must be called when a directory or link was replaced: the remembered descriptor may be of the one before.</summary>
    public void Forget()
    {
        _cached?.Dispose();
        (_cachedPath, _cached) = (null, null);
    }

    public bool IsRemembered(SafeFileHandle directory) => ReferenceEquals(directory, _cached);

    public static byte[] Join(List<byte[]> parts, int count)
    {
        using var joined = new MemoryStream();
        for (var i = 0; i < count; i++)
        {
            if (i > 0)
                joined.WriteByte((byte)'/');
            joined.Write(parts[i].AsSpan(0, parts[i].Length - 1));
        }
        return joined.ToArray();
    }

    public static byte[] Terminated(ReadOnlySpan<byte> name) => [.. name, 0];

    public static byte[] Terminated(string name) => Encoding.UTF8.GetBytes(name + "\0");

    public void Dispose()
    {
        Forget();
        _root.Dispose();
    }

    private SafeFileHandle? Walk(IEnumerable<byte[]> parts, bool create)
    {
        var todo = new Stack<byte[]>(parts.Reverse());
        var done = new List<byte[]>();
        var links = 0;
        var current = OpenFrom(_root, "."u8.ToArray()) ?? throw new IOException($"layer directory {Path} is gone");
        try
        {
            while (todo.TryPop(out var part))
            {
                if (OpenFrom(current, part) is { } next)
                {
                    current.Dispose();
                    current = next;
                    done.Add(part);
                    continue;
                }
                if (FileCalls.ReadLink(current, part) is { } target)
                {
                    if (++links > MaximumLinks)
                        throw new InvalidDataException($"layer has too many levels of symbolic links at \"{Display(done, part)}\"");
                    Follow(target, todo, done);
                    current.Dispose();
                    current = OpenFrom(_root, "."u8.ToArray())!;
                    // Back to where the walk was, or to where ".." led.
                    foreach (var step in done)
                    {
                        var again = OpenFrom(current, step) ?? throw new IOException($"layer changed under the walk at \"{Display(done, part)}\"");
                        current.Dispose();
                        current = again;
                    }
                    continue;
                }
                if (!create)
                {
                    current.Dispose();
                    return null;
                }
                var errno = FileCalls.MakeDirectory(current, part, DirectoryMode);
                if (errno == FileCalls.EEXIST && FileCalls.Status(current, part, out var status) == 0 && status.IsWhiteout)
                {
                    // First removed, then there again: what lower layers have in it stays removed.
                    FileCalls.Unlink(current, part, 0);
                    errno = FileCalls.MakeDirectory(current, part, DirectoryMode);
                    if (errno == 0)
                        MarkOpaque(current, part);
                }
                if (errno == FileCalls.EEXIST)
                    throw new InvalidDataException($"layer has an entry below \"{Display(done, part)}\", which is not a directory");
                if (errno != 0)
                    throw FileCalls.Failure(errno, $"make directory \"{Display(done, part)}\" of layer");
                FileCalls.ChangeMode(current, part, DirectoryMode);
                todo.Push(part);
                DirectoryMade?.Invoke(Join([.. done, part], done.Count + 1));
            }
            return current;
        }
        catch
        {
            current.Dispose();
            throw;
        }
    }

    /// <summary>Puts the steps of a link's target in front. An absolute one begins at the layer's root; none climbs above it.</summary>
    private static void Follow(byte[] target, Stack<byte[]> todo, List<byte[]> done)
    {
        if (target is [(byte)'/', ..])
            done.Clear();
        var steps = new List<byte[]>();
        foreach (var range in target.AsSpan().Split((byte)'/'))
        {
            var step = target.AsSpan(range);
            if (step.Length == 0 || step.SequenceEqual("."u8))
                continue;
            if (!step.SequenceEqual(".."u8))
                steps.Add(Terminated(step));
            else if (steps.Count > 0)
                steps.RemoveAt(steps.Count - 1);
            else if (done.Count > 0)
                done.RemoveAt(done.Count - 1);
        }
        for (var i = steps.Count - 1; i >= 0; i--)
            todo.Push(steps[i]);
    }

    public static void MarkOpaque(SafeFileHandle parent, byte[] name)
    {
        using var directory = FileCalls.TryOpen(parent, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out var errno)
            ?? throw FileCalls.Failure(errno, "open directory of layer");
        errno = FileCalls.SetAttribute(directory, "trusted.overlay.opaque\0"u8, "y"u8);
        if (errno != 0)
            throw FileCalls.Failure(errno, "mark directory of layer as opaque (trusted.overlay.opaque)");
    }

    private static SafeFileHandle? OpenFrom(SafeFileHandle directory, byte[] name) => FileCalls.TryOpen(
        directory, name[^1] == 0 ? name : Terminated(name), FileCalls.O_PATH | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0, out _);

    private static string Display(List<byte[]> done, byte[] part) => Encoding.UTF8.GetString(Join([.. done, part], done.Count + 1));
}
