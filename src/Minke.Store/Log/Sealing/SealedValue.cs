using System.Security.Cryptography;
using System.Text;

namespace Minke.Store.Log.Sealing;

/// <summary>
/// A value as it lies on disk: <c>k8s:enc:aesgcm:v1:ID:</c>, a nonce of 12 bytes, the bytes under AES-256-GCM, a tag of 16. The entry's
/// key is authenticated with it, so a value moved to another key does not open.
/// </summary>
internal static class SealedValue
{
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    private static ReadOnlySpan<byte> Prefix => "k8s:enc:aesgcm:v1:"u8;

    public static bool IsSealed(ReadOnlySpan<byte> stored) => stored.StartsWith(Prefix);

    public static byte[] Seal(string key, ReadOnlySpan<byte> value, SealingKeys keys)
    {
        var id = Encoding.ASCII.GetBytes(keys.ActiveId);
        var start = Prefix.Length + id.Length + 1;
        var result = new byte[start + NonceBytes + value.Length + TagBytes];
        Prefix.CopyTo(result);
        id.CopyTo(result, Prefix.Length);
        result[start - 1] = (byte)':';
        var nonce = result.AsSpan(start, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var cipher = new AesGcm(keys.Active, TagBytes);
        cipher.Encrypt(nonce, value, result.AsSpan(start + NonceBytes, value.Length), result.AsSpan(result.Length - TagBytes), Encoding.UTF8.GetBytes(key));
        return result;
    }

    /// <summary>The value; null when it is not sealed at all.</summary>
    /// <param name="key">The entry's.</param>
    /// <param name="stored">As it lies on disk.</param>
    /// <param name="keys">One of which opens it.</param>
    /// <param name="isCurrent">Whether the key that seals now has sealed it.</param>
    /// <exception cref="StoreCorruptException">The key is not there, or does not open it.</exception>
    public static byte[]? Open(string key, ReadOnlySpan<byte> stored, SealingKeys keys, out bool isCurrent)
    {
        isCurrent = false;
        if (!IsSealed(stored))
            return null;
        var rest = stored[Prefix.Length..];
        var colon = rest.IndexOf((byte)':');
        if (colon < 0 || rest.Length < colon + 1 + NonceBytes + TagBytes)
            throw new StoreCorruptException($"{key} is cut off: restore a copy of the state");
        var id = rest[..colon];
        if (keys.Find(id) is not { } secret)
            throw new StoreCorruptException($"{key} is sealed with the key {Encoding.ASCII.GetString(id)}, which {keys.Path} does not hold: restore that file");
        isCurrent = ReferenceEquals(secret, keys.Active);
        rest = rest[(colon + 1)..];
        var value = new byte[rest.Length - NonceBytes - TagBytes];
        try
        {
            using var cipher = new AesGcm(secret, TagBytes);
            cipher.Decrypt(rest[..NonceBytes], rest[NonceBytes..^TagBytes], rest[^TagBytes..], value, Encoding.UTF8.GetBytes(key));
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new StoreCorruptException($"{key} does not open with its key: it was damaged or moved; restore a copy of the state");
        }
        return value;
    }
}
