using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.CustomResources;

/// <summary>
/// A CustomResourceDefinition as it is served: its versions, and how objects come from and go to the store. Made anew whenever the
/// spec or the accepted names change; then the old one retires, and watches of it end.
/// </summary>
internal sealed class CustomDefinition : IDisposable
{
    private readonly CancellationTokenSource _retired = new();
    private readonly Dictionary<string, CustomVersion> _versions;
    private readonly ConversionWebhook? _webhook;
    private readonly CustomVersion _storage;
    private readonly Lazy<CustomResourceDefinition> _whole;

    /// <param name="source">What was asked for; it may leave schemas out.</param>
    /// <param name="whole">The same with its schemas, read when they are needed.</param>
    /// <param name="webhook">Makes the client of its conversion webhook, when it has one.</param>
    public CustomDefinition(CustomResourceDefinition source, Func<CustomResourceDefinition> whole, Func<CustomResourceDefinition, ConversionWebhook> webhook)
    {
        _whole = new(whole);
        Source = source;
        Retired = _retired.Token;
        Names = NamesOf(source);
        _versions = source.Spec.Versions.ToDictionary(version => version.Name, version => new CustomVersion(this, version), StringComparer.Ordinal);
        _storage = _versions[source.Spec.Versions.First(version => version.Storage).Name];
        _webhook = source.Spec.Conversion?.Strategy == "Webhook" ? webhook(source) : null;
        Resources = [.. source.Spec.Versions.Where(version => version.Served).Select(version => ResourceOf(_versions[version.Name]))];
        Storage = ResourceOf(_storage);
    }

    /// <summary>Without schemas, perhaps.</summary>
    public CustomResourceDefinition Source { get; }

    /// <summary>Null for a version without one.</summary>
    public JSONSchemaProps? SchemaOf(string version) => _whole.Value.Spec.Versions.FirstOrDefault(other => other.Name == version)?.Schema?.OpenAPIV3Schema;
    public string Name => Source.Metadata.Name;
    public string Group => Source.Spec.Group;
    public bool IsNamespaced => Source.Spec.Scope == ResourceScope.Namespaced;
    public CustomResourceDefinitionNames Names { get; }

    /// <summary>One for each served version.</summary>
    public IReadOnlyList<Resource> Resources { get; }

    /// <summary>Of the storage version, served or not: what cleans up reads without converting.</summary>
    public Resource Storage { get; }

    /// <summary>On its way out: nothing is created any more.</summary>
    public bool IsTerminating { get; set; }

    /// <summary>Cancelled when another takes its place, or none.</summary>
    public CancellationToken Retired { get; }

    /// <summary>Retires it. Requests under way may still convert: the webhook's connections close when they have been idle.</summary>
    public void Dispose()
    {
        _retired.Cancel();
        _retired.Dispose();
    }

    /// <summary>Whether another state of the definition is served just the same.</summary>
    public bool Serves(CustomResourceDefinition other) =>
        other.Metadata.Uid == Source.Metadata.Uid && Json.Same(other.Spec, _whole.Value.Spec) && Json.Same(NamesOf(other), Names);

    private static CustomResourceDefinitionNames NamesOf(CustomResourceDefinition definition)
    {
        var (accepted, asked) = (definition.Status.AcceptedNames, definition.Spec.Names);
        var names = accepted.Plural.Length > 0 ? accepted : asked;
        return names with
        {
            Singular = names.Singular.Length > 0 ? names.Singular : names.Kind.ToLowerInvariant(),
            ListKind = names.ListKind.Length > 0 ? names.ListKind : names.Kind + "List",
        };
    }

    private Resource ResourceOf(CustomVersion version) => new()
    {
        Kind = version.Kind,
        Behavior = new CustomBehavior(version),
        StorageKind = _storage.Kind,
        DecodeStored = Decode,
        Prefix = $"/{Names.Plural}.{Group}/",
        AllowsUnconditionalUpdate = false,
        Custom = version,
        Conversion = new(stored => FromStored(version, (CustomObject)stored), served => ToStored((CustomObject)served))
        {
            IsServedAsStored = entry => StoredObject.Fingerprint(entry) == version.Fingerprint,
            PrepareAsync = _webhook is null ? null : (entries, cancellationToken) => PrepareAsync(version, entries, cancellationToken),
            ToStoredAsync = _webhook is null || ReferenceEquals(version, _storage) ? null : async (served, cancellationToken) =>
                _storage.Fit((await _webhook.ConvertAsync([(CustomObject)served], _storage, cancellationToken))[0]),
        },
    };

    /// <summary>As it lies in the store, in whatever version it was written.</summary>
    private IKubeObject Decode(Entry entry)
    {
        var (apiVersion, metadata, members) = CustomJson.Read(StoredObject.Json(entry));
        var version = _versions.GetValueOrDefault(apiVersion[(apiVersion.IndexOf('/', StringComparison.Ordinal) + 1)..]) ?? _storage;
        return new CustomObject(version.Kind, metadata with { ResourceVersion = entry.Modified.ToString() }, members, StoredObject.Fingerprint(entry));
    }

    private CustomObject FromStored(CustomVersion version, CustomObject stored)
    {
        if (stored.Fingerprint == version.Fingerprint)
            return stored;
        if (stored.In(version) is { } known)
            return known;
        if (IsForWebhook(stored, version))
            throw StatusException.InternalError($"an object of {stored.ApiVersion} was read as {version.Kind.ApiVersion} without a conversion");
        return stored.Remember(version, version.Fit(InItsOwnVersion(stored, version)));
    }

    /// <summary>An object that is not stored (yet), in another version.</summary>
    public async Task<CustomObject> ConvertAsync(CustomObject value, CustomVersion target, CancellationToken cancellationToken) =>
        value.Info.Version == target.Kind.Version ? value
        : target.Fit(_webhook is null ? value : (await _webhook.ConvertAsync([value], target, cancellationToken))[0]);

    private CustomObject ToStored(CustomObject served) => served.Fingerprint == _storage.Fingerprint ? served : _storage.Fit(served);

    private async Task PrepareAsync(CustomVersion version, IReadOnlyList<Entry> entries, CancellationToken cancellationToken)
    {
        var asked = new List<CustomObject>();
        foreach (var entry in entries)
        {
            var stored = (CustomObject)entry.Decoded(Decode);
            if (stored.Fingerprint != version.Fingerprint && IsForWebhook(stored, version) && stored.In(version) is null)
                asked.Add(stored);
        }
        if (asked.Count == 0)
            return;
        var converted = await _webhook!.ConvertAsync([.. asked.Select(stored => InItsOwnVersion(stored, version))], version, cancellationToken);
        for (var i = 0; i < converted.Length; i++)
            asked[i].Remember(version, version.Fit(converted[i]));
    }

    private bool IsForWebhook(CustomObject stored, CustomVersion version) => _webhook is not null && stored.Info.Version != version.Kind.Version;

    /// <summary>Defaults of the version it was stored in come before the conversion.</summary>
    private CustomObject InItsOwnVersion(CustomObject stored, CustomVersion target) =>
        _versions.TryGetValue(stored.Info.Version, out var own) && !ReferenceEquals(own, target) && own.Fingerprint != stored.Fingerprint ? own.Fit(stored) : stored;
}
