using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Kinds of namespaces, with the flags of unshare(2).</summary>
[Flags]
internal enum NamespaceKinds
{
    None = 0,
    CLONE_NEWUTS = 0x04000000,
    CLONE_NEWIPC = 0x08000000,
    CLONE_NEWNET = 0x40000000,
}

/// <summary>
/// Making, pinning and entering namespaces. They belong to a thread, so everything that changes one runs on a thread of its own
/// that ends afterwards.
/// </summary>
internal static partial class Namespaces
{
    private const int ThreadStackBytes = 256 * 1024;

    /// <summary>Runs <paramref name="action"/> on a thread of its own and waits for it.</summary>
    public static void OnOwnThread(Action action)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        }, ThreadStackBytes)
        { IsBackground = true, Name = "minke-namespace" };
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    /// <summary>
    /// Runs <paramref name="action"/> in new namespaces and comes back: a third of the time of a thread of its own, for threads that are
    /// nobody else's meanwhile.
    /// </summary>
    public static void InNew(NamespaceKinds kinds, Action action)
    {
        using var uts = kinds.HasFlag(NamespaceKinds.CLONE_NEWUTS) ? File.OpenHandle("/proc/thread-self/ns/uts") : null;
        using var ipc = kinds.HasFlag(NamespaceKinds.CLONE_NEWIPC) ? File.OpenHandle("/proc/thread-self/ns/ipc") : null;
        Unshare(kinds);
        try
        {
            action();
        }
        finally
        {
            // A thread that stayed behind would do the machine's work in a pod's namespace: better none at all.
            foreach (var home in (SafeFileHandle?[])[uts, ipc])
            {
                if (home is not null && SetNs(home, 0) == -1)
                    Environment.FailFast(LinuxException.Last("return from a namespace").Message);
            }
        }
    }

    /// <summary>Gives the calling thread namespaces of its own. Only for a thread that ends soon.</summary>
    public static void Unshare(NamespaceKinds kinds) => LinuxException.Check(UnshareNative((int)kinds), $"unshare {kinds}");

    /// <summary>Moves the calling thread into a namespace. Only for a thread that ends soon.</summary>
    public static void Enter(string path)
    {
        using var handle = File.OpenHandle(path);
        LinuxException.Check(SetNs(handle, 0), $"enter namespace {path}");
    }

    /// <summary>Keeps a namespace of the calling thread alive by a bind mount on <paramref name="path"/>, which is created.</summary>
    public static void Pin(string kind, string path)
    {
        File.Create(path).Dispose();
        Mounts.Bind($"/proc/thread-self/ns/{kind}", path);
    }

    public static void Unpin(string path)
    {
        Mounts.Unmount(path);
        File.Delete(path);
    }

    public static void SetHostname(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        LinuxException.Check(SetHostnameNative(bytes, (nuint)bytes.Length), $"set host name {name}");
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int UnshareNative(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNs(SafeFileHandle handle, int kind);

    [LibraryImport("libc", EntryPoint = "sethostname", SetLastError = true)]
    private static partial int SetHostnameNative(byte[] name, nuint length);
}
