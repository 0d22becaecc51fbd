using System.Buffers;
using System.Text;

namespace Minke.Server.Apply;

/// <summary>JSON being put together from parts of documents; can be taken back to an earlier point.</summary>
internal sealed class JsonText(int capacity) : IDisposable
{
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(Math.Max(256, capacity));

    public int Length { get; private set; }

    public byte[] ToArray() => _bytes.AsSpan(0, Length).ToArray();

    public void Append(ReadOnlySpan<byte> text)
    {
        MakeRoom(text.Length);
        text.CopyTo(_bytes.AsSpan(Length));
        Length += text.Length;
    }

    public void AppendAscii(string text)
    {
        MakeRoom(text.Length);
        Length += Encoding.ASCII.GetBytes(text, _bytes.AsSpan(Length));
    }

    /// <summary>A comma unless this is the container's first, and the member's name.</summary>
    public void BeginMember(ReadOnlySpan<byte> rawName, int containerStart)
    {
        BeginItem(containerStart);
        Append("\""u8);
        Append(rawName);
        Append("\":"u8);
    }

    public void BeginItem(int containerStart)
    {
        if (Length > containerStart + 1)
            Append(","u8);
    }

    public void BackTo(int length) => Length = length;

    public void Dispose() => ArrayPool<byte>.Shared.Return(_bytes);

    private void MakeRoom(int length)
    {
        if (Length + length <= _bytes.Length)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length * 2, Length + length));
        _bytes.AsSpan(0, Length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
