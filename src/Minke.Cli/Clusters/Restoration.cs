using System.Runtime.InteropServices;

namespace Minke.Cli.Clusters;

/// <summary>
/// Puts a restored state in the place of the one that is there. Killed at any moment it leaves either: what was, until everything new is
/// on the disk; from then on what is new, and the next command that takes the directory's lock finishes the moving.
/// </summary>
/// <remarks>
/// <code>
/// restoring/  being made; of no use, whoever finds it removes it
///    │ one rename: from here on the new state is the cluster's
///    ▼
/// restored/   its parts move to their places one by one; what was there moves to replaced/
/// replaced/   what was there before the last restore, for people
/// </code>
/// </remarks>
internal sealed partial class Restoration(DataDirectory data)
{
    private string Restored => Path.Combine(data.Root, "restored");

    /// <summary>Where to make the new parts, by their names in the data directory.</summary>
    public string Staging => Path.Combine(data.Root, "restoring");

    /// <summary>What was there before.</summary>
    public string Replaced => Path.Combine(data.Root, "replaced");

    public void Begin()
    {
        Discard();
        Directory.CreateDirectory(Staging, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void Discard()
    {
        if (Directory.Exists(Staging))
            Directory.Delete(Staging, recursive: true);
    }

    /// <summary>The new state is complete: it is the cluster's from here on.</summary>
    /// <returns>Whether there was something before.</returns>
    public bool Commit()
    {
        if (Directory.Exists(Replaced))
            Directory.Delete(Replaced, recursive: true);
        Directory.CreateDirectory(Replaced, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var directory in (string[])[Staging, .. Directory.GetDirectories(Staging)])
            Sync(directory);
        Directory.Move(Staging, Restored);
        Sync(data.Root);
        Finish();
        return Directory.Exists(Replaced);
    }

    /// <summary>Moves what a committed restore brought to its place. By whoever has the directory's lock; may be asked when there is nothing.</summary>
    public void Finish()
    {
        if (!Directory.Exists(Restored))
            return;
        foreach (var part in new DirectoryInfo(Restored).GetFileSystemInfos())
        {
            var place = Path.Combine(data.Root, part.Name);
            // Where it was killed between the two, the old part has moved already.
            if (Path.Exists(place))
                Directory.Move(place, Path.Combine(Replaced, part.Name));
            Directory.Move(part.FullName, place);
        }
        Sync(data.Root);
        Directory.Delete(Restored);
        if (!Directory.EnumerateFileSystemEntries(Replaced).Any())
            Directory.Delete(Replaced);
    }

    /// <summary>A file's name is on the disk only when its directory is.</summary>
    private static void Sync(string directory)
    {
        const int closeOnExec = 0x80000;
        var descriptor = Open(directory, closeOnExec);
        if (descriptor < 0)
            throw new CliException($"open {directory}: {Marshal.GetLastPInvokeErrorMessage()}");
        var failed = Flush(descriptor) != 0 ? Marshal.GetLastPInvokeErrorMessage() : null;
        _ = Close(descriptor);
        if (failed is not null)
            throw new CliException($"write {directory}: {failed}");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Flush(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
