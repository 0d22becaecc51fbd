using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Minke.Node.Images;

/// <summary>The name of some bytes: an algorithm and their hash (OCI image spec, "Digests"). Only verifiable algorithms exist here.</summary>
public readonly record struct Digest
{
    private Digest(string algorithm, string hex) => (Algorithm, Hex) = (algorithm, hex);

    /// <summary><c>sha256</c>, <c>sha384</c> or <c>sha512</c>.</summary>
    public string Algorithm { get; }

    /// <summary>Lower case hexadecimal digits.</summary>
    public string Hex { get; }

    public static Digest OfSha256(ReadOnlySpan<byte> data) => new("sha256", Convert.ToHexStringLower(SHA256.HashData(data)));

    public static bool TryParse([NotNullWhen(true)] string? text, out Digest digest) => TryParse(text, out digest, out _);

    /// <summary>Parses <c>algorithm:hex</c>; <paramref name="error"/> has the words of upstream's digest package.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Digest digest, out string error)
    {
        digest = default;
        var colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        error = "invalid checksum digest format";
        if (colon <= 0 || colon == text!.Length - 1)
            return false;
        var algorithm = text[..colon];
        var hex = text[(colon + 1)..];
        var length = algorithm switch { "sha256" => 64, "sha384" => 96, "sha512" => 128, _ => 0 };
        if (length == 0)
        {
            error = "unsupported digest algorithm";
            return false;
        }
        if (hex.Length != length)
        {
            error = "invalid checksum digest length";
            return false;
        }
        foreach (var c in hex)
            if (c is not ((>= '0' and <= '9') or (>= 'a' and <= 'f')))
                return false;
        digest = new Digest(algorithm, hex);
        error = "";
        return true;
    }

    /// <exception cref="InvalidDataException">Not a digest; the message says why and shows it.</exception>
    public static Digest Parse(string? text) => TryParse(text, out var digest, out var error)
        ? digest : throw new InvalidDataException($"{error}: \"{text}\"");

    internal IncrementalHash NewHash() => IncrementalHash.CreateHash(Algorithm switch
    {
        "sha384" => HashAlgorithmName.SHA384,
        "sha512" => HashAlgorithmName.SHA512,
        _ => HashAlgorithmName.SHA256,
    });

    internal bool Matches(ReadOnlySpan<byte> data)
    {
        using var hash = NewHash();
        hash.AppendData(data);
        return Hex == Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public override string ToString() => $"{Algorithm}:{Hex}";
}
