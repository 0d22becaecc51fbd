using System.Buffers.Text;
using System.Net.Security;
using System.Net.Sockets;

namespace Minke.Bench.Api;

/// <summary>
/// One TLS connection that speaks just enough HTTP/1.1: requests are bytes made ahead, of answers the status is read and the body counted.
/// HttpClient would cost as much as the server that is measured.
/// </summary>
internal sealed class RawConnection : IAsyncDisposable
{
    private readonly SslStream _stream;
    private readonly byte[] _buffer = new byte[64 << 10];
    private int _start, _end;

    private RawConnection(SslStream stream) => _stream = stream;

    public static async Task<RawConnection> OpenAsync(Cluster cluster)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var address = new Uri(Cluster.Address);
        await socket.ConnectAsync(address.Host, address.Port);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await stream.AuthenticateAsClientAsync(cluster.Tls());
        return new(stream);
    }

    /// <summary>Sends a request and reads its answer to the end.</summary>
    /// <returns>The length of the body.</returns>
    public async ValueTask<long> SendAsync(ReadOnlyMemory<byte> request, int? expected)
    {
        await _stream.WriteAsync(request);
        var length = await ReadHeadAsync(expected);
        if (length >= 0)
        {
            await SkipAsync(length);
            return length;
        }
        var total = 0L;
        while (await ReadChunkAsync() is var chunk and > 0)
        {
            await SkipAsync(chunk + 2);
            total += chunk;
        }
        await SkipAsync(2);
        return total;
    }

    /// <summary>Sends the request of a watch; what follows is read with <see cref="ReadAsync"/>.</summary>
    public async Task WatchAsync(ReadOnlyMemory<byte> request)
    {
        await _stream.WriteAsync(request);
        await ReadHeadAsync(200);
    }

    /// <summary>What has come, frames and all; valid until the next call. Empty at the end.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync()
    {
        if (_start == _end)
            (_start, _end) = (0, await _stream.ReadAsync(_buffer));
        var read = _buffer.AsMemory(_start, _end - _start);
        _start = _end;
        return read;
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    /// <returns>The length of the body; -1 when it comes in chunks.</returns>
    private async ValueTask<long> ReadHeadAsync(int? expected)
    {
        int end;
        while ((end = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8)) < 0)
            await FillAsync();
        var head = _buffer.AsSpan(_start, end);
        if (!Utf8Parser.TryParse(head["HTTP/1.1 ".Length..], out int status, out _) || (expected is null ? status >= 300 : status != expected))
        {
            throw new InvalidOperationException(
                $"answered {status} instead of {expected ?? 200}: {System.Text.Encoding.UTF8.GetString(_buffer, _start, _end - _start)}");
        }
        var at = head.IndexOf("Content-Length: "u8);
        var length = at >= 0 && Utf8Parser.TryParse(head[(at + "Content-Length: ".Length)..], out long value, out _) ? value : -1;
        _start += end + 4;
        return length;
    }

    private async ValueTask<long> ReadChunkAsync()
    {
        int end;
        while ((end = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n"u8)) < 0)
            await FillAsync();
        if (!Utf8Parser.TryParse(_buffer.AsSpan(_start, end), out long length, out _, 'x'))
            throw new InvalidOperationException("a chunk without a length");
        _start += end + 2;
        return length;
    }

    private async ValueTask SkipAsync(long bytes)
    {
        while (bytes > _end - _start)
        {
            bytes -= _end - _start;
            _start = _end = 0;
            await FillAsync();
        }
        _start += (int)bytes;
    }

    private async ValueTask FillAsync()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        var read = await _stream.ReadAsync(_buffer.AsMemory(_end));
        if (read == 0)
            throw new InvalidOperationException("the server closed the connection");
        _end += read;
    }
}
