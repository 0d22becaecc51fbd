namespace Minke.Store.Memory;

/// <summary>
/// Entries in ordinal order of their keys: an immutable B+ tree. A change copies the nodes on one path and shares all others with
/// the map it came from, so keeping an old map costs only what has changed since.
/// </summary>
/// <remarks>
/// Invariants: keys are unique and ascending; all leaves are equally deep; every node but the root holds at least
/// <see cref="MinWidth"/> and at most <see cref="MaxWidth"/> items; a branch knows how many entries are below it, so counting a range
/// takes two descents.
/// </remarks>
internal sealed class EntryMap
{
    // 32 references fill four cache lines; 100 000 entries are four levels deep and one change copies about 1 KB.
    private const int MaxWidth = 32;
    private const int MinWidth = 8;

    private readonly Node _root;

    private EntryMap(Node root) => _root = root;

    public static EntryMap Empty { get; } = new(new Leaf([]));

    public int Count => _root.Count;

    public Entry? Get(string key)
    {
        var leaf = LeafFor(key);
        var at = leaf.IndexOf(key);
        return at >= 0 ? leaf.Items[at] : null;
    }

    /// <summary>The entry added, or put in the place of the one with its key.</summary>
    public EntryMap With(Entry entry)
    {
        var (left, right) = _root.With(entry);
        return new(right is null ? left : new Branch([left, right]));
    }

    /// <summary>The same map when there is no such key.</summary>
    public EntryMap Without(string key)
    {
        var root = _root.Without(key);
        if (ReferenceEquals(root, _root))
            return this;
        return new(root is Branch { Children: [var only] } ? only : root);
    }

    /// <summary>How many keys sort before <paramref name="key"/>, which need not be there.</summary>
    public int CountBefore(string key)
    {
        var before = 0;
        var node = _root;
        while (node is Branch branch)
        {
            var index = branch.IndexOf(key);
            for (var i = 0; i < index; i++)
                before += branch.Children[i].Count;
            node = branch.Children[index];
        }
        var at = ((Leaf)node).IndexOf(key);
        return before + (at < 0 ? ~at : at);
    }

    /// <summary>Entries in order, from the first key that is not before <paramref name="key"/>.</summary>
    public IEnumerable<Entry> From(string key)
    {
        var path = new Stack<(Branch Branch, int Index)>();
        var node = _root;
        while (node is Branch branch)
        {
            var index = branch.IndexOf(key);
            path.Push((branch, index));
            node = branch.Children[index];
        }
        var leaf = (Leaf)node;
        var at = leaf.IndexOf(key);
        at = at < 0 ? ~at : at;
        while (true)
        {
            for (; at < leaf.Items.Length; at++)
                yield return leaf.Items[at];
            if (NextLeaf(path) is not { } next)
                yield break;
            (leaf, at) = (next, 0);
        }
    }

    /// <summary>A map of many entries at once. They must be ascending and unique.</summary>
    public static EntryMap FromSorted(ReadOnlySpan<Entry> entries)
    {
        if (entries.Length == 0)
            return Empty;
        // Three quarters full: the first inserts after a load should not split every leaf they meet.
        var level = new List<Node>();
        foreach (var range in Cut(entries.Length))
            level.Add(new Leaf(entries[range].ToArray()));
        while (level.Count > 1)
        {
            var above = new List<Node>();
            foreach (var range in Cut(level.Count))
                above.Add(new Branch([.. level[range]]));
            level = above;
        }
        return new(level[0]);

        static IEnumerable<Range> Cut(int count)
        {
            var pieces = (count + (MaxWidth * 3 / 4) - 1) / (MaxWidth * 3 / 4);
            for (var i = 0; i < pieces; i++)
                yield return (int)((long)count * i / pieces)..(int)((long)count * (i + 1) / pieces);
        }
    }

    private Leaf LeafFor(string key)
    {
        var node = _root;
        while (node is Branch branch)
            node = branch.Children[branch.IndexOf(key)];
        return (Leaf)node;
    }

    private static Leaf? NextLeaf(Stack<(Branch Branch, int Index)> path)
    {
        while (path.TryPop(out var step))
        {
            if (step.Index + 1 == step.Branch.Children.Length)
                continue;
            path.Push((step.Branch, step.Index + 1));
            var node = step.Branch.Children[step.Index + 1];
            while (node is Branch branch)
            {
                path.Push((branch, 0));
                node = branch.Children[0];
            }
            return (Leaf)node;
        }
        return null;
    }

    private abstract class Node
    {
        public abstract int Count { get; }
        public abstract int Width { get; }
        public abstract string FirstKey { get; }

        /// <summary>One node, or two when it had to be split.</summary>
        public abstract (Node Left, Node? Right) With(Entry entry);

        /// <summary>This node when there is no such key; otherwise one that may be too narrow.</summary>
        public abstract Node Without(string key);

        /// <summary>The items of two neighbours of one kind, in one node where they fit, else in two of equal width.</summary>
        public static (Node Left, Node? Right) Join(Node left, Node right) => (left, right) switch
        {
            (Leaf a, Leaf b) => Leaf.Fit([.. a.Items, .. b.Items]),
            _ => Branch.Fit([.. ((Branch)left).Children, .. ((Branch)right).Children]),
        };
    }

    private sealed class Leaf(Entry[] items) : Node
    {
        public Entry[] Items { get; } = items;
        public override int Count => Items.Length;
        public override int Width => Items.Length;
        public override string FirstKey => Items[0].Key;

        /// <summary>Where the key is, or the complement of where it would be.</summary>
        public int IndexOf(string key)
        {
            var (low, high) = (0, Items.Length - 1);
            while (low <= high)
            {
                var middle = (low + high) >>> 1;
                var order = string.CompareOrdinal(Items[middle].Key, key);
                if (order == 0)
                    return middle;
                if (order < 0)
                    low = middle + 1;
                else
                    high = middle - 1;
            }
            return ~low;
        }

        public override (Node Left, Node? Right) With(Entry entry)
        {
            var at = IndexOf(entry.Key);
            if (at < 0)
                return Fit([.. Items[..~at], entry, .. Items[~at..]]);
            Entry[] items = [.. Items];
            items[at] = entry;
            return (new Leaf(items), null);
        }

        public override Node Without(string key)
        {
            var at = IndexOf(key);
            return at < 0 ? this : new Leaf([.. Items[..at], .. Items[(at + 1)..]]);
        }

        public static (Node Left, Node? Right) Fit(Entry[] items) => items.Length <= MaxWidth
            ? (new Leaf(items), null)
            : (new Leaf(items[..(items.Length / 2)]), new Leaf(items[(items.Length / 2)..]));
    }

    private sealed class Branch : Node
    {
        // Beside the children, so that a search touches one array and the keys.
        private readonly string[] _firstKeys;

        public Branch(Node[] children)
        {
            Children = children;
            _firstKeys = new string[children.Length];
            for (var i = 0; i < children.Length; i++)
            {
                _firstKeys[i] = children[i].FirstKey;
                Count += children[i].Count;
            }
        }

        public Node[] Children { get; }
        public override int Count { get; }
        public override int Width => Children.Length;
        public override string FirstKey => _firstKeys[0];

        /// <summary>The child the key is in, or would be in.</summary>
        public int IndexOf(string key)
        {
            var (low, high) = (1, _firstKeys.Length - 1);
            while (low <= high)
            {
                var middle = (low + high) >>> 1;
                if (string.CompareOrdinal(_firstKeys[middle], key) <= 0)
                    low = middle + 1;
                else
                    high = middle - 1;
            }
            return low - 1;
        }

        public override (Node Left, Node? Right) With(Entry entry)
        {
            var index = IndexOf(entry.Key);
            var (left, right) = Children[index].With(entry);
            return Fit(right is null ? Replaced(index, 1, left) : Replaced(index, 1, left, right));
        }

        public override Node Without(string key)
        {
            var index = IndexOf(key);
            var child = Children[index].Without(key);
            if (ReferenceEquals(child, Children[index]))
                return this;
            if (child.Width >= MinWidth)
                return new Branch(Replaced(index, 1, child));
            var first = index > 0 ? index - 1 : index;
            var (left, right) = index > 0 ? Join(Children[index - 1], child) : Join(child, Children[index + 1]);
            return new Branch(right is null ? Replaced(first, 2, left) : Replaced(first, 2, left, right));
        }

        public static (Node Left, Node? Right) Fit(Node[] children) => children.Length <= MaxWidth
            ? (new Branch(children), null)
            : (new Branch(children[..(children.Length / 2)]), new Branch(children[(children.Length / 2)..]));

        private Node[] Replaced(int index, int count, params ReadOnlySpan<Node> with) =>
            [.. Children.AsSpan(0, index), .. with, .. Children.AsSpan(index + count)];
    }
}
