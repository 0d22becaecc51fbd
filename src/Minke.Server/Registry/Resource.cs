using Minke.Api;
using Minke.Server.CustomResources;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>One resource as it is served: a kind of one group-version, where it is stored and what it allows.</summary>
internal sealed class Resource
{
    public required KindInfo Kind { get; init; }
    public required KindBehavior Behavior { get; init; }

    /// <summary>The kind whose JSON is stored: another one where two group-versions share their objects.</summary>
    public required KindInfo StorageKind { get; init; }

    /// <summary>Made once, so that reading a cached object allocates nothing.</summary>
    public required Func<Entry, IKubeObject> DecodeStored { get; init; }

    /// <summary>Of every key: <c>/pods/</c>, <c>/leases.coordination.k8s.io/</c>.</summary>
    public required string Prefix { get; init; }

    /// <summary>From and to the stored kind; null where they are the same.</summary>
    public ObjectConversion? Conversion { get; init; }

    /// <summary>An update without a resourceVersion replaces whatever is there.</summary>
    public bool AllowsUnconditionalUpdate { get; init; } = true;

    /// <summary>PUT of a name that does not exist creates it.</summary>
    public bool AllowsCreateOnUpdate { get; init; }

    /// <summary>DELETE answers with the object rather than a Status.</summary>
    public bool ReturnsDeleted { get; init; }

    /// <summary>Not stored: every request is answered by its own code.</summary>
    public bool IsVirtual { get; init; }

    /// <summary>The version of a CustomResourceDefinition that this is; null for kinds that are built in.</summary>
    public CustomVersion? Custom { get; init; }

    public bool IsNamespaced => Kind.IsNamespaced;

    public string Key(string @namespace, string name) => IsNamespaced ? string.Concat(Prefix, @namespace, "/", name) : Prefix + name;

    /// <summary>Whether the stored JSON is what is served.</summary>
    public bool ServesAsStored(Entry entry) => Conversion is null || Conversion.IsServedAsStored(entry);

    /// <summary>Of a list: one namespace, or all when empty.</summary>
    public string ListPrefix(string @namespace) => IsNamespaced && @namespace.Length > 0 ? string.Concat(Prefix, @namespace, "/") : Prefix;

    public override string ToString() => Kind.ToString();
}

internal sealed record ObjectConversion(Func<IKubeObject, IKubeObject> FromStored, Func<IKubeObject, IKubeObject> ToStored)
{
    /// <summary>Whether there is nothing to convert: the bytes can be sent as they are.</summary>
    public Func<Entry, bool> IsServedAsStored { get; init; } = static _ => false;

    /// <summary>Set where somebody else converts: asks for all entries that are about to be read, before they are.</summary>
    public Func<IReadOnlyList<Entry>, CancellationToken, Task>? PrepareAsync { get; init; }

    /// <summary>Set where somebody else converts; instead of <see cref="ToStored"/>.</summary>
    public Func<IKubeObject, CancellationToken, Task<IKubeObject>>? ToStoredAsync { get; init; }
}
