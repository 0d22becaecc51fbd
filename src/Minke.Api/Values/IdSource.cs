namespace Minke.Api;

/// <summary>
/// Where uids and generated names come from: a source of chance that was passed in, so a seeded run repeats its ids. Thread-safe.
/// </summary>
public sealed class IdSource(Random random)
{
    // No vowels and no look-alikes: a generated name never spells a word. (apimachinery/util/rand)
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";

    private readonly Lock _lock = new(); // guards random, which is not thread-safe

    /// <summary>A random uid, RFC 4122 version 4, in lower case.</summary>
    public string NewUid()
    {
        Span<byte> bytes = stackalloc byte[16];
        lock (_lock)
            random.NextBytes(bytes);
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true).ToString();
    }

    /// <summary>Characters that make a name unique: five are what <c>generateName</c> appends.</summary>
    public string NewSuffix(int length = 5)
    {
        Span<char> suffix = stackalloc char[length];
        lock (_lock)
        {
            for (var i = 0; i < suffix.Length; i++)
                suffix[i] = Alphabet[random.Next(Alphabet.Length)];
        }
        return new string(suffix);
    }

    /// <summary>At least 0 and less than 1: for spreading what would otherwise happen at once.</summary>
    public double NewFraction()
    {
        lock (_lock)
            return random.NextDouble();
    }
}
