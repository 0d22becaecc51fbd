namespace Minke.Server;

/// <summary>Which objects do not lie on the disk in plain, by the beginning of their keys in the store.</summary>
public static class SealedKinds
{
    public static IReadOnlyList<string> Prefixes { get; } = ["/secrets/"];
}
