namespace Minke.Server.Apply;

/// <summary>
/// Collects a <see cref="FieldSet"/> while an object is walked: <see cref="Enter"/> a place, say whether it is a <see cref="Member"/>,
/// <see cref="Leave"/> it. Levels that nothing is found in cost nothing.
/// </summary>
internal sealed class FieldSetWriter
{
    private const int InitialDepth = 16;

    private PathElement[] _path = new PathElement[InitialDepth];
    private bool[] _isMember = new bool[InitialDepth];
    private List<FieldSet.Node>?[] _below = new List<FieldSet.Node>?[InitialDepth + 1];
    private int _depth;

    public void Enter(PathElement element)
    {
        if (_depth == _path.Length)
        {
            Array.Resize(ref _path, _depth * 2);
            Array.Resize(ref _isMember, _depth * 2);
            Array.Resize(ref _below, _depth * 2 + 1);
        }
        _path[_depth] = element;
        _isMember[_depth] = false;
        _depth++;
    }

    /// <summary>The whole object has no owner, so at its root this says nothing.</summary>
    public void Member()
    {
        if (_depth > 0)
            _isMember[_depth - 1] = true;
    }

    public void Leave()
    {
        var below = _below[_depth];
        _depth--;
        if (below is not { Count: > 0 } && !_isMember[_depth])
            return;
        var children = below is { Count: > 0 } ? FieldSet.Of(below) : null;
        below?.Clear();
        (_below[_depth] ??= []).Add(new(_path[_depth], _isMember[_depth], children));
    }

    public FieldSet Build() => _below[0] is { Count: > 0 } nodes ? FieldSet.Of(nodes) : FieldSet.Empty;
}
