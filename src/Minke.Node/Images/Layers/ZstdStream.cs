using System.Runtime.InteropServices;

namespace Minke.Node.Images.Layers;

/// <summary>Decompresses zstd with the system's libzstd (Debian package libzstd1). Several frames in a row are one stream.</summary>
internal sealed partial class ZstdStream(Stream source) : ReadOnlyStream
{
    private readonly DecoderHandle _decoder = Create();
    private readonly byte[] _input = new byte[128 * 1024];
    private int _start, _end;
    private bool _isInsideFrame, _outputWasFull;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0)
            return 0;
        while (true)
        {
            // The decoder may still hold output for input it has taken.
            if (_start < _end || _outputWasFull)
            {
                var produced = Decode(buffer.Span);
                _outputWasFull = produced == buffer.Length;
                if (produced > 0)
                    return produced;
                if (_start < _end)
                    continue;
            }
            _start = 0;
            _end = await source.ReadAsync(_input, cancellationToken);
            if (_end == 0)
                return _isInsideFrame ? throw new InvalidDataException("zstd stream ends too early") : 0;
        }
    }

    protected override void Dispose(bool disposing)
    {
        _decoder.Dispose();
        base.Dispose(disposing);
    }

    private unsafe int Decode(Span<byte> output)
    {
        fixed (byte* target = output, input = _input)
        {
            var to = new Buffer { Data = target, Size = (nuint)output.Length };
            var from = new Buffer { Data = input, Size = (nuint)_end, Position = (nuint)_start };
            var hint = ZSTD_decompressStream(_decoder.DangerousGetHandle(), &to, &from);
            GC.KeepAlive(_decoder);
            if (ZSTD_isError(hint) != 0)
                throw new InvalidDataException($"zstd stream is corrupt: {Marshal.PtrToStringUTF8(ZSTD_getErrorName(hint))}");
            _start = (int)from.Position;
            // 0: a frame is complete and flushed. A call without progress at a frame's end says nothing new.
            if (hint == 0 || to.Position > 0 || from.Position > 0)
                _isInsideFrame = hint != 0;
            return (int)to.Position;
        }
    }

    private static DecoderHandle Create()
    {
        try
        {
            return new DecoderHandle(ZSTD_createDStream());
        }
        catch (DllNotFoundException failure)
        {
            throw new InvalidDataException("the layer is compressed with zstd, and libzstd.so.1 is not installed (Debian: apt-get install libzstd1)", failure);
        }
    }

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer have the same shape.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Buffer
    {
        public byte* Data;
        public nuint Size;
        public nuint Position;
    }

    private sealed class DecoderHandle : SafeHandle
    {
        public DecoderHandle(nint decoder) : base(0, ownsHandle: true) => SetHandle(decoder);

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            ZSTD_freeDStream(handle);
            return true;
        }
    }

    [LibraryImport("libzstd.so.1")]
    private static partial nint ZSTD_createDStream();
    [LibraryImport("libzstd.so.1")]
    private static partial nuint ZSTD_freeDStream(nint decoder);
    [LibraryImport("libzstd.so.1")]
    private static unsafe partial nuint ZSTD_decompressStream(nint decoder, Buffer* output, Buffer* input);
    [LibraryImport("libzstd.so.1")]
    private static partial uint ZSTD_isError(nuint code);
    [LibraryImport("libzstd.so.1")]
    private static partial nint ZSTD_getErrorName(nuint code);
}
