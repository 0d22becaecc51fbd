namespace Minke.Server.Apply;

/// <summary>JSON being put together from parts of documents; can be taken back to an earlier point.</summary>
internal sealed class JsonText(int capacity)
{
    private byte[] _bytes = new byte[Math.Max(256, capacity)];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Append(ReadOnlySpan<byte> text)
    {
        if (Length + text.Length > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + text.Length));
        text.CopyTo(_bytes.AsSpan(Length));
        Length += text.Length;
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
}
