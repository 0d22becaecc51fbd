using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>Names of files as they come into a directory, complete: written and closed, or moved in.</summary>
internal sealed partial class Inotify : IDisposable
{
    private const int IN_NONBLOCK_CLOEXEC = 0x80800;
    private const uint IN_MODIFY = 0x2;
    private const uint IN_CLOSE_WRITE = 0x8;
    private const uint IN_MOVED_FROM = 0x40;
    private const uint IN_MOVED_TO = 0x80;
    private const uint IN_CREATE = 0x100;
    private const uint IN_DELETE = 0x200;
    private const int EventHeaderBytes = 16;

    private readonly SafeFileHandle _handle;
    private readonly DescriptorStream _stream;

    /// <summary>Watches from here on; what the directory holds already is for the caller to list afterwards.</summary>
    public Inotify(Poller poller, string directory)
        : this(poller, directory, IN_CLOSE_WRITE | IN_MOVED_TO)
    {
    }

    private Inotify(Poller poller, string directory, uint events)
    {
        _handle = new SafeFileHandle(LinuxException.Check(Init(IN_NONBLOCK_CLOEXEC), "make an inotify"), true);
        LinuxException.Check(AddWatch(_handle, directory, events), $"watch {directory}");
        _stream = new DescriptorStream(poller, _handle, FileAccess.Read);
    }

    /// <summary>Names of files as they are written to, made and moved in: for whoever follows a growing file.</summary>
    public static Inotify OfWrites(Poller poller, string directory) =>
        new(poller, directory, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);

    /// <summary>Names of files as they come, change or go: for whoever keeps to what a directory holds.</summary>
    public static Inotify OfChanges(Poller poller, string directory) =>
        new(poller, directory, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE);

    /// <summary>Null stands for "some were lost: list the directory".</summary>
    public async IAsyncEnumerable<string?> NamesAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const uint IN_Q_OVERFLOW = 0x4000;
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var count = await _stream.ReadAsync(buffer, cancellationToken);
            if (count == 0)
                yield break;
            // struct inotify_event { int wd; uint mask; uint cookie; uint len; char name[len]; }
            for (var at = 0; at + EventHeaderBytes <= count;)
            {
                var mask = BitConverter.ToUInt32(buffer, at + 4);
                var length = (int)BitConverter.ToUInt32(buffer, at + 12);
                if ((mask & IN_Q_OVERFLOW) != 0)
                    yield return null;
                else if (length > 0)
                    yield return Name(buffer.AsSpan(at + EventHeaderBytes, length));
                at += EventHeaderBytes + length;
            }
        }
    }

    public void Dispose() => _stream.Dispose();

    private static string Name(ReadOnlySpan<byte> padded)
    {
        var end = padded.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? padded : padded[..end]);
    }

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial int Init(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int AddWatch(SafeFileHandle inotify, string path, uint mask);
}
