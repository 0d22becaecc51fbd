namespace Minke.Server.Apply;

/// <summary>
/// Collects one or more <see cref="FieldSet"/>s while an object is walked: <see cref="Enter"/> a place, say of which sets it is a
/// <see cref="Member"/>, <see cref="Leave"/> it. Levels that nothing is found in cost nothing.
/// </summary>
/// <param name="sets">How many sets are collected; the first is number 0.</param>
internal sealed class FieldSetWriter(int sets = 1)
{
    private const int InitialDepth = 12;

    // Enough for the fields of most structs without growing.
    private const int InitialNodes = 12;

    private PathElement[] _path = new PathElement[InitialDepth];
    private byte[] _memberOf = new byte[InitialDepth]; // a bit a set
    private List<FieldSet.Node>?[] _below = new List<FieldSet.Node>?[(InitialDepth + 1) * sets];
    private int _depth;

    public void Enter(PathElement element)
    {
        if (_depth == _path.Length)
        {
            Array.Resize(ref _path, _depth * 2);
            Array.Resize(ref _memberOf, _depth * 2);
            Array.Resize(ref _below, (_depth * 2 + 1) * sets);
        }
        _path[_depth] = element;
        _memberOf[_depth] = 0;
        _depth++;
    }

    /// <summary>The whole object has no owner, so at its root this says nothing.</summary>
    public void Member(int set = 0)
    {
        if (_depth > 0)
            _memberOf[_depth - 1] |= (byte)(1 << set);
    }

    public void Leave()
    {
        _depth--;
        for (var set = 0; set < sets; set++)
        {
            var below = _below[(_depth + 1) * sets + set];
            var isMember = (_memberOf[_depth] & (1 << set)) != 0;
            if (below is not { Count: > 0 } && !isMember)
                continue;
            var children = below is { Count: > 0 } ? FieldSet.Of(below) : null;
            below?.Clear();
            (_below[_depth * sets + set] ??= new(InitialNodes)).Add(new(_path[_depth], isMember, children));
        }
    }

    public FieldSet Build(int set = 0) => _below[set] is { Count: > 0 } nodes ? FieldSet.Of(nodes) : FieldSet.Empty;
}
