using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Starting, signalling and waiting for processes.</summary>
internal static partial class Processes
{
    private const int SIGPIPE = 13;
    private const short POSIX_SPAWN_SETSIGDEF = 0x04;
    private const short POSIX_SPAWN_SETSIGMASK = 0x08;
    private const short POSIX_SPAWN_SETSID = 0x80;
    private const int F_DUPFD_CLOEXEC = 1030;
    private const int WNOHANG = 1;
    private const int FirstFreeDescriptor = 16;

    public const int SIGKILL = 9;
    public const int SIGTERM = 15;

    /// <summary>
    /// Starts a program in a session of its own. It gets the given descriptors as 0, 1, 2, … and no others, signals as they are
    /// by default, and exactly the given environment.
    /// </summary>
    /// <remarks>
    /// glibc's posix_spawn shares our memory until the exec, so its cost does not grow with the size of this process, as that of
    /// a fork would. The caller waits for the process with <see cref="Wait"/>.
    /// </remarks>
    public static unsafe int Spawn(string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, ReadOnlySpan<SafeHandle> descriptors)
    {
        var actions = stackalloc byte[512];
        var attributes = stackalloc byte[1024];
        var signals = stackalloc byte[128];
        FileActionsInit(actions);
        AttributesInit(attributes);
        Span<int> copies = stackalloc int[descriptors.Length];
        copies.Fill(-1);
        try
        {
            for (var i = 0; i < descriptors.Length; i++)
            {
                // A source below the targets could be overwritten by an earlier one of them.
                copies[i] = LinuxException.Check(
                    Fcntl(descriptors[i], F_DUPFD_CLOEXEC, FirstFreeDescriptor), $"start {path}: copy descriptor");
                FileActionsAddDup2(actions, copies[i], i);
            }
            SigEmptySet(signals);
            AttributesSetSignalMask(attributes, signals);
            // The runtime ignores SIGPIPE, and what is ignored stays so over exec.
            SigAddSet(signals, SIGPIPE);
            AttributesSetSignalDefaults(attributes, signals);
            AttributesSetFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
            using var argv = new StringVector(arguments);
            using var envp = new StringVector(environment);
            var error = PosixSpawn(out var pid, path, actions, attributes, argv.Pointer, envp.Pointer);
            return error == 0 ? pid : throw new LinuxException(error, $"start {path}");
        }
        finally
        {
            foreach (var copy in copies)
            {
                if (copy >= 0)
                    CloseNative(copy);
            }
            AttributesDestroy(attributes);
            FileActionsDestroy(actions);
        }
    }

    /// <summary>Waits for a child to end: its exit code, or 128 plus the number of the signal that ended it.</summary>
    public static int Wait(int pid)
    {
        while (true)
        {
            var result = WaitPid(pid, out var status, 0);
            if (result == pid)
                return Code(status);
            if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                throw LinuxException.Last($"wait for process {pid}");
        }
    }

    /// <summary>The exit code of a child that has ended; null while it runs.</summary>
    public static int? TryWait(int pid) => WaitPid(pid, out var status, WNOHANG) == pid ? Code(status) : null;

    /// <summary>A descriptor that stands for the process whatever becomes of its number, readable once it ended; null when it is gone.</summary>
    public static SafeFileHandle? OpenPidFd(int pid)
    {
        var fd = (int)PidFdOpen(SYS_pidfd_open, pid, 0);
        if (fd >= 0)
            return new SafeFileHandle(fd, ownsHandle: true);
        return Marshal.GetLastPInvokeError() is Errno.ESRCH or Errno.EINVAL ? null : throw LinuxException.Last($"open process {pid}");
    }

    /// <summary>False when the process is gone.</summary>
    public static bool Signal(SafeFileHandle pidFd, int signal)
    {
        if (PidFdSendSignal(SYS_pidfd_send_signal, pidFd, signal, 0, 0) == 0)
            return true;
        return Marshal.GetLastPInvokeError() == Errno.ESRCH ? false : throw LinuxException.Last($"send signal {signal}");
    }

    /// <summary>False when the process is gone. Only for processes whose number cannot have been taken over.</summary>
    public static bool Signal(int pid, int signal)
    {
        if (Kill(pid, signal) == 0)
            return true;
        return Marshal.GetLastPInvokeError() == Errno.ESRCH ? false : throw LinuxException.Last($"send signal {signal} to process {pid}");
    }

    /// <summary>When a process started, in the kernel's ticks since boot: with its number, its identity. Null when it is gone or a zombie.</summary>
    public static long? StartTicks(int pid)
    {
        byte[] text;
        try
        {
            text = File.ReadAllBytes($"/proc/{pid}/stat");
        }
        catch (IOException)
        {
            return null;
        }
        // pid (name, which may hold anything) state ppid … : count the fields behind the last parenthesis; the 20th is starttime.
        var rest = text.AsSpan(text.AsSpan().LastIndexOf((byte)')') + 2);
        if (rest.IsEmpty || rest[0] is (byte)'Z' or (byte)'X')
            return null;
        for (var field = 0; field < 19; field++)
            rest = rest[(rest.IndexOf((byte)' ') + 1)..];
        return Utf8Parser.TryParse(rest, out long ticks, out _) ? ticks : null;
    }

    /// <summary>The children of a process, their children, and so on.</summary>
    public static IReadOnlyList<int> Descendants(int pid)
    {
        List<int> found = [];
        Queue<int> open = new([pid]);
        while (open.TryDequeue(out var parent))
        {
            string text;
            try
            {
                text = File.ReadAllText($"/proc/{parent}/task/{parent}/children");
            }
            catch (IOException)
            {
                continue;
            }
            foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                found.Add(int.Parse(word, System.Globalization.CultureInfo.InvariantCulture));
                open.Enqueue(found[^1]);
            }
        }
        return found;
    }

    /// <summary>The number of a signal by its name (<c>SIGTERM</c>, <c>TERM</c>, <c>15</c>, <c>SIGRTMIN+3</c>); null when there is none.</summary>
    public static int? SignalNumber(string name)
    {
        if (int.TryParse(name, out var number))
            return number is > 0 and <= 64 ? number : null;
        var bare = name.ToUpperInvariant();
        if (bare.StartsWith("SIG", StringComparison.Ordinal))
            bare = bare[3..];
        if (bare.StartsWith("RTMIN", StringComparison.Ordinal))
            return bare.Length == 5 ? 34 : int.TryParse(bare[5..], out var above) && above is >= 0 and <= 30 ? 34 + above : null;
        if (bare.StartsWith("RTMAX", StringComparison.Ordinal))
            return bare.Length == 5 ? 64 : int.TryParse(bare[5..], out var below) && below is <= 0 and >= -30 ? 64 + below : null;
        var index = Array.IndexOf(SignalNames, bare);
        return index >= 0 ? index + 1 : bare == "IOT" ? 6 : bare == "POLL" ? 29 : null;
    }

    private static readonly string[] SignalNames =
    [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];

    private static int Code(int status) => (status & 0x7f) == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f);

    /// <summary>A null-terminated array of C strings in one piece of native memory.</summary>
    private sealed unsafe class StringVector : IDisposable
    {
        public StringVector(IReadOnlyList<string> strings)
        {
            var bytes = (strings.Count + 1) * sizeof(byte*);
            var at = bytes;
            foreach (var text in strings)
                bytes += Encoding.UTF8.GetByteCount(text) + 1;
            Pointer = (byte**)NativeMemory.Alloc((nuint)bytes);
            for (var i = 0; i < strings.Count; i++)
            {
                var start = (byte*)Pointer + at;
                var length = Encoding.UTF8.GetBytes(strings[i], new Span<byte>(start, bytes - at));
                start[length] = 0;
                Pointer[i] = start;
                at += length + 1;
            }
            Pointer[strings.Count] = null;
        }

        public byte** Pointer { get; }

        public void Dispose() => NativeMemory.Free(Pointer);
    }

    private const long SYS_pidfd_send_signal = 424;
    private const long SYS_pidfd_open = 434;

    [LibraryImport("libc", EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int PosixSpawn(out int pid, string path, byte* actions, byte* attributes, byte** argv, byte** envp);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    private static unsafe partial void FileActionsInit(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    private static unsafe partial void FileActionsDestroy(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static unsafe partial void FileActionsAddDup2(byte* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    private static unsafe partial void AttributesInit(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    private static unsafe partial void AttributesDestroy(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    private static unsafe partial void AttributesSetSignalMask(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    private static unsafe partial void AttributesSetSignalDefaults(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    private static unsafe partial void AttributesSetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "sigemptyset")]
    private static unsafe partial void SigEmptySet(byte* signals);

    [LibraryImport("libc", EntryPoint = "sigaddset")]
    private static unsafe partial void SigAddSet(byte* signals, int signal);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Fcntl(SafeHandle descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial void CloseNative(int descriptor);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int WaitPid(int pid, out int status, int options);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long PidFdOpen(long number, int pid, uint flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long PidFdSendSignal(long number, SafeFileHandle pidFd, int signal, nint info, uint flags);
}
