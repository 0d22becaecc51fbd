namespace Minke.Server.Apply;

/// <summary>An object's JSON in one version, indexed and with its type.</summary>
/// <param name="release">Called when it is no longer looked at.</param>
internal sealed class TypedObject(ReadOnlyMemory<byte> json, string apiVersion, TypeShape shape, Action? release = null) : IDisposable
{
    private readonly ValueTree _tree = ValueTree.Parse(json);
    private FieldSet? _fields;

    public ReadOnlyMemory<byte> Json => json;
    public string ApiVersion => apiVersion;
    public TypeShape Shape => shape;
    public Value Root => _tree.Root;
    public FieldSet Fields => _fields ??= TypedFields.Of(Root, shape);

    public TypedObject Merge(TypedObject config) => new(TypedMerge.Merge(Root, config.Root, shape), apiVersion, shape);

    public TypedObject Without(FieldSet fields) => new(TypedRemoval.Remove(Root, fields, shape), apiVersion, shape);

    public TypedComparison CompareTo(TypedObject @new) => TypedComparison.Of(Root, @new.Root, shape);

    public void Dispose()
    {
        _tree.Dispose();
        release?.Invoke();
    }
}

/// <summary>Objects of one kind in the versions it is served in.</summary>
internal interface IVersions
{
    /// <summary>Null when the version is not served: what was managed in it is forgotten.</summary>
    TypedObject? Convert(TypedObject value, string apiVersion);

    /// <summary>Fields that a write in this version and through this subresource cannot change.</summary>
    FieldSet Ignored(string apiVersion);
}
