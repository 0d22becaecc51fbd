using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Minke.Api;

/// <summary>An immutable map from text, sorted by key in ordinal order, as Kubernetes writes maps. Small and cheap to share.</summary>
[CollectionBuilder(typeof(ApiMap), nameof(ApiMap.Create))]
public readonly struct ApiMap<T> : IReadOnlyDictionary<string, T>
{
    // Sorted by key, no key twice; null for an absent map.
    private readonly KeyValuePair<string, T>[]? _entries;

    internal ApiMap(KeyValuePair<string, T>[]? sorted) => _entries = sorted;

    /// <summary>True when the map was absent or <c>null</c>; only fields that are never left out show the difference.</summary>
    public bool IsNull => _entries is null;
    public bool IsEmpty => _entries is null || _entries.Length == 0;
    public int Count => _entries?.Length ?? 0;
    public T this[string key] => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"no key \"{key}\"");
    public IEnumerable<string> Keys => (_entries ?? []).Select(entry => entry.Key);
    public IEnumerable<T> Values => (_entries ?? []).Select(entry => entry.Value);
    public bool ContainsKey(string key) => Find(key) >= 0;

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value)
    {
        var index = Find(key);
        value = index >= 0 ? _entries![index].Value : default;
        return index >= 0;
    }

    public T? GetValueOrDefault(string key) => TryGetValue(key, out var value) ? value : default;

    public ApiMap<T> With(string key, T value)
    {
        var index = Find(key);
        if (index >= 0)
        {
            var copy = (KeyValuePair<string, T>[])_entries!.Clone();
            copy[index] = new(key, value);
            return new(copy);
        }
        var entries = _entries ?? [];
        return new([.. entries[..~index], new(key, value), .. entries[~index..]]);
    }

    public ApiMap<T> Without(string key)
    {
        var index = Find(key);
        return index < 0 ? this : new([.. _entries![..index], .. _entries[(index + 1)..]]);
    }

    /// <summary>Each value changed; the same map when no value was.</summary>
    public ApiMap<T> Map(Func<T, T> change)
    {
        KeyValuePair<string, T>[]? changed = null;
        for (var i = 0; i < Count; i++)
        {
            var (key, value) = _entries![i];
            var next = change(value);
            if (changed is null && !EqualityComparer<T>.Default.Equals(next, value))
                changed = (KeyValuePair<string, T>[])_entries.Clone();
            if (changed is not null)
                changed[i] = new(key, next);
        }
        return changed is null ? this : new(changed);
    }

    internal bool IsSameInstance(ApiMap<T> other) => ReferenceEquals(_entries, other._entries);

    private int Find(string key)
    {
        int low = 0, high = Count - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var order = string.CompareOrdinal(_entries![middle].Key, key);
            if (order == 0)
                return middle;
            if (order < 0)
                low = middle + 1;
            else
                high = middle - 1;
        }
        return ~low;
    }

    public Enumerator GetEnumerator() => new(_entries ?? []);
    IEnumerator<KeyValuePair<string, T>> IEnumerable<KeyValuePair<string, T>>.GetEnumerator() =>
        ((IEnumerable<KeyValuePair<string, T>>)(_entries ?? [])).GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => (_entries ?? []).GetEnumerator();

    public static implicit operator ApiMap<T>(Dictionary<string, T> entries) => ApiMap.From(entries);

    /// <summary>Entries in order of their keys, without allocating.</summary>
    public struct Enumerator(KeyValuePair<string, T>[] entries)
    {
        private readonly KeyValuePair<string, T>[] _entries = entries;
        private int _index = -1;

        public readonly KeyValuePair<string, T> Current => _entries[_index];
        public bool MoveNext() => ++_index < _entries.Length;
    }
}

/// <summary>Makes maps: for collection expressions, and of any entries, which need not be sorted.</summary>
public static class ApiMap
{
    public static ApiMap<T> Create<T>(ReadOnlySpan<KeyValuePair<string, T>> entries) => Sorted(entries.ToArray());

    /// <summary>Later entries win over earlier ones of the same key.</summary>
    public static ApiMap<T> From<T>(IEnumerable<KeyValuePair<string, T>> entries) => Sorted([.. entries]);

    public static ApiMap<T> ToApiMap<T>(this IEnumerable<KeyValuePair<string, T>> entries) => From(entries);

    // UTF-16 ordinal and UTF-8 byte order differ only beyond the basic plane, where no Kubernetes key may be.
    private static ApiMap<T> Sorted<T>(KeyValuePair<string, T>[] entries)
    {
        var isSorted = true;
        for (var i = 1; i < entries.Length && isSorted; i++)
            isSorted = string.CompareOrdinal(entries[i - 1].Key, entries[i].Key) < 0;
        if (isSorted)
            return new(entries);

        var latest = new SortedDictionary<string, T>(StringComparer.Ordinal);
        foreach (var (key, value) in entries)
            latest[key] = value;
        return new([.. latest]);
    }
}
