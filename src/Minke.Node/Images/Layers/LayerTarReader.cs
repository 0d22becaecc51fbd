using System.Buffers.Text;
using System.Text;

namespace Minke.Node.Images.Layers;

internal enum TarKind { File, Directory, Symlink, Hardlink, CharacterDevice, BlockDevice, Fifo }

/// <summary>One entry of a layer. Names are bytes as the tar has them.</summary>
internal sealed record TarHeader
{
    public required TarKind Kind { get; init; }
    public required byte[] Name { get; init; }
    public required byte[] LinkName { get; init; }
    public required uint Mode { get; init; }
    public required uint Uid { get; init; }
    public required uint Gid { get; init; }
    public required FileTime Modified { get; init; }
    public uint DeviceMajor { get; init; }
    public uint DeviceMinor { get; init; }

    /// <summary>Bytes of the file as it shall be; a sparse one has fewer in the tar.</summary>
    public long Size { get; init; }

    /// <summary>Where the bytes in the tar belong; null when the file has no holes.</summary>
    public IReadOnlyList<SparseExtent>? Extents { get; init; }

    /// <summary>Extended attributes: name without a zero at the end, value.</summary>
    public IReadOnlyList<KeyValuePair<byte[], byte[]>> Attributes { get; init; } = [];

    public string DisplayName => Encoding.UTF8.GetString(Name);
}

internal readonly record struct SparseExtent(long Offset, long Length);

/// <summary>
/// Reads the tars that layers are: ustar, pax and GNU (long names, sparse files in all four forms). .NET's reader is not used
/// because its names are text (names that are not UTF-8 would change) and because it does not unfold sparse files.
/// </summary>
/// <remarks>
/// The input is hostile until proven otherwise: every number is range checked, every header has a limit, and anything not
/// understood is an error instead of a guess. Throws <see cref="InvalidDataException"/>, and <see cref="EndOfStreamException"/>
/// when the input ends too early.
/// </remarks>
internal sealed class LayerTarReader(Stream source)
{
    private const int BlockSize = 512;
    private const int MaximumHeaderBytes = 1 << 20;
    private const int MaximumPathBytes = 4096;
    private const int MaximumExtents = 1 << 20;

    private readonly byte[] _buffer = new byte[128 * 1024];
    private int _start, _end;
    private long _contentLeft;
    private int _paddingLeft;

    /// <summary>The next entry, or null at the end of the archive. What was not read of the entry before is skipped.</summary>
    public async ValueTask<TarHeader?> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        Pax? pax = null;
        byte[]? longName = null, longLink = null;
        while (true)
        {
            await SkipRestAsync(cancellationToken);
            if (await NextBlockAsync(cancellationToken) is not { } block)
            {
                if (pax is not null || longName is not null || longLink is not null)
                    throw new EndOfStreamException("unexpected end of tar after an extended header");
                return null;
            }
            var type = block[156];
            VerifyChecksum(block);
            var size = Number(block.AsSpan(124, 12));
            switch ((char)type)
            {
                case 'x':
                    pax = Pax.Parse(await ReadSmallAsync(size, cancellationToken));
                    continue;
                case 'g':
                    // Global headers (git archive's comment) say nothing about files.
                    await ReadSmallAsync(size, cancellationToken);
                    continue;
                case 'L':
                    longName = CutAtZero(await ReadSmallAsync(size, cancellationToken));
                    continue;
                case 'K':
                    longLink = CutAtZero(await ReadSmallAsync(size, cancellationToken));
                    continue;
                default:
                    return await EntryAsync(block, type, size, pax ?? Pax.None, longName, longLink, cancellationToken);
            }
        }
    }

    /// <summary>Bytes of the current entry as they are in the tar; 0 at its end.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_contentLeft == 0 || buffer.Length == 0)
            return 0;
        var want = (int)Math.Min(buffer.Length, _contentLeft);
        int count;
        if (_start < _end)
        {
            count = Math.Min(want, _end - _start);
            _buffer.AsMemory(_start, count).CopyTo(buffer);
            _start += count;
        }
        else
        {
            count = await source.ReadAsync(buffer[..want], cancellationToken);
            if (count == 0)
                throw new EndOfStreamException("unexpected end of tar inside a file");
        }
        _contentLeft -= count;
        return count;
    }

    private async ValueTask<TarHeader> EntryAsync(
        byte[] block, byte type, long size, Pax pax, byte[]? longName, byte[]? longLink, CancellationToken cancellationToken)
    {
        var isUstar = block.AsSpan(257, 6).SequenceEqual("ustar\0"u8);
        var name = CutAtZero(block.AsSpan(0, 100));
        if (isUstar && block[345] != 0)
            name = [.. CutAtZero(block.AsSpan(345, 155)), (byte)'/', .. name];
        name = longName ?? name;
        name = pax.SparseName ?? pax.Path ?? name;
        var link = pax.LinkPath ?? longLink ?? CutAtZero(block.AsSpan(157, 100));
        foreach (var path in (byte[][])[name, link])
        {
            if (path.Length >= MaximumPathBytes)
                throw new InvalidDataException($"tar has a path of {path.Length} bytes; Linux allows {MaximumPathBytes - 1}");
            if (path.AsSpan().Contains((byte)0))
                throw new InvalidDataException("tar has a path with a zero byte");
        }
        if (name.Length == 0)
            throw new InvalidDataException("tar has an entry without a name");

        var kind = (char)type switch
        {
            // Before POSIX a directory was a file whose name ends with a slash.
            '0' or '\0' or '7' => name[^1] == '/' ? TarKind.Directory : TarKind.File,
            'S' => TarKind.File,
            '1' => TarKind.Hardlink,
            '2' => TarKind.Symlink,
            '3' => TarKind.CharacterDevice,
            '4' => TarKind.BlockDevice,
            '5' => TarKind.Directory,
            '6' => TarKind.Fifo,
            _ => throw new InvalidDataException($"tar entry \"{Encoding.UTF8.GetString(name)}\" has unknown type {type}"),
        };

        // A size in a link, directory or device describes nothing that follows (POSIX; some writers put one there).
        size = kind == TarKind.File ? pax.Size ?? size : 0;
        BeginContent(size);

        List<SparseExtent>? extents = null;
        var realSize = size;
        if ((char)type == 'S')
            (extents, realSize) = await OldSparseAsync(block, cancellationToken);
        else if (kind == TarKind.File && pax.IsSparse)
        {
            extents = pax.SparseMajor == 1 ? await ReadSparseMapAsync(cancellationToken) : pax.SparseExtents ?? [];
            realSize = pax.SparseRealSize ?? throw new InvalidDataException("sparse file in tar without its real size");
        }
        if (extents is not null)
            CheckExtents(extents, _contentLeft, realSize);

        return new TarHeader
        {
            Kind = kind,
            Name = name,
            LinkName = link,
            Mode = (uint)Number(block.AsSpan(100, 8)) & 0xFFF,
            Uid = Id(pax.Uid ?? Number(block.AsSpan(108, 8)), "uid"),
            Gid = Id(pax.Gid ?? Number(block.AsSpan(116, 8)), "gid"),
            Modified = pax.Modified ?? new FileTime(SignedNumber(block.AsSpan(136, 12)), 0),
            DeviceMajor = kind is TarKind.CharacterDevice or TarKind.BlockDevice ? DeviceNumber(block.AsSpan(329, 8)) : 0,
            DeviceMinor = kind is TarKind.CharacterDevice or TarKind.BlockDevice ? DeviceNumber(block.AsSpan(337, 8)) : 0,
            Size = realSize,
            Extents = extents,
            Attributes = pax.Attributes,
        };
    }

    private void BeginContent(long size)
    {
        if (size < 0)
            throw new InvalidDataException("tar has an entry of negative size");
        _contentLeft = size;
        _paddingLeft = (int)((BlockSize - size % BlockSize) % BlockSize);
    }

    private async ValueTask<byte[]> ReadSmallAsync(long size, CancellationToken cancellationToken)
    {
        if (size is < 0 or > MaximumHeaderBytes)
            throw new InvalidDataException($"tar has an extended header of {size} bytes; the limit is {MaximumHeaderBytes}");
        BeginContent(size);
        var data = new byte[size];
        for (var done = 0; done < data.Length;)
            done += await ReadAsync(data.AsMemory(done), cancellationToken);
        return data;
    }

    private async ValueTask SkipRestAsync(CancellationToken cancellationToken)
    {
        var left = _contentLeft + _paddingLeft;
        _contentLeft = _paddingLeft = 0;
        while (left > 0)
        {
            if (_start == _end && !await FillAsync(1, cancellationToken))
                throw new EndOfStreamException("unexpected end of tar inside a file");
            var count = (int)Math.Min(left, _end - _start);
            _start += count;
            left -= count;
        }
    }

    /// <summary>The next block, null at the end: two blocks of zeros, or the end of the input where a block would begin.</summary>
    private async ValueTask<byte[]?> NextBlockAsync(CancellationToken cancellationToken)
    {
        for (var zeros = 0; zeros < 2; zeros++)
        {
            if (!await FillAsync(BlockSize, cancellationToken))
            {
                if (_start != _end)
                    throw new EndOfStreamException("unexpected end of tar inside a header");
                return null;
            }
            var block = _buffer.AsSpan(_start, BlockSize);
            _start += BlockSize;
            if (block.ContainsAnyExcept((byte)0))
                return zeros == 0 ? block.ToArray() : throw new InvalidDataException("invalid tar header: entry after the end mark");
        }
        return null;
    }

    private async ValueTask<bool> FillAsync(int count, CancellationToken cancellationToken)
    {
        if (_end - _start >= count)
            return true;
        _buffer.AsSpan(_start.._end).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        while (_end < count)
        {
            var read = await source.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
                return false;
            _end += read;
        }
        return true;
    }

    private async ValueTask<(List<SparseExtent> Extents, long RealSize)> OldSparseAsync(byte[] block, CancellationToken cancellationToken)
    {
        var extents = new List<SparseExtent>();
        var realSize = Number(block.AsSpan(483, 12));
        Collect(block.AsSpan(386, 4 * 24), extents);
        var more = block[482] != 0;
        while (more)
        {
            if (!await FillAsync(BlockSize, cancellationToken))
                throw new EndOfStreamException("unexpected end of tar inside a sparse map");
            Collect(_buffer.AsSpan(_start, 21 * 24), extents);
            more = _buffer[_start + 504] != 0;
            _start += BlockSize;
        }
        return (extents, realSize);

        static void Collect(ReadOnlySpan<byte> entries, List<SparseExtent> extents)
        {
            for (; entries.Length >= 24 && entries[0] != 0; entries = entries[24..])
            {
                if (extents.Count == MaximumExtents)
                    throw new InvalidDataException("sparse file in tar has too many parts");
                extents.Add(new SparseExtent(Number(entries[..12]), Number(entries[12..24])));
            }
        }
    }

    /// <summary>pax sparse 1.0: decimal lines in front of the data, padded to a block.</summary>
    private async ValueTask<List<SparseExtent>> ReadSparseMapAsync(CancellationToken cancellationToken)
    {
        var block = new byte[BlockSize];
        var position = BlockSize;
        async ValueTask<long> LineAsync()
        {
            var value = 0L;
            for (var digits = 0; ; digits++)
            {
                if (position == BlockSize)
                {
                    for (var done = 0; done < BlockSize;)
                    {
                        var read = await ReadAsync(block.AsMemory(done), cancellationToken);
                        if (read == 0)
                            throw new InvalidDataException("sparse map in tar ends too early");
                        done += read;
                    }
                    position = 0;
                }
                var c = block[position++];
                if (c == '\n' && digits > 0)
                    return value;
                if (c is < (byte)'0' or > (byte)'9' || digits > 18)
                    throw new InvalidDataException("sparse map in tar is not a list of numbers");
                value = value * 10 + (c - '0');
            }
        }

        var count = await LineAsync();
        if (count > MaximumExtents)
            throw new InvalidDataException("sparse file in tar has too many parts");
        var extents = new List<SparseExtent>((int)count);
        for (var i = 0; i < count; i++)
            extents.Add(new SparseExtent(await LineAsync(), await LineAsync()));
        return extents;
    }

    private static void CheckExtents(List<SparseExtent> extents, long available, long realSize)
    {
        long position = 0, sum = 0;
        foreach (var (offset, length) in extents)
        {
            if (offset < position || length < 0 || offset > realSize - length)
                throw new InvalidDataException("sparse map in tar is out of order or out of range");
            position = offset + length;
            sum += length;
        }
        if (sum != available)
            throw new InvalidDataException($"sparse map in tar covers {sum} bytes, its file has {available}");
    }

    private static void VerifyChecksum(ReadOnlySpan<byte> block)
    {
        var stored = Number(block.Slice(148, 8));
        long unsigned = 8 * ' ', signed = 8 * ' ';
        for (var i = 0; i < BlockSize; i++)
        {
            if (i is >= 148 and < 156)
                continue;
            unsigned += block[i];
            signed += (sbyte)block[i];
        }
        // Some ancient writers summed signed characters.
        if (stored != unsigned && stored != signed)
            throw new InvalidDataException("invalid tar header: checksum does not match");
    }

    private static uint Id(long value, string what) => value is >= 0 and < uint.MaxValue
        ? (uint)value : throw new InvalidDataException($"tar has {what} {value}, which is out of range");

    private static uint DeviceNumber(ReadOnlySpan<byte> field) => Number(field) is >= 0 and <= 0xFFFFF and var number
        ? (uint)number : throw new InvalidDataException("tar has a device number out of range");

    private static long Number(ReadOnlySpan<byte> field) => SignedNumber(field) is >= 0 and var number
        ? number : throw new InvalidDataException("tar has a negative number in a header");

    /// <summary>Octal text, or base 256 when the first bit is set (GNU, for what octal cannot hold).</summary>
    private static long SignedNumber(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            var isNegative = (field[0] & 0x40) != 0;
            UInt128 value = isNegative ? UInt128.MaxValue << 6 | (uint)(field[0] & 0x3F) : (uint)(field[0] & 0x3F);
            foreach (var b in field[1..])
                value = value << 8 | b;
            var number = (Int128)value;
            return number >= long.MinValue && number <= long.MaxValue
                ? (long)number : throw new InvalidDataException("tar has a number out of range in a header");
        }
        field = field.Trim(" \0"u8);
        var result = 0L;
        foreach (var c in field)
        {
            // Old writers put a terminator and then rubbish.
            if (c is 0 or (byte)' ')
                break;
            if (c is < (byte)'0' or > (byte)'7')
                throw new InvalidDataException("invalid tar header: not an octal number");
            result = result << 3 | (uint)(c - '0');
        }
        return result;
    }

    private static byte[] CutAtZero(ReadOnlySpan<byte> text) =>
        (text.IndexOf((byte)0) is >= 0 and var end ? text[..end] : text).ToArray();

    /// <summary>An extended header: lines "length key=value", where the value may hold any byte.</summary>
    private sealed class Pax
    {
        public static readonly Pax None = new();

        public byte[]? Path, LinkPath, SparseName;
        public long? Size, Uid, Gid, SparseRealSize;
        public FileTime? Modified;
        public int? SparseMajor;
        public List<SparseExtent>? SparseExtents;
        private long? _sparseOffset;
        public readonly List<KeyValuePair<byte[], byte[]>> Attributes = [];

        // A file that is one hole has a real size and no parts.
        public bool IsSparse => SparseMajor is not null || SparseExtents is not null || SparseRealSize is not null;

        public static Pax Parse(ReadOnlySpan<byte> data)
        {
            var pax = new Pax();
            while (data.Length > 0)
            {
                if (!Utf8Parser.TryParse(data, out int length, out var digits) || digits >= data.Length || data[digits] != ' '
                    || length <= digits + 2 || length > data.Length || data[length - 1] != '\n')
                    throw new InvalidDataException("invalid pax header in tar: bad record length");
                var record = data[(digits + 1)..(length - 1)];
                var equals = record.IndexOf((byte)'=');
                if (equals <= 0)
                    throw new InvalidDataException("invalid pax header in tar: record without a key");
                pax.Set(record[..equals], record[(equals + 1)..]);
                data = data[length..];
            }
            return pax;
        }

        private void Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
        {
            switch (key)
            {
                // An empty value takes a former one back; there is none here.
                case var _ when value.Length == 0 && !key.StartsWith("SCHILY.xattr."u8):
                    break;
                case var _ when key.SequenceEqual("path"u8):
                    Path = value.ToArray();
                    break;
                case var _ when key.SequenceEqual("linkpath"u8):
                    LinkPath = value.ToArray();
                    break;
                case var _ when key.SequenceEqual("size"u8):
                    Size = Decimal(value);
                    break;
                case var _ when key.SequenceEqual("uid"u8):
                    Uid = Decimal(value);
                    break;
                case var _ when key.SequenceEqual("gid"u8):
                    Gid = Decimal(value);
                    break;
                case var _ when key.SequenceEqual("mtime"u8):
                    Modified = Time(value);
                    break;
                case var _ when key.StartsWith("SCHILY.xattr."u8):
                    if (key.Length == "SCHILY.xattr.".Length || key.Contains((byte)0))
                        throw new InvalidDataException("invalid pax header in tar: bad attribute name");
                    Attributes.Add(new(key["SCHILY.xattr.".Length..].ToArray(), value.ToArray()));
                    break;
                case var _ when key.SequenceEqual("GNU.sparse.major"u8):
                    SparseMajor = (int)Math.Min(Decimal(value), 9);
                    if (SparseMajor > 1)
                        throw new InvalidDataException("tar has a sparse file of a version that is not known");
                    if (SparseMajor == 0)
                        SparseMajor = null;
                    break;
                case var _ when key.SequenceEqual("GNU.sparse.name"u8):
                    SparseName = value.ToArray();
                    break;
                case var _ when key.SequenceEqual("GNU.sparse.realsize"u8) || key.SequenceEqual("GNU.sparse.size"u8):
                    SparseRealSize = Decimal(value);
                    break;
                case var _ when key.SequenceEqual("GNU.sparse.offset"u8):
                    _sparseOffset = Decimal(value);
                    break;
                case var _ when key.SequenceEqual("GNU.sparse.numbytes"u8):
                    AddExtent(_sparseOffset ?? throw new InvalidDataException("invalid sparse header in tar"), Decimal(value));
                    _sparseOffset = null;
                    break;
                case var _ when key.SequenceEqual("GNU.sparse.map"u8):
                    var numbers = Encoding.ASCII.GetString(value).Split(',');
                    if (numbers.Length % 2 != 0)
                        throw new InvalidDataException("invalid sparse header in tar");
                    for (var i = 0; i < numbers.Length; i += 2)
                        AddExtent(Decimal(Encoding.ASCII.GetBytes(numbers[i])), Decimal(Encoding.ASCII.GetBytes(numbers[i + 1])));
                    break;
            }
        }

        private void AddExtent(long offset, long length) => (SparseExtents ??= []).Add(new SparseExtent(offset, length));

        private static long Decimal(ReadOnlySpan<byte> text) =>
            Utf8Parser.TryParse(text, out long value, out var used) && used == text.Length && value >= 0
                ? value : throw new InvalidDataException("invalid pax header in tar: not a number");

        /// <summary>Seconds with an optional fraction, possibly before 1970.</summary>
        private static FileTime Time(ReadOnlySpan<byte> text)
        {
            var dot = text.IndexOf((byte)'.');
            var whole = dot < 0 ? text : text[..dot];
            if (!Utf8Parser.TryParse(whole, out long seconds, out var used) || used != whole.Length)
                throw new InvalidDataException("invalid pax header in tar: not a time");
            var nanoseconds = 0L;
            if (dot >= 0)
            {
                var scale = 100_000_000L;
                foreach (var c in text[(dot + 1)..])
                {
                    if (c is < (byte)'0' or > (byte)'9')
                        throw new InvalidDataException("invalid pax header in tar: not a time");
                    nanoseconds += (c - '0') * scale;
                    scale /= 10;
                }
            }
            if (text[0] == '-' && nanoseconds > 0)
                (seconds, nanoseconds) = (seconds - 1, 1_000_000_000 - nanoseconds);
            return new FileTime(seconds, nanoseconds);
        }
    }
}
