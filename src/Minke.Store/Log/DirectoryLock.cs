using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Store.Log;

/// <summary>
/// Holds a data directory for one store: an flock(2) on its file <c>lock</c>, which the kernel lets go when the process ends, however
/// it ends. The file says who holds it.
/// </summary>
internal sealed partial class DirectoryLock : IDisposable
{
    private const int LOCK_EX = 2;
    private const int LOCK_NB = 4;
    private const int EWOULDBLOCK = 11;

    private readonly SafeFileHandle _file;

    private DirectoryLock(SafeFileHandle file) => _file = file;

    /// <exception cref="StoreInUseException">Another store, of this process or another, holds the directory.</exception>
    public static DirectoryLock Take(string directory)
    {
        var path = Path.Combine(directory, "lock");
        // Opened for reading alone: a writer here would keep the file system from being remounted read-only.
        var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (flock(file, LOCK_EX | LOCK_NB) != 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            file.Dispose();
            throw errno == EWOULDBLOCK
                ? new StoreInUseException($"the data directory {directory} is in use by {Holder(path)}: stop it, or use another directory")
                : new IOException($"lock {path}: {Marshal.GetPInvokeErrorMessage(errno)}");
        }
        SayHolder(path);
        return new DirectoryLock(file);
    }

    public void Dispose() => _file.Dispose();

    private static void SayHolder(string path)
    {
        try
        {
            File.WriteAllText(path, Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
        }
        catch (IOException)
        {
            // A full disk: the lock holds all the same, only its message will not know whose it is.
        }
    }

    private static string Holder(string path)
    {
        try
        {
            return int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var pid)
                ? pid == Environment.ProcessId ? $"this process ({pid})" : $"process {pid}{CommandOf(pid)}"
                : "another process";
        }
        catch (IOException)
        {
            return "another process";
        }
    }

    private static string CommandOf(int pid)
    {
        try
        {
            return $" ({File.ReadAllText($"/proc/{pid}/comm").Trim()})";
        }
        catch (IOException)
        {
            return "";
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);
}
