using System.Globalization;
using Minke.Cel.Types;

namespace Minke.Cel.Values;

/// <summary>A value at run time. Immutable; lists, maps and objects may read what they stand for only when asked.</summary>
public abstract class CelValue
{
    public abstract CelType Type { get; }

    /// <summary>As <c>size()</c> counts; null for what has none. Costs go by it.</summary>
    internal virtual long? Size => null;
}

/// <summary>What went wrong; it goes through every operation but <c>&amp;&amp;</c>, <c>||</c> and <c>?:</c>. The text is cel-go's.</summary>
public sealed class ErrorValue(string message) : CelValue
{
    public string Message { get; } = message;
    public override CelType Type => CelType.Error;

    internal static ErrorValue NoSuchOverload { get; } = new("no such overload");
    internal static ErrorValue IntegerOverflow { get; } = new("integer overflow");
    internal static ErrorValue UnsignedOverflow { get; } = new("unsigned integer overflow");
    internal static ErrorValue DurationOverflow { get; } = new("duration overflow");
    internal static ErrorValue TimestampOverflow { get; } = new("timestamp overflow");

    internal static ErrorValue Conversion(CelType from, CelType to) => new($"type conversion error from '{from.Name}' to '{to.Name}'");
}

public sealed class NullValue : CelValue
{
    private NullValue()
    {
    }

    public static NullValue Instance { get; } = new();
    public override CelType Type => CelType.Null;
}

public sealed class BoolValue : CelValue
{
    private BoolValue(bool value) => Value = value;

    public static BoolValue True { get; } = new(true);
    public static BoolValue False { get; } = new(false);

    public bool Value { get; }
    public override CelType Type => CelType.Bool;

    public static BoolValue Of(bool value) => value ? True : False;
}

public sealed class IntValue(long value) : CelValue
{
    public long Value { get; } = value;
    public override CelType Type => CelType.Int;
}

public sealed class UintValue(ulong value) : CelValue
{
    public ulong Value { get; } = value;
    public override CelType Type => CelType.Uint;
}

public sealed class DoubleValue(double value) : CelValue
{
    public double Value { get; } = value;
    public override CelType Type => CelType.Double;
}

public sealed class StringValue(string value) : CelValue
{
    public static StringValue Empty { get; } = new("");

    public string Value { get; } = value;
    public override CelType Type => CelType.String;

    /// <summary>In code points.</summary>
    internal override long? Size
    {
        get
        {
            var size = Value.Length;
            foreach (var c in Value)
            {
                if (char.IsLowSurrogate(c))
                    size--;
            }
            return size;
        }
    }
}

public sealed class BytesValue(byte[] value) : CelValue
{
    public ReadOnlyMemory<byte> Value { get; } = value;
    public override CelType Type => CelType.Bytes;
    internal override long? Size => Value.Length;
}

/// <summary>To the nanosecond, as Go's: about 292 years at most.</summary>
public sealed class DurationValue(long nanoseconds) : CelValue
{
    public long Nanoseconds { get; } = nanoseconds;
    public override CelType Type => CelType.Duration;
}

/// <summary>An instant to the nanosecond, from the year 1 to 9999. It is written with the offset it was read with, and counts as the same at any.</summary>
/// <param name="offset">From UTC, in seconds.</param>
public sealed class TimestampValue(long seconds, int nanoseconds, int offset = 0) : CelValue
{
    internal const long MinSeconds = -62_135_596_800, MaxSeconds = 253_402_300_799;

    /// <summary>Since 1970.</summary>
    public long Seconds { get; } = seconds;
    public int Nanoseconds { get; } = nanoseconds;
    internal int Offset { get; } = offset;
    public override CelType Type => CelType.Timestamp;

    public static TimestampValue From(DateTimeOffset time)
    {
        var ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        var seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var rest);
        return rest < 0 ? new(seconds - 1, (int)((rest + TimeSpan.TicksPerSecond) * 100)) : new(seconds, (int)(rest * 100));
    }

    internal DateTime Utc => DateTime.UnixEpoch.AddSeconds(Seconds).AddTicks(Nanoseconds / 100);

    internal string Format()
    {
        // The first and the last day there are may not be told at another offset.
        var offset = Seconds + Offset is >= MinSeconds and <= MaxSeconds ? Offset : 0;
        var text = DateTime.UnixEpoch.AddSeconds(Seconds + offset).ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
        var fraction = Nanoseconds == 0 ? "" : "." + Nanoseconds.ToString("D9", CultureInfo.InvariantCulture).TrimEnd('0');
        var zone = offset == 0 ? "Z" : string.Create(CultureInfo.InvariantCulture, $"{(offset < 0 ? '-' : '+')}{Math.Abs(offset) / 3600:D2}:{Math.Abs(offset) / 60 % 60:D2}");
        return text + fraction + zone;
    }
}

/// <summary>What <c>type(x)</c> gives.</summary>
public sealed class TypeValue(CelType value) : CelValue
{
    public CelType Value { get; } = value;
    public override CelType Type => CelType.Type;
}

/// <summary>A value that may not be there.</summary>
public sealed class OptionalValue(CelValue? value) : CelValue
{
    private static readonly CelType OptionalType = CelType.Optional(CelType.Dyn);

    public static OptionalValue None { get; } = new(null);
    public CelValue? Value { get; } = value;
    public override CelType Type => OptionalType;
}

/// <summary>Of a type with functions only: an IP address, a Quantity, an authorizer.</summary>
public abstract class OpaqueValue : CelValue
{
    internal abstract bool IsEqualTo(OpaqueValue other);
}

public abstract class ListValue : CelValue
{
    private static readonly CelType AnyList = CelType.List(CelType.Dyn);

    public abstract int Count { get; }
    public abstract CelValue this[int index] { get; }
    public override CelType Type => AnyList;
    internal override long? Size => Count;

    /// <summary>Lists with keys or of sets have an equality of their own; null for the plain one.</summary>
    internal virtual bool? IsEqualTo(ListValue other, ref int steps) => null;

    /// <summary>And a sum of their own.</summary>
    internal virtual CelValue Plus(ListValue other) => ConcatenatedList.Of(this, other);

    public static ListValue Of(params IReadOnlyList<CelValue> items) => new ItemList(items);
    public static ListValue Of(IEnumerable<string> items) => new ItemList([.. items.Select(item => new StringValue(item))]);

    internal IEnumerable<CelValue> Items
    {
        get
        {
            for (var i = 0; i < Count; i++)
                yield return this[i];
        }
    }
}

internal sealed class ItemList(IReadOnlyList<CelValue> items) : ListValue
{
    public static ItemList Empty { get; } = new([]);
    public override int Count => items.Count;
    public override CelValue this[int index] => items[index];
}

/// <summary>Two lists as one. What loops append goes into one shared buffer; longer parts are not copied, since adding costs the same for any length.</summary>
internal sealed class ConcatenatedList : ListValue
{
    private const int CopiedItems = 32, MaxDepth = 256, MaxFlattened = 1_000_000;

    private readonly List<CelValue>? _buffer;
    private readonly ListValue? _left, _right;
    private readonly int _depth;

    private ConcatenatedList(List<CelValue> buffer) => (_buffer, Count) = (buffer, buffer.Count);

    private ConcatenatedList(ListValue left, ListValue right, int depth) => (_left, _right, _depth, Count) = (left, right, depth, left.Count + right.Count);

    public override int Count { get; }

    public override CelValue this[int index]
    {
        get
        {
            ListValue list = this;
            while (list is ConcatenatedList { _buffer: null } joined)
            {
                if (index < joined._left!.Count)
                {
                    list = joined._left;
                }
                else
                {
                    index -= joined._left.Count;
                    list = joined._right!;
                }
            }
            return list is ConcatenatedList { _buffer: { } buffer } ? buffer[index] : list[index];
        }
    }

    public static CelValue Of(ListValue left, ListValue right)
    {
        if (right.Count == 0)
            return left;
        if (left.Count == 0)
            return right;
        if ((long)left.Count + right.Count > int.MaxValue)
            return new ErrorValue("list size exceeds limit");
        if (right.Count <= CopiedItems)
        {
            // The buffer goes on after this list's end only if no other sum has gone on from there.
            if (left is ConcatenatedList { _buffer: { } open } && open.Count == left.Count)
            {
                open.AddRange(right.Items);
                return new ConcatenatedList(open);
            }
            if (left.Count <= CopiedItems)
                return new ConcatenatedList([.. left.Items, .. right.Items]);
        }
        var depth = 1 + Math.Max((left as ConcatenatedList)?._depth ?? 0, (right as ConcatenatedList)?._depth ?? 0);
        if (depth < MaxDepth)
            return new ConcatenatedList(left, right, depth);
        return left.Count + right.Count <= MaxFlattened
            ? new ConcatenatedList([.. left.Items, .. right.Items])
            : new ErrorValue("list size exceeds limit");
    }
}

public abstract class MapValue : CelValue
{
    private static readonly CelType AnyMap = CelType.Map(CelType.Dyn, CelType.Dyn);

    public abstract int Count { get; }

    /// <summary>In a stable order.</summary>
    public abstract IEnumerable<CelValue> Keys { get; }
    public override CelType Type => AnyMap;
    internal override long? Size => Count;

    /// <summary>Null when there is no such key.</summary>
    public abstract CelValue? Find(CelValue key);

    public static MapValue Of(IEnumerable<KeyValuePair<CelValue, CelValue>> entries) => new EntryMap(entries);
}

internal sealed class EntryMap : MapValue
{
    private readonly Dictionary<CelValue, CelValue> _values = new(KeyComparer.Instance);
    private readonly List<CelValue> _keys = [];

    public EntryMap(IEnumerable<KeyValuePair<CelValue, CelValue>> entries)
    {
        foreach (var (key, value) in entries)
        {
            if (_values.TryAdd(key, value))
                _keys.Add(key);
        }
    }

    public static EntryMap Empty { get; } = new([]);
    public override int Count => _keys.Count;
    public override IEnumerable<CelValue> Keys => _keys;
    public override CelValue? Find(CelValue key) => _values.GetValueOrDefault(key);
}

/// <summary>Something with fields. <c>has()</c> asks <see cref="Has"/>, selection <see cref="Field"/>.</summary>
public abstract class ObjectValue : CelValue
{
    /// <summary>Null when the field is not set.</summary>
    public abstract CelValue? Field(string name);

    public virtual bool Has(string name) => Field(name) is not null;

    /// <summary>The fields that are set, as expressions spell them, sorted.</summary>
    public abstract IEnumerable<string> FieldNames { get; }
    internal override long? Size => FieldNames.Count();

    internal virtual bool IsEqualTo(ObjectValue other, ref int steps)
    {
        var names = FieldNames.ToList();
        if (!names.SequenceEqual(other.FieldNames, StringComparer.Ordinal))
            return false;
        foreach (var name in names)
        {
            if (Field(name) is not { } a || other.Field(name) is not { } b || !CelEquality.AreEqual(a, b, ref steps))
                return false;
        }
        return true;
    }
}
