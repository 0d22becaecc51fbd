using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>
/// A JSON document indexed once, to be walked and compared many times: a flat table of values in document order, each knowing where its
/// text stands and where the next value after it begins. Equal text of two values means equal values, so walking stops early.
/// </summary>
/// <remarks>Names and texts must be escaped as our own writer escapes: client documents are rewritten before they get here.</remarks>
internal sealed class ValueTree : IDisposable
{
    private readonly ReadOnlyMemory<byte> _json;
    private Entry[] _entries;
    private int _count;

    private ValueTree(ReadOnlyMemory<byte> json)
    {
        _json = json;
        _entries = ArrayPool<Entry>.Shared.Rent(Math.Max(16, json.Length / 10));
    }

    public Value Root => new(this, 0);

    /// <summary>Indexes a document; <c>metadata.managedFields</c> is left out, since nobody owns ownership.</summary>
    /// <exception cref="JsonException">Not JSON.</exception>
    public static ValueTree Parse(ReadOnlyMemory<byte> json)
    {
        var tree = new ValueTree(json);
        try
        {
            var reader = new Utf8JsonReader(json.Span, Json.ReaderOptions);
            reader.Read();
            tree.Read(ref reader, nameStart: -1, nameLength: 0, Place.Root);
            return tree;
        }
        catch
        {
            tree.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        ArrayPool<Entry>.Shared.Return(_entries);
        _entries = [];
        _count = 0;
    }

    private enum Place { Root, Metadata, Elsewhere }

    private void Read(ref Utf8JsonReader reader, int nameStart, int nameLength, Place place)
    {
        var index = _count++;
        if (index == _entries.Length)
            Grow();
        var type = reader.TokenType;
        var start = (int)reader.TokenStartIndex;
        var children = 0;
        if (type == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var childStart = (int)reader.TokenStartIndex + 1;
                var childLength = reader.ValueSpan.Length;
                var isMetadata = place == Place.Root && reader.ValueTextEquals("metadata"u8);
                var isHidden = place == Place.Metadata && reader.ValueTextEquals("managedFields"u8);
                reader.Read();
                if (isHidden)
                {
                    reader.Skip();
                    continue;
                }
                children++;
                Read(ref reader, childStart, childLength, isMetadata ? Place.Metadata : Place.Elsewhere);
            }
        }
        else if (type == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                children++;
                Read(ref reader, -1, 0, Place.Elsewhere);
            }
        }
        _entries[index] = new(start, (int)reader.BytesConsumed, _count, nameStart, nameLength, children, type);
    }

    private void Grow()
    {
        var larger = ArrayPool<Entry>.Shared.Rent(_entries.Length * 2);
        _entries.AsSpan().CopyTo(larger);
        ArrayPool<Entry>.Shared.Return(_entries);
        _entries = larger;
    }

    internal ref readonly Entry At(int index) => ref _entries[index];

    internal ReadOnlySpan<byte> Slice(int start, int length) => _json.Span.Slice(start, length);

    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Entry(int Start, int End, int Next, int NameStart, int NameLength, int Children, JsonTokenType Type);
}

/// <summary>One value of a <see cref="ValueTree"/>; <c>default</c> is no value, which is not the same as null.</summary>
internal readonly struct Value(ValueTree? tree, int index)
{
    public bool IsMissing => tree is null;
    public JsonTokenType Type => tree is null ? JsonTokenType.None : tree.At(index).Type;
    public bool IsNull => Type == JsonTokenType.Null;
    public bool IsObject => Type == JsonTokenType.StartObject;
    public bool IsArray => Type == JsonTokenType.StartArray;
    public bool IsNumber => Type == JsonTokenType.Number;
    public bool IsString => Type == JsonTokenType.String;
    public bool IsBool => Type is JsonTokenType.True or JsonTokenType.False;

    /// <summary>Members of an object, items of an array.</summary>
    public int Count => tree is null ? 0 : tree.At(index).Children;

    /// <summary>As it stands in the document.</summary>
    public ReadOnlySpan<byte> Raw => tree is null ? [] : tree.Slice(tree.At(index).Start, tree.At(index).End - tree.At(index).Start);

    /// <summary>Of an object's member, without quotes, escaped as in the document.</summary>
    public ReadOnlySpan<byte> RawName => tree!.Slice(tree.At(index).NameStart, tree.At(index).NameLength);

    public string Name => Unescape(RawName);

    /// <summary>Of a string.</summary>
    public string Text => Unescape(Raw[1..^1]);

    public Enumerator GetEnumerator() => new(tree, index);

    /// <summary>The member of this name; missing when there is none.</summary>
    public Value Member(ReadOnlySpan<byte> rawName)
    {
        if (!IsObject)
            return default;
        foreach (var member in this)
        {
            if (member.RawName.SequenceEqual(rawName))
                return member;
        }
        return default;
    }

    /// <summary>Equal as JSON: order of members does not matter, nor how a number is written.</summary>
    public bool SameAs(Value other)
    {
        if (Raw.SequenceEqual(other.Raw))
            return true;
        if (IsNumber && other.IsNumber)
            return Scalar.Of(this).CompareTo(Scalar.Of(other)) == 0;
        if (Type != other.Type || Count != other.Count)
            return false;
        if (IsObject)
        {
            foreach (var member in this)
            {
                var match = other.Member(member.RawName);
                if (match.IsMissing || !member.SameAs(match))
                    return false;
            }
            return true;
        }
        if (!IsArray)
            return false;
        var others = other.GetEnumerator();
        foreach (var item in this)
        {
            if (!others.MoveNext() || !item.SameAs(others.Current))
                return false;
        }
        return true;
    }

    internal static string Unescape(ReadOnlySpan<byte> raw)
    {
        if (!raw.Contains((byte)'\\'))
            return Encoding.UTF8.GetString(raw);
        var quoted = new byte[raw.Length + 2];
        quoted[0] = quoted[^1] = (byte)'"';
        raw.CopyTo(quoted.AsSpan(1));
        var reader = new Utf8JsonReader(quoted);
        reader.Read();
        return reader.GetString()!;
    }

    public struct Enumerator(ValueTree? tree, int parent)
    {
        private readonly int _end = tree is null ? 0 : tree.At(parent).Next;
        private int _index = -1;

        public readonly Value Current => new(tree, _index);

        public bool MoveNext()
        {
            _index = _index < 0 ? parent + 1 : tree!.At(_index).Next;
            return _index < _end;
        }
    }
}
