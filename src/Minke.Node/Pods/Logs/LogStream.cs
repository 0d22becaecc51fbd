using System.Buffers;
using System.Globalization;
using System.Text;
using Minke.Client.Nodes;
using Minke.Node.Linux;

namespace Minke.Node.Pods.Logs;

/// <summary>
/// A container's log as a reader asked for it: read from the files in CRI's format as the reader pulls, line by line, and followed
/// through rotations until the container has ended.
/// </summary>
/// <remarks>
/// Files are read in the order they were written. One that is put aside keeps its bytes under a new name, and whoever writes has left
/// it for good once there is a newer one.
/// <code>2030-01-01T12:00:00.000000000Z stdout F text of a whole line
/// 2030-01-01T12:00:00.000000001Z stderr P first part of a long line</code>
/// </remarks>
internal sealed class LogStream : Stream
{
    private const int ChunkBytes = 32 * 1024;

    private readonly string _path;
    private readonly LogRequest _request;
    private readonly Func<Task?> _nextChangeWhileRunning;
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly ArrayBufferWriter<byte> _out = new();
    private readonly byte[] _chunk = new byte[ChunkBytes];
    private readonly Inotify? _changes;
    private IAsyncEnumerator<string?>? _names;
    private Task<bool>? _nextName;
    private FileStream? _file;
    private int _chunkAt;
    private int _chunkLength;
    private int _outAt;
    private long _linesToSkip;
    private long? _left;
    private bool _isPastSince;
    private bool _isMidLine;
    private bool _isEnded;

    /// <param name="path">The file being written; rotated ones lie beside it.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="poller">For following; null to read only what is there.</param>
    /// <param name="nextChangeWhileRunning">While the container may write on: completes when that may have changed. Null once it has ended.</param>
    public LogStream(string path, LogRequest request, Poller? poller, Func<Task?> nextChangeWhileRunning)
    {
        (_path, _request, _nextChangeWhileRunning) = (path, request, nextChangeWhileRunning);
        // Watched before the first read, so that nothing written in between is missed.
        if (poller is not null && Directory.Exists(Path.GetDirectoryName(path)))
            _changes = Inotify.OfWrites(poller, Path.GetDirectoryName(path)!);
        _left = request.LimitBytes;
        _isPastSince = request.Since is null;
        if (request.TailLines is { } tail)
            _linesToSkip = Math.Max(LogFiles.Of(path).Sum(CountLines) - tail, 0);
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_outAt < _out.WrittenCount)
                return TakeOut(buffer.Span);
            if (_left == 0 || _isEnded || buffer.IsEmpty)
                return 0;
            if (_chunkAt < _chunkLength)
            {
                Split();
                continue;
            }
            if (await FillAsync(cancellationToken))
                continue;
            if (Next() is { } next)
            {
                // What was written to this one since, before the next was begun.
                if (!await FillAsync(cancellationToken))
                    Open(next);
                continue;
            }
            if (_changes is null || !await WaitAsync(cancellationToken))
                Finish();
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file?.Dispose();
            _changes?.Dispose();
        }
        base.Dispose(disposing);
    }

    private int TakeOut(Span<byte> buffer)
    {
        var ready = _out.WrittenSpan[_outAt..];
        var count = Math.Min(ready.Length, buffer.Length);
        if (_left is { } left)
        {
            count = (int)Math.Min(count, left);
            _left = left - count;
        }
        ready[..count].CopyTo(buffer);
        _outAt += count;
        if (_outAt == _out.WrittenCount)
        {
            _out.ResetWrittenCount();
            _outAt = 0;
        }
        return count;
    }

    private async Task<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_file is null)
            return false;
        _chunkAt = 0;
        _chunkLength = await _file.ReadAsync(_chunk, cancellationToken);
        return _chunkLength > 0;
    }

    /// <summary>The file that was begun after the one being read; null while there is none.</summary>
    private string? Next()
    {
        var own = NameOfOpen();
        if (own == Path.GetFileName(_path))
            return null; // still being written
        return LogFiles.Rotated(_path).Where(file => string.CompareOrdinal(Path.GetFileName(file), own) > 0).Min(StringComparer.Ordinal)
            ?? (File.Exists(_path) ? _path : null);
    }

    private void Open(string next)
    {
        FileStream opened;
        try
        {
            opened = new FileStream(next, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
        }
        catch (FileNotFoundException)
        {
            return; // put aside, or removed for its age: there is another next
        }
        // One may have been put aside since the look: then this is not the next any more.
        if (Next() != next)
        {
            opened.Dispose();
            return;
        }
        _file?.Dispose();
        _file = opened;
    }

    /// <summary>What the file that is open is called by now: the kernel follows it through renames and beyond its end. Empty when none is open.</summary>
    private string NameOfOpen()
    {
        const string Gone = " (deleted)";
        if (_file is null)
            return "";
        var name = Path.GetFileName(new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{_file.SafeFileHandle.DangerousGetHandle()}")).LinkTarget ?? "");
        return name.EndsWith(Gone, StringComparison.Ordinal) ? name[..^Gone.Length] : name;
    }

    /// <summary>Waits for more. False when the container has ended and all is read.</summary>
    private async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        var change = _nextChangeWhileRunning();
        if (change is null)
        {
            // It ended, and what it wrote last may have come after our last look.
            return await FillAsync(cancellationToken) || Next() is not null;
        }
        if (await FillAsync(cancellationToken) || Next() is not null)
            return true;
        _names ??= _changes!.NamesAsync(CancellationToken.None).GetAsyncEnumerator(CancellationToken.None);
        _nextName ??= _names.MoveNextAsync().AsTask();
        await Task.WhenAny(_nextName, change).WaitAsync(cancellationToken);
        if (!_nextName.IsCompleted)
            return true;
        if (!await _nextName)
            return false;
        _nextName = null;
        return true;
    }

    private void Finish()
    {
        if (_line.WrittenCount > 0)
            Emit(_line.WrittenSpan);
        _line.ResetWrittenCount();
        _isEnded = true;
    }

    private void Split()
    {
        var rest = _chunk.AsSpan(_chunkAt, _chunkLength - _chunkAt);
        var end = rest.IndexOf((byte)'\n');
        if (end < 0)
        {
            _line.Write(rest);
            _chunkAt = _chunkLength;
            return;
        }
        _chunkAt += end + 1;
        if (_line.WrittenCount == 0)
        {
            Emit(rest[..end]);
            return;
        }
        _line.Write(rest[..end]);
        Emit(_line.WrittenSpan);
        _line.ResetWrittenCount();
    }

    private void Emit(ReadOnlySpan<byte> raw)
    {
        if (_linesToSkip > 0)
        {
            _linesToSkip--;
            return;
        }
        if (!TryParse(raw, out var time, out var isPartial, out var text))
            return;
        if (!_isPastSince)
        {
            if (DateTimeOffset.TryParse(Encoding.ASCII.GetString(time), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at < _request.Since)
                return;
            _isPastSince = true;
        }
        if (_request.Timestamps && !_isMidLine)
        {
            // conmon writes UTC as an offset; the kubelet says Z.
            _out.Write(time.EndsWith("+00:00"u8) ? time[..^"+00:00".Length] : time);
            _out.Write(time.EndsWith("+00:00"u8) ? "Z "u8 : " "u8);
        }
        _out.Write(text);
        if (!isPartial)
            _out.Write("\n"u8);
        _isMidLine = isPartial;
    }

    private static bool TryParse(ReadOnlySpan<byte> raw, out ReadOnlySpan<byte> time, out bool isPartial, out ReadOnlySpan<byte> text)
    {
        time = default;
        text = default;
        isPartial = false;
        var first = raw.IndexOf((byte)' ');
        if (first <= 0)
            return false;
        var afterTime = raw[(first + 1)..];
        var second = afterTime.IndexOf((byte)' ');
        if (second <= 0)
            return false;
        var afterStream = afterTime[(second + 1)..];
        var third = afterStream.IndexOf((byte)' ');
        var tag = third < 0 ? afterStream : afterStream[..third];
        if (tag.IsEmpty)
            return false;
        time = raw[..first];
        isPartial = tag[0] == (byte)'P';
        text = third < 0 ? default : afterStream[(third + 1)..];
        return true;
    }

    private static long CountLines(string path)
    {
        var count = 0L;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
            var buffer = new byte[ChunkBytes];
            for (int read; (read = file.Read(buffer)) > 0;)
                count += buffer.AsSpan(0, read).Count((byte)'\n');
        }
        catch (FileNotFoundException)
        {
        }
        return count;
    }
}
