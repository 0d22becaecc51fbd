using System.Text;
using System.Text.Json;

namespace Minke.Api;

/// <summary>Any JSON value, kept as its bytes. (runtime.RawExtension, metav1.FieldsV1, apiextensions JSON)</summary>
public readonly struct RawJson : IEquatable<RawJson>
{
    private readonly byte[]? _utf8;

    public RawJson(byte[] utf8) => _utf8 = utf8;

    public RawJson(string json) => _utf8 = Encoding.UTF8.GetBytes(json);

    /// <summary>True for no value, written as <c>null</c>.</summary>
    public bool IsNull => _utf8 is null;
    public ReadOnlySpan<byte> Utf8 => _utf8;

    public override string ToString() => _utf8 is null ? "null" : Encoding.UTF8.GetString(_utf8);
    public bool Equals(RawJson other) => Utf8.SequenceEqual(other.Utf8);
    public override bool Equals(object? obj) => obj is RawJson other && Equals(other);
    public override int GetHashCode() => _utf8?.Length ?? 0;
    public static bool operator ==(RawJson a, RawJson b) => a.Equals(b);
    public static bool operator !=(RawJson a, RawJson b) => !a.Equals(b);

    internal void WriteJson(Utf8JsonWriter writer)
    {
        if (_utf8 is null || _utf8.Length == 0)
            writer.WriteNullValue();
        else
            writer.WriteRawValue(_utf8, skipInputValidation: true);
    }
}
