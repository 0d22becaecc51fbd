using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace Minke.Server.Access.Credentials;

/// <summary>The public keys of a key set (RFC 7517): RSA, and the curves P-256, P-384 and P-521. Others, and those without numbers, are passed over.</summary>
internal static class JsonWebKeys
{
    /// <exception cref="FormatException">It is no key set.</exception>
    public static List<(string Id, AsymmetricAlgorithm Key)> Parse(ReadOnlyMemory<byte> json)
    {
        var keys = new List<(string, AsymmetricAlgorithm)>();
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("keys", out var list) || list.ValueKind != JsonValueKind.Array)
                throw new FormatException("a key set has a list of keys");
            foreach (var key in list.EnumerateArray())
            {
                if (key.ValueKind == JsonValueKind.Object && JsonWebToken.Text(key, "use") is null or "sig" && KeyOf(key) is { } known)
                    keys.Add((JsonWebToken.Text(key, "kid") ?? "", known));
            }
            return keys;
        }
        catch (Exception e) when (e is JsonException or CryptographicException or InvalidOperationException)
        {
            throw new FormatException($"a key set cannot be read: {e.Message}", e);
        }
    }

    private static AsymmetricAlgorithm? KeyOf(JsonElement key)
    {
        byte[] Number(string name) => Base64Url.DecodeFromChars(JsonWebToken.Text(key, name) ?? "");
        switch (JsonWebToken.Text(key, "kty"))
        {
            case "RSA" when Number("n").Length > 0 && Number("e").Length > 0:
                return RSA.Create(new RSAParameters { Modulus = Number("n"), Exponent = Number("e") });
            case "EC":
                var curve = JsonWebToken.Text(key, "crv") switch
                {
                    "P-256" => ECCurve.NamedCurves.nistP256,
                    "P-384" => ECCurve.NamedCurves.nistP384,
                    "P-521" => ECCurve.NamedCurves.nistP521,
                    _ => default,
                };
                return curve.IsNamed ? ECDsa.Create(new ECParameters { Curve = curve, Q = new() { X = Number("x"), Y = Number("y") } }) : null;
            default:
                return null;
        }
    }
}
