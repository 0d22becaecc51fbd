using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Store.Log;

/// <summary>
/// Holds a data directory for one store: an flock(2) on its file <c>lock</c>, which the kernel lets go when the process ends, however
/// it ends. The file says who holds it.
/// </summary>
internal sealed partial class DirectoryLock : IDisposable
{
    private const int O_RDONLY = 0;
    private const int O_WRONLY = 1;
    private const int O_CREAT = 0x40;
    private const int O_CLOEXEC = 0x80000;
    private const int LOCK_EX = 2;
    private const int LOCK_NB = 4;
    private const int LOCK_UN = 8;
    private const int EWOULDBLOCK = 11;

    private readonly SafeFileHandle _file;
    private readonly string _path;

    private DirectoryLock(SafeFileHandle file, string path) => (_file, _path) = (file, path);

    /// <exception cref="StoreInUseException">Another store, of this process or another, holds the directory.</exception>
    public static DirectoryLock Take(string directory)
    {
        var path = Path.Combine(directory, "lock");
        // Opened for reading alone: a writer here would keep the file system from being remounted read-only.
        var file = Open(path, O_RDONLY | O_CREAT);
        if (flock(file, LOCK_EX | LOCK_NB) != 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            using (file)
            {
                throw errno == EWOULDBLOCK
                    ? new StoreInUseException($"the data directory {directory} is in use by {Holder(file)}: stop it, or use another directory")
                    : new IOException($"lock {path}: {Marshal.GetPInvokeErrorMessage(errno)}");
            }
        }
        try
        {
            SayHolder(path);
        }
        catch (IOException)
        {
            // A full disk: the lock holds all the same, only its message will not know whose it is.
        }
        return new DirectoryLock(file, path);
    }

    /// <summary>Tries a small durable write, for the kernel's own word on what is wrong with the disk; 0 when nothing is.</summary>
    public int TryDisk()
    {
        try
        {
            SayHolder(_path);
            return 0;
        }
        catch (IOException exception)
        {
            return exception.HResult;
        }
    }

    /// <summary>
    /// Lets go in so many words: a process that is being started has a copy of the descriptor until its exec, and the lock would stay
    /// with that copy.
    /// </summary>
    public void Dispose()
    {
        if (!_file.IsClosed)
            _ = flock(_file, LOCK_UN);
        _file.Dispose();
    }

    private static void SayHolder(string path)
    {
        using var file = Open(path, O_WRONLY);
        RandomAccess.Write(file, Encoding.ASCII.GetBytes(Environment.ProcessId.ToString("d10", CultureInfo.InvariantCulture) + "\n"), 0);
        RandomAccess.FlushToDisk(file);
    }

    private static string Holder(SafeFileHandle file)
    {
        var text = new byte[16];
        var length = RandomAccess.Read(file, text, 0);
        if (!int.TryParse(text.AsSpan(0, length), CultureInfo.InvariantCulture, out var pid))
            return "another process";
        return pid == Environment.ProcessId ? $"this process ({pid})" : $"process {pid}{CommandOf(pid)}";
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

    // File.Open would take a lock of its own on the file (its emulation of FileShare), which is the one this type is about.
    private static SafeFileHandle Open(string path, int flags)
    {
        var file = open(path, flags | O_CLOEXEC, 0x180); // 0600
        if (!file.IsInvalid)
            return file;
        var errno = Marshal.GetLastPInvokeError();
        file.Dispose();
        throw new IOException($"open {path}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);
}
