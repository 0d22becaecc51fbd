using System.Buffers;
using System.Collections.Concurrent;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>Room in which an object is encoded to be looked at and forgotten; used again and again.</summary>
internal sealed class JsonScratch : IDisposable
{
    // A buffer that one huge object has grown is not kept.
    private const int MaxKeptBytes = 256 * 1024;
    private const int MaxKept = 16;

    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly Utf8JsonWriter _writer;

    private JsonScratch() => _writer = new(_buffer, Json.WriterOptions);

    public ReadOnlyMemory<byte> Write(IJsonWritable value)
    {
        value.WriteJson(_writer);
        _writer.Flush();
        return _buffer.WrittenMemory;
    }

    public void Dispose() => _writer.Dispose();

    /// <summary>Scratches that are not in use.</summary>
    public sealed class Pool
    {
        private readonly ConcurrentQueue<JsonScratch> _free = [];

        public JsonScratch Rent() => _free.TryDequeue(out var scratch) ? scratch : new();

        public void Return(JsonScratch scratch)
        {
            if (scratch._buffer.Capacity > MaxKeptBytes || _free.Count >= MaxKept)
            {
                scratch.Dispose();
                return;
            }
            scratch._buffer.ResetWrittenCount();
            scratch._writer.Reset();
            _free.Enqueue(scratch);
        }
    }
}
