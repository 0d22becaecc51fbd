using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Minke.Node.Linux;

/// <summary>One thread that waits for many descriptors (epoll) and wakes whoever asked for one.</summary>
internal sealed partial class Poller : IDisposable
{
    private const int EPOLL_CLOEXEC = 0x80000;
    private const int EPOLL_CTL_ADD = 1;
    private const int EPOLL_CTL_DEL = 2;
    private const int EPOLL_CTL_MOD = 3;
    private const uint EPOLLIN = 1;
    private const uint EPOLLOUT = 4;
    private const uint EPOLLERR = 8;
    private const uint EPOLLHUP = 16;
    private const uint EPOLLONESHOT = 1u << 30;
    private const int EFD_NONBLOCK_CLOEXEC = 0x80800;
    private const long WakeKey = 0;

    private readonly Lock _gate = new(); // guards _watches and _lastKey
    private readonly Dictionary<long, Watch> _watches = [];
    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _wake;
    private readonly Thread _thread;
    private long _lastKey;
    private volatile bool _stopping;

    public Poller()
    {
        _epoll = new SafeFileHandle(LinuxException.Check(EpollCreate(EPOLL_CLOEXEC), "make an epoll"), true);
        _wake = new SafeFileHandle(LinuxException.Check(EventFd(0, EFD_NONBLOCK_CLOEXEC), "make an eventfd"), true);
        Control(EPOLL_CTL_ADD, _wake, EPOLLIN, WakeKey);
        _thread = new Thread(Run) { IsBackground = true, Name = "minke-poller" };
        _thread.Start();
    }

    /// <summary>Begins to watch a non-blocking descriptor; it stays open until the watch is disposed.</summary>
    public Watch Add(SafeHandle handle)
    {
        lock (_gate)
        {
            var watch = new Watch(this, handle, ++_lastKey);
            // Without one shot a hang-up, which is always told, would be told without end.
            Control(EPOLL_CTL_ADD, handle, EPOLLONESHOT, watch.Key);
            _watches.Add(watch.Key, watch);
            return watch;
        }
    }

    public void Dispose()
    {
        if (_stopping)
            return;
        _stopping = true;
        Descriptors.Write(_wake, BitConverter.GetBytes(1L), "wake the poller");
        _thread.Join();
        Watch[] left;
        lock (_gate)
        {
            left = [.. _watches.Values];
            _watches.Clear();
        }
        foreach (var watch in left)
            watch.Fire(EPOLLERR);
        _epoll.Dispose();
        _wake.Dispose();
    }

    private void Run()
    {
        const int MaxEvents = 64;
        Span<byte> events = stackalloc byte[MaxEvents * EventSize];
        while (!_stopping)
        {
            var count = EpollWait(_epoll, events, MaxEvents, -1);
            for (var i = 0; i < count; i++)
            {
                var one = events.Slice(i * EventSize, EventSize);
                var key = BitConverter.ToInt64(one[KeyOffset..]);
                if (key == WakeKey)
                    continue;
                Watch? watch;
                lock (_gate)
                    watch = _watches.GetValueOrDefault(key);
                watch?.Fire(BitConverter.ToUInt32(one));
            }
        }
    }

    private void Control(int operation, SafeHandle handle, uint events, long key)
    {
        Span<byte> what = stackalloc byte[EventSize];
        what.Clear();
        BitConverter.TryWriteBytes(what, events);
        BitConverter.TryWriteBytes(what[KeyOffset..], key);
        LinuxException.Check(EpollControl(_epoll, operation, handle, what), "watch a descriptor");
    }

    /// <summary>A watched descriptor. At most one waiter for reading and one for writing at a time.</summary>
    public sealed class Watch(Poller poller, SafeHandle handle, long key) : IDisposable
    {
        private readonly Lock _gate = new(); // guards the waiters
        private TaskCompletionSource? _readable;
        private TaskCompletionSource? _writable;

        internal long Key => key;

        public Task ReadableAsync() => WaitAsync(ref _readable);

        public Task WritableAsync() => WaitAsync(ref _writable);

        /// <summary>Wakes whoever waits for reading, as if something had come.</summary>
        public void WakeReader()
        {
            lock (_gate)
            {
                _readable?.TrySetResult();
                _readable = null;
            }
        }

        internal void Fire(uint events)
        {
            lock (_gate)
            {
                if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
                {
                    _readable?.TrySetResult();
                    _readable = null;
                }
                if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
                {
                    _writable?.TrySetResult();
                    _writable = null;
                }
                if (_readable is not null || _writable is not null)
                    Arm();
            }
        }

        public void Dispose()
        {
            lock (poller._gate)
            {
                if (poller._watches.Remove(key) && !poller._stopping && !handle.IsClosed)
                    poller.Control(EPOLL_CTL_DEL, handle, 0, key);
            }
            Fire(EPOLLERR);
        }

        private Task WaitAsync(ref TaskCompletionSource? waiter)
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(poller._stopping || handle.IsClosed, this);
                waiter ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                var task = waiter.Task;
                Arm();
                return task;
            }
        }

        // One shot: the kernel tells once and is asked anew, so a descriptor nobody reads wakes nobody.
        private void Arm()
        {
            if (!handle.IsClosed)
                poller.Control(EPOLL_CTL_MOD, handle,
                    EPOLLONESHOT | (_readable is null ? 0 : EPOLLIN) | (_writable is null ? 0 : EPOLLOUT), key);
        }
    }

    // struct epoll_event (a uint of events, then 64 bits of ours) is packed on x86-64 and aligned everywhere else.
    private static readonly int KeyOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    private static readonly int EventSize = KeyOffset + sizeof(long);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(SafeFileHandle epoll, int operation, SafeHandle handle, Span<byte> what);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int EpollWait(SafeFileHandle epoll, Span<byte> events, int count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint value, int flags);
}
