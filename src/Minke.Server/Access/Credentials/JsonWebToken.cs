using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Minke.Server.Access.Credentials;

/// <summary>A JSON web token (RFC 7519) in three parts; nothing of it is believed before <see cref="IsSignedBy"/>.</summary>
internal sealed class JsonWebToken
{
    private readonly byte[] _signed;
    private readonly byte[] _signature;

    private JsonWebToken(byte[] signed, byte[] signature, string algorithm, string keyId, JsonElement claims) =>
        (_signed, _signature, Algorithm, KeyId, Claims) = (signed, signature, algorithm, keyId, claims);

    public string Algorithm { get; }

    /// <summary>Which key is said to have signed it; may be empty.</summary>
    public string KeyId { get; }

    public JsonElement Claims { get; }

    /// <summary>Null when it has not the form of one.</summary>
    public static JsonWebToken? TryParse(string token)
    {
        if (token.Split('.') is not [var header, var claims, var signature])
            return null;
        try
        {
            using var head = JsonDocument.Parse(Decode(header));
            using var body = JsonDocument.Parse(Decode(claims));
            if (head.RootElement.ValueKind != JsonValueKind.Object || body.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            // Names that are no text would be found out only when somebody looks for another.
            foreach (var claim in body.RootElement.EnumerateObject())
                _ = claim.Name;
            return new(
                Encoding.ASCII.GetBytes(token[..token.LastIndexOf('.')]), Decode(signature),
                Text(head.RootElement, "alg") ?? "", Text(head.RootElement, "kid") ?? "", body.RootElement.Clone());
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Neither padding nor white space belongs into a part. (RFC 7515, section 2)</summary>
    private static byte[] Decode(string part) =>
        part.AsSpan().IndexOfAny(NotInPart) < 0 ? Base64Url.DecodeFromChars(part) : throw new FormatException("not base64url");

    private static readonly SearchValues<char> NotInPart = SearchValues.Create("= \t\r\n");

    public static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? TextOf(value) : null;

    /// <summary>One text or a list of them; null when it is neither.</summary>
    public static IReadOnlyList<string>? Texts(JsonElement element, string name)
    {
        if (!element.TryGetProperty(name, out var value))
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            return TextOf(value) is { } one ? [one] : null;
        var texts = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            if (TextOf(item) is not { } text)
                return null;
            texts.Add(text);
        }
        return texts;
    }

    private static string? TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // Halves of characters: JSON lets them pass, text does not.
        }
    }

    /// <summary>Seconds since 1970, which some issuers give a fraction.</summary>
    public double? Seconds(string claim) =>
        Claims.TryGetProperty(claim, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    /// <summary>The key's kind must suit the algorithm, so a token cannot talk a key into another.</summary>
    public bool IsSignedBy(AsymmetricAlgorithm key)
    {
        var hash = Algorithm.Length != 5 ? default : Algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            "512" => HashAlgorithmName.SHA512,
            _ => default,
        };
        if (hash == default)
            return false;
        return (Algorithm[..2], key) switch
        {
            ("ES", ECDsa ecdsa) => ecdsa.VerifyData(_signed, _signature, hash),
            ("RS", RSA rsa) => rsa.VerifyData(_signed, _signature, hash, RSASignaturePadding.Pkcs1),
            ("PS", RSA rsa) => rsa.VerifyData(_signed, _signature, hash, RSASignaturePadding.Pss),
            _ => false,
        };
    }
}
