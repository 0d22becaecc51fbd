using System.Collections;
using System.Runtime.CompilerServices;

namespace Minke.Api;

/// <summary>An immutable list of an API object. Keeps <c>null</c> apart from empty, as the wire does, and is safe to read either way.</summary>
[CollectionBuilder(typeof(ApiList), nameof(ApiList.Create))]
public readonly struct ApiList<T> : IReadOnlyList<T>
{
    private readonly T[]? _items;

    internal ApiList(T[]? items) => _items = items;

    /// <summary>True when the list was absent or <c>null</c>; only fields that are never left out show the difference.</summary>
    public bool IsNull => _items is null;
    public bool IsEmpty => _items is null || _items.Length == 0;
    public int Count => _items?.Length ?? 0;
    public T this[int index] => (_items ?? [])[index];
    public ReadOnlySpan<T> AsSpan() => _items;

    public ApiList<T> Add(T item) => new([.. _items ?? [], item]);

    public ApiList<T> Set(int index, T item)
    {
        var copy = (T[])_items!.Clone();
        copy[index] = item;
        return new(copy);
    }

    /// <summary>Without the items that match; null stays null.</summary>
    public ApiList<T> Without(Predicate<T> match) => _items is null ? this : new(Array.FindAll(_items, item => !match(item)));

    /// <summary>Each item changed; the same list when no item was. For reference types "changed" is by reference.</summary>
    public ApiList<T> Map(Func<T, T> change)
    {
        T[]? changed = null;
        for (var i = 0; i < Count; i++)
        {
            var item = change(_items![i]);
            if (changed is null && !EqualityComparer<T>.Default.Equals(item, _items[i]))
                changed = (T[])_items.Clone();
            changed?.SetValue(item, i);
        }
        return changed is null ? this : new(changed);
    }

    internal bool IsSameInstance(ApiList<T> other) => ReferenceEquals(_items, other._items);

    public Enumerator GetEnumerator() => new(_items ?? []);
    IEnumerator<T> IEnumerable<T>.GetEnumerator() => ((IEnumerable<T>)(_items ?? [])).GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => (_items ?? []).GetEnumerator();

    public static implicit operator ApiList<T>(T[]? items) => new(items);
    public static implicit operator ApiList<T>(List<T> items) => new([.. items]);

    public struct Enumerator(T[] items)
    {
        private readonly T[] _items = items;
        private int _index = -1;

        public readonly T Current => _items[_index];
        public bool MoveNext() => ++_index < _items.Length;
    }
}

/// <summary>Makes lists: for collection expressions, and of any sequence.</summary>
public static class ApiList
{
    public static ApiList<T> Create<T>(ReadOnlySpan<T> items) => new(items.ToArray());

    public static ApiList<T> ToApiList<T>(this IEnumerable<T> items) => new([.. items]);
}
