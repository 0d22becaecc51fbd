using System.Globalization;
using System.Text;

namespace Minke.Node.Tests.Images;

/// <summary>A tar written byte by byte, for what tar writers refuse to write.</summary>
internal sealed class RawTar
{
    private readonly List<byte> _bytes = [];

    /// <summary>One header and its content, padded.</summary>
    public RawTar Entry(
        char type, byte[] name, byte[]? content = null, string link = "", int mode = 0b110_100_100, long? size = null, Action<byte[]>? change = null)
    {
        var header = new byte[512];
        name.AsSpan(0, Math.Min(100, name.Length)).CopyTo(header);
        Octal(header, 100, 8, mode);
        Octal(header, 108, 8, 0);
        Octal(header, 116, 8, 0);
        Octal(header, 124, 12, size ?? content?.Length ?? 0);
        Octal(header, 136, 12, 1);
        header[156] = (byte)type;
        Encoding.UTF8.GetBytes(link).CopyTo(header, 157);
        "ustar\0"u8.CopyTo(header.AsSpan(257));
        "00"u8.CopyTo(header.AsSpan(263));
        change?.Invoke(header);
        header.AsSpan(148, 8).Fill((byte)' ');
        Octal(header, 148, 7, header.Sum(b => b));
        _bytes.AddRange(header);
        if (content is not null)
        {
            _bytes.AddRange(content);
            _bytes.AddRange(new byte[(512 - content.Length % 512) % 512]);
        }
        return this;
    }

    public RawTar Entry(char type, string name, string? content = null, string link = "", int mode = 0b110_100_100) =>
        Entry(type, Encoding.UTF8.GetBytes(name), content is null ? null : Encoding.UTF8.GetBytes(content), link, mode);

    /// <summary>A pax header for the entry that follows.</summary>
    public RawTar Pax(params (string Key, string Value)[] records)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in records)
        {
            var rest = $" {key}={value}\n";
            var length = Encoding.UTF8.GetByteCount(rest);
            var total = length + length.ToString(CultureInfo.InvariantCulture).Length;
            if (total.ToString(CultureInfo.InvariantCulture).Length != length.ToString(CultureInfo.InvariantCulture).Length)
                total = length + total.ToString(CultureInfo.InvariantCulture).Length;
            text.Append(total).Append(rest);
        }
        return Entry('x', Encoding.UTF8.GetBytes("pax"), Encoding.UTF8.GetBytes(text.ToString()));
    }

    public RawTar Bytes(byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public byte[] End()
    {
        _bytes.AddRange(new byte[1024]);
        return _bytes.ToArray();
    }

    public static void Octal(byte[] header, int offset, int length, long value) =>
        Encoding.ASCII.GetBytes(Convert.ToString(value, 8).PadLeft(length - 1, '0')).CopyTo(header, offset);
}
