using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>
/// Sets by their encoded form. Objects of a kind that one program writes have the same few sets, so that most need neither be read nor
/// kept more than once.
/// </summary>
internal sealed class FieldSetCache
{
    // What a busy cluster uses at a time is far less; beyond it begins anew.
    private const int MaxSets = 1024;

    // One odd set of an odd object should not push out the others, nor stay in memory.
    private const int MaxEncodedBytes = 4096;

    private readonly Lock _gate = new(); // guards _sets
    private readonly Dictionary<RawJson, FieldSet> _sets = new(ContentComparer.Instance);

    /// <exception cref="FormatException">Not a set.</exception>
    public FieldSet Read(RawJson encoded)
    {
        if (encoded.IsNull)
            return FieldSet.Empty;
        lock (_gate)
        {
            if (_sets.TryGetValue(encoded, out var known))
                return known;
        }
        var set = FieldsV1.Read(encoded);
        // Only the canonical form may stand for the set: a client may have written it in another.
        return FieldsV1.Write(set) == encoded ? Keep(set, encoded) : set;
    }

    /// <summary>The encoded form of a set, one for all sets with the same members.</summary>
    public RawJson Write(FieldSet set)
    {
        if (set.Encoded.IsNull)
            Keep(set, FieldsV1.Write(set));
        return set.Encoded;
    }

    private FieldSet Keep(FieldSet set, RawJson encoded)
    {
        set.Encoded = encoded;
        if (encoded.Utf8.Length > MaxEncodedBytes)
            return set;
        lock (_gate)
        {
            if (_sets.TryGetValue(encoded, out var known))
            {
                set.Encoded = known.Encoded;
                return known;
            }
            if (_sets.Count == MaxSets)
                _sets.Clear();
            _sets.Add(encoded, set);
        }
        return set;
    }

    private sealed class ContentComparer : IEqualityComparer<RawJson>
    {
        public static ContentComparer Instance { get; } = new();

        public bool Equals(RawJson a, RawJson b) => a == b;

        public int GetHashCode(RawJson value)
        {
            var hash = new HashCode();
            hash.AddBytes(value.Utf8);
            return hash.ToHashCode();
        }
    }
}
