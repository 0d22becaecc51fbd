using System.Runtime.CompilerServices;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Apply;

/// <summary>
/// Keeps <c>metadata.managedFields</c>: every write goes through <see cref="Created"/>, <see cref="Updated"/> or <see cref="Apply"/>,
/// before admission and before the kind's own rules, so that nobody owns what the server fills in.
/// </summary>
internal sealed class FieldOwnership(ResourceCatalog catalog, TimeProvider clock)
{
    private const string BeforeFirstApply = "before-first-apply";

    private readonly ResourceCatalog _catalog = catalog;
    private readonly TypeShapes _shapes = new();
    private readonly FieldSetCache _sets = new();
    private readonly JsonScratch.Pool _scratches = new();
    private readonly ConditionalWeakTable<Resource, TypedObject> _empty = [];

    /// <summary>A new object, with its creator owning what it has.</summary>
    public IKubeObject Created(Resource resource, IKubeObject value, WriteContext context)
    {
        var sent = value.Metadata.ManagedFields;
        var managers = sent.IsEmpty ? [] : Managers.TryDecode(sent, _sets) ?? [];
        using var @new = Scratch(resource, value);
        OwnershipUpdate.Write(Empty(resource), @new, managers, Writer(resource, "", context.FieldManager), Versions(resource, ""));
        ManagerCap.Apply(managers);
        return WithManaged(value, Managers.Encode(managers, _sets));
    }

    /// <summary>A changed object, with its writer owning what it changed.</summary>
    /// <param name="old">As it is stored, with its JSON where that is at hand.</param>
    public IKubeObject Updated(Resource resource, string subresource, IKubeObject value, IKubeObject old, ReadOnlyMemory<byte> oldJson, WriteContext context)
    {
        var (managers, isUnchanged) = Before(value, old, subresource);
        // Who has no managers began before there were any, or has had them taken away: tracking starts with the first apply.
        if (managers.Count == 0)
            return WithManaged(value, default);
        using var before = oldJson.IsEmpty ? Scratch(resource, old) : new TypedObject(oldJson, resource.Kind.ApiVersion, ShapeOf(resource));
        using var after = Scratch(resource, value);
        var writer = Writer(resource, subresource, context.FieldManager);
        if (!OwnershipUpdate.Write(before, after, managers, writer, Versions(resource, subresource)) && isUnchanged)
            return WithManaged(value, old.Metadata.ManagedFields);
        ManagerCap.Apply(managers);
        return WithManaged(value, Managers.Encode(managers, _sets));
    }

    /// <summary>The object with a configuration applied; its managers are final.</summary>
    /// <param name="old">Null when there is none: what comes back is to be created.</param>
    /// <exception cref="StatusException">400, 409 with the conflicts, or 500 where upstream says so.</exception>
    public IKubeObject Apply(Resource resource, string subresource, IKubeObject? old, ApplyConfiguration config, WriteContext context)
    {
        config.CheckType(resource.Kind);
        var live = old is null ? Empty(resource) : Typed(resource, WithoutManaged(old));
        var versions = Versions(resource, subresource);
        var managers = DecodeOrFail(old);
        if (managers.Count == 0 && old is not null)
        {
            OwnershipUpdate.Write(Empty(resource), live, managers, Writer(resource, subresource, BeforeFirstApply), versions);
            ManagerCap.Apply(managers);
        }
        config.CheckNoManagedFields();
        using var patch = new TypedObject(config.Json, resource.Kind.ApiVersion, ShapeOf(resource));
        if (TypedValidation.Check(patch.Root, patch.Shape, allowDuplicates: false) is { } problem)
            throw Failed($"failed to create typed patch object ({config.Describe()}): {problem}");

        var applier = Writer(resource, subresource, context.FieldManager) with { Operation = Manager.Apply, Time = null };
        var (applied, conflicts) = Attempt(managers, config.Force);
        if (conflicts is not null && applier.Name == LastApplied.Kubectl && old is not null && LastApplied.Owned(old, live) is { } own)
        {
            conflicts = conflicts.Without(own);
            if (conflicts.Fields.IsEmpty)
                (applied, conflicts) = Attempt(managers, force: true);
        }
        if (conflicts is not null)
            throw conflicts.ToException();

        if (applied is not null)
        {
            var index = managers.FindIndex(manager => manager.IsSameAs(applier));
            if (index >= 0)
                managers[index] = managers[index] with { Time = Time.From(clock.GetUtcNow()) };
        }
        var value = applied is null ? old ?? Decode(resource, live, config) : Decode(resource, applied, config);
        if (applier.Name == LastApplied.Kubectl)
            value = LastApplied.Refresh(value, config.Document);
        return WithManaged(value, Managers.Encode(managers, _sets));

        (TypedObject? Applied, ApplyConflicts? Conflicts) Attempt(List<Manager> from, bool force)
        {
            var attempt = new List<Manager>(from);
            var outcome = OwnershipUpdate.Apply(live, patch, attempt, applier, force, versions);
            if (outcome.Conflicts is null)
                managers = attempt;
            return outcome;
        }
    }

    /// <summary>Who owns the replicas at this path of an object, and as which field of its Scale.</summary>
    public ScaleOwnership OfScale(IKubeObject parent, params string[] replicasPath) =>
        new(parent.Metadata.ManagedFields, parent.ApiVersion, FieldSet.OfPaths(replicasPath), _sets);

    /// <summary>The managers a write begins with: what it brings itself if that makes sense, else those of the stored object.</summary>
    private (List<Manager> Managers, bool IsUnchanged) Before(IKubeObject value, IKubeObject old, string subresource)
    {
        var (sent, stored) = (value.Metadata.ManagedFields, old.Metadata.ManagedFields);
        // A subresource's writer has no say over the object's managers, and most writers send back what they got.
        if (subresource.Length == 0 && sent.AsSpan() != stored.AsSpan() && !(Managers.SameButForTime(sent, stored) && SameTimes(sent, stored)))
        {
            if (Managers.IsReset(sent))
                return ([], false);
            if (!sent.IsEmpty && Managers.TryDecode(sent, _sets) is { Count: > 0 } managers)
                return (managers, false);
        }
        return (DecodeStored(stored), true);
    }

    /// <summary>Their sets are read only when a write touches them.</summary>
    private List<Manager> DecodeStored(ApiList<ManagedFieldsEntry> stored)
    {
        try
        {
            return Managers.Decode(stored, _sets);
        }
        catch (FormatException)
        {
            return [];
        }
    }

    private static bool SameTimes(ApiList<ManagedFieldsEntry> a, ApiList<ManagedFieldsEntry> b)
    {
        for (var i = 0; i < a.Count; i++)
        {
            if (a[i].Time != b[i].Time)
                return false;
        }
        return true;
    }

    private List<Manager> DecodeOrFail(IKubeObject? old)
    {
        try
        {
            return old is null ? [] : Managers.Decode(old.Metadata.ManagedFields, _sets);
        }
        catch (FormatException e)
        {
            throw Failed($"failed to decode managed fields: {e.Message}");
        }
    }

    private static IKubeObject Decode(Resource resource, TypedObject value, ApplyConfiguration config)
    {
        try
        {
            return ObjectDecoder.WithDefaults(resource, resource.Kind.ReadJson(value.Json.Span));
        }
        catch (JsonReadException e)
        {
            throw Failed($"failed to convert new object ({config.Describe()}) to proper version: "
                + $"unable to convert unstructured object to {ApplyConfiguration.Describe(resource.Kind)}: {e.Message}");
        }
    }

    private Manager Writer(Resource resource, string subresource, string name) => new()
    {
        Name = name.Length == 0 ? "unknown" : name,
        Operation = Manager.Update,
        ApiVersion = resource.Kind.ApiVersion,
        Subresource = subresource,
        Time = Time.From(clock.GetUtcNow()),
    };

    private TypeShape ShapeOf(Resource resource) => _shapes.OfKind(resource.Kind.Schema);

    private TypedObject Typed(Resource resource, IKubeObject value) => new(Json.Write(value), resource.Kind.ApiVersion, ShapeOf(resource));

    /// <summary>To be disposed of: its room is used again.</summary>
    private TypedObject Scratch(Resource resource, IKubeObject value)
    {
        var scratch = _scratches.Rent();
        return new(scratch.Write(WithoutManaged(value)), resource.Kind.ApiVersion, ShapeOf(resource), () => _scratches.Return(scratch));
    }

    /// <summary>What an object of the kind is before anybody has written a field of it.</summary>
    private TypedObject Empty(Resource resource) => _empty.GetValue(resource, resource => Typed(resource, resource.Kind.ReadJson("{}"u8)));

    private KindVersions Versions(Resource resource, string subresource) => new(this, resource, subresource);

    private static IKubeObject WithoutManaged(IKubeObject value) =>
        value.Metadata.ManagedFields.IsEmpty ? value : WithManaged(value, default);

    private static IKubeObject WithManaged(IKubeObject value, ApiList<ManagedFieldsEntry> entries) =>
        value.Metadata.ManagedFields.AsSpan() == entries.AsSpan() ? value : value.WithMetadata(value.Metadata with { ManagedFields = entries });

    /// <summary>An error that upstream gives no type.</summary>
    private static StatusException Failed(string message) => StatusException.Of(500, "", message, null);

    /// <summary>The versions one kind is served in, by way of the form it is stored in.</summary>
    private sealed class KindVersions(FieldOwnership ownership, Resource resource, string subresource) : IVersions
    {
        public TypedObject? Convert(TypedObject value, string apiVersion)
        {
            if (value.ApiVersion == apiVersion)
                return value;
            if (ownership._catalog.OfVersion(resource, value.ApiVersion) is not { } from || ownership._catalog.OfVersion(resource, apiVersion) is not { } to)
                return null;
            // Another program converts, and only whole objects that are stored; the fields are taken to be called the same.
            if (from.Conversion?.ToStoredAsync is not null || to.Conversion?.ToStoredAsync is not null)
                return new(value.Json, apiVersion, ownership.ShapeOf(to));
            var decoded = from.Kind.ReadJson(value.Json.Span);
            // A webhook is not asked for this: fields of the same name are taken for the same.
            if (to.Custom is { } custom)
                return ownership.Typed(to, custom.Fit((CustomObject)decoded));
            var stored = from.Conversion is null ? decoded : from.Conversion.ToStored(decoded);
            return ownership.Typed(to, to.Conversion is null ? stored : to.Conversion.FromStored(stored));
        }

        public FieldSet Ignored(string apiVersion) => ResetFields.Of(resource.Kind, subresource);
    }
}
