using System.Runtime.InteropServices;

namespace Minke.Server.Apply;

/// <summary>
/// An immutable set of places in an object, as a tree of path elements. A parent is a member only when it is said to be: owning
/// <c>.metadata.labels.app</c> is not owning <c>.metadata.labels</c>.
/// </summary>
/// <remarks>Operations answer with the very operand where nothing changes, so that its encoded form can be kept.</remarks>
internal sealed class FieldSet
{
    /// <summary>A step below this set: itself a member, or with members below, or both; never neither.</summary>
    [StructLayout(LayoutKind.Auto)]
    public readonly record struct Node(PathElement Element, bool IsMember, FieldSet? Children);

    private readonly Node[] _nodes;

    private FieldSet(Node[] nodes) => _nodes = nodes;

    public static FieldSet Empty { get; } = new([]);

    public bool IsEmpty => _nodes.Length == 0;

    /// <summary>Its canonical form, once that has been made: see <see cref="FieldSetCache"/>.</summary>
    public Minke.Api.RawJson Encoded { get; set; }

    /// <summary>In canonical order.</summary>
    public ReadOnlySpan<Node> Nodes => _nodes;

    /// <summary>From steps in any order; equal ones are united. The list is used up.</summary>
    public static FieldSet Of(List<Node> nodes)
    {
        if (nodes.Count == 0)
            return Empty;
        var span = CollectionsMarshal.AsSpan(nodes);
        var isSorted = true;
        for (var i = 1; i < span.Length && isSorted; i++)
            isSorted = span[i - 1].Element.CompareTo(span[i].Element) < 0;
        if (isSorted)
            return new(span.ToArray());

        span.Sort(static (a, b) => a.Element.CompareTo(b.Element));
        var distinct = new List<Node>(span.Length);
        foreach (var node in span)
        {
            if (distinct.Count > 0 && distinct[^1] is var last && last.Element.CompareTo(node.Element) == 0)
                distinct[^1] = new(last.Element, last.IsMember || node.IsMember, Union(last.Children, node.Children));
            else
                distinct.Add(node);
        }
        return new([.. distinct]);
    }

    /// <summary>Of fields by name: <c>Of(["spec"], ["metadata", "labels"])</c>.</summary>
    public static FieldSet OfPaths(params ReadOnlySpan<string[]> paths)
    {
        var set = Empty;
        foreach (var path in paths)
            set = set.Union(OfPath([.. path.Select(PathElement.Field)]));
        return set;
    }

    public static FieldSet OfPath(ReadOnlySpan<PathElement> path)
    {
        var set = new FieldSet([new(path[^1], true, null)]);
        for (var i = path.Length - 2; i >= 0; i--)
            set = new([new(path[i], false, set)]);
        return set;
    }

    public bool Has(ReadOnlySpan<PathElement> path)
    {
        var set = this;
        for (var i = 0; i < path.Length; i++)
        {
            var index = set.Find(path[i]);
            if (index < 0)
                return false;
            if (i == path.Length - 1)
                return set._nodes[index].IsMember;
            if (set._nodes[index].Children is not { } children)
                return false;
            set = children;
        }
        return false;
    }

    /// <summary>The node of a step; <c>default</c> when there is none.</summary>
    public Node At(PathElement element) => Find(element) is >= 0 and var index ? _nodes[index] : default;

    public FieldSet Union(FieldSet other)
    {
        if (other.IsEmpty || ReferenceEquals(this, other))
            return this;
        if (IsEmpty)
            return other;
        var result = new List<Node>(_nodes.Length + other._nodes.Length);
        var isThis = true;
        int i = 0, j = 0;
        while (i < _nodes.Length || j < other._nodes.Length)
        {
            var order = i == _nodes.Length ? 1 : j == other._nodes.Length ? -1 : _nodes[i].Element.CompareTo(other._nodes[j].Element);
            if (order < 0)
            {
                result.Add(_nodes[i++]);
            }
            else if (order > 0)
            {
                isThis = false;
                result.Add(other._nodes[j++]);
            }
            else
            {
                var (a, b) = (_nodes[i++], other._nodes[j++]);
                var children = Union(a.Children, b.Children);
                isThis &= a.IsMember || !b.IsMember;
                isThis &= ReferenceEquals(children, a.Children);
                result.Add(new(a.Element, a.IsMember || b.IsMember, children));
            }
        }
        return isThis ? this : new([.. result]);
    }

    public FieldSet Intersection(FieldSet other)
    {
        var result = new List<Node>();
        int i = 0, j = 0;
        while (i < _nodes.Length && j < other._nodes.Length)
        {
            var order = _nodes[i].Element.CompareTo(other._nodes[j].Element);
            if (order == 0)
            {
                var (a, b) = (_nodes[i], other._nodes[j]);
                var children = a.Children is null || b.Children is null ? null : OrNull(a.Children.Intersection(b.Children));
                if (children is not null || (a.IsMember && b.IsMember))
                    result.Add(new(a.Element, a.IsMember && b.IsMember, children));
            }
            i += order <= 0 ? 1 : 0;
            j += order >= 0 ? 1 : 0;
        }
        return result.Count == 0 ? Empty : new([.. result]);
    }

    /// <summary>Without the members of the other set; members below a removed one stay.</summary>
    public FieldSet Difference(FieldSet other) => Difference(other, isRecursive: false);

    /// <summary>Without the members of the other set and all that is below them.</summary>
    public FieldSet RecursiveDifference(FieldSet other) => Difference(other, isRecursive: true);

    private FieldSet Difference(FieldSet other, bool isRecursive)
    {
        if (IsEmpty || other.IsEmpty)
            return this;
        List<Node>? result = null;
        int i = 0, j = 0;
        for (; i < _nodes.Length; i++)
        {
            while (j < other._nodes.Length && other._nodes[j].Element.CompareTo(_nodes[i].Element) < 0)
                j++;
            var node = _nodes[i];
            if (j < other._nodes.Length && other._nodes[j].Element.CompareTo(node.Element) == 0)
            {
                var without = other._nodes[j];
                var children = isRecursive && without.IsMember || node.Children is null ? null
                    : without.Children is null ? node.Children
                    : OrNull(node.Children.Difference(without.Children, isRecursive));
                var isMember = node.IsMember && !without.IsMember;
                if (isMember == node.IsMember && ReferenceEquals(children, node.Children))
                {
                    result?.Add(node);
                    continue;
                }
                result ??= [.. _nodes.AsSpan(0, i)];
                if (isMember || children is not null)
                    result.Add(new(node.Element, isMember, children));
                continue;
            }
            result?.Add(node);
        }
        return result is null ? this : result.Count == 0 ? Empty : new([.. result]);
    }

    /// <summary>With every field that a type names and this set goes through, as a member: how a struct is told from a map when pruning.</summary>
    public FieldSet WithNamedFields(TypeShape? shape)
    {
        var result = new Node[_nodes.Length];
        for (var i = 0; i < _nodes.Length; i++)
        {
            var node = _nodes[i];
            if (node.Children is null)
            {
                result[i] = node;
                continue;
            }
            var field = node.Element.IsField ? shape?.Map?.Fields.Find(node.Element.FieldName) : null;
            var below = node.Element.Kind switch
            {
                ElementKind.Field => field?.Shape ?? shape?.Map?.Element,
                ElementKind.Key => shape?.List?.Element,
                _ => null,
            };
            result[i] = new(node.Element, node.IsMember || field is not null, node.Children.WithNamedFields(below));
        }
        return IsEmpty ? this : new(result);
    }

    /// <summary>Every member's path: those of a level before those below it, as upstream counts them.</summary>
    public List<PathElement[]> Paths()
    {
        var paths = new List<PathElement[]>();
        Collect([], paths);
        return paths;
    }

    public bool SetEquals(FieldSet other)
    {
        if (_nodes.Length != other._nodes.Length)
            return false;
        for (var i = 0; i < _nodes.Length; i++)
        {
            var (a, b) = (_nodes[i], other._nodes[i]);
            if (!a.Element.Equals(b.Element) || a.IsMember != b.IsMember || a.Children is null != b.Children is null)
                return false;
            if (a.Children is not null && !a.Children.SetEquals(b.Children!))
                return false;
        }
        return true;
    }

    /// <summary>A path a line.</summary>
    public override string ToString() => string.Join('\n', Paths().Select(path => PathElement.ToText(path)));

    private void Collect(PathElement[] prefix, List<PathElement[]> paths)
    {
        foreach (var node in _nodes)
        {
            if (node.IsMember)
                paths.Add([.. prefix, node.Element]);
        }
        foreach (var node in _nodes)
            node.Children?.Collect([.. prefix, node.Element], paths);
    }

    private int Find(PathElement element)
    {
        int low = 0, high = _nodes.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var order = _nodes[middle].Element.CompareTo(element);
            if (order == 0)
                return middle;
            (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
        }
        return -1;
    }

    private static FieldSet? Union(FieldSet? a, FieldSet? b) => a is null ? b : b is null ? a : a.Union(b);

    private static FieldSet? OrNull(FieldSet set) => set.IsEmpty ? null : set;
}
