using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Admission;
using Minke.Server.Apply;
using Minke.Server.Services;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>
/// Objects of every kind over the store: what upstream's generic registry does. Reads come from a snapshot; a write is read, changed,
/// admitted, validated and swapped in, and tried again when somebody else was first.
/// </summary>
internal sealed partial class ObjectRegistry(
    IStateStore store, ResourceCatalog catalog, AdmissionChain admission, FieldOwnership ownership, IdSource ids, TimeProvider clock)
{
    // As upstream: names drawn before a generateName gives up, and rounds of an update that keeps losing.
    private const int GenerateNameAttempts = 8;
    private const int PatchAttempts = 5;
    private const int UpdateAttempts = 100;
    private const int MaxGeneratedBaseLength = 58;

    /// <summary>Gives Services their addresses; null where none are served.</summary>
    public ServiceAllocator? Services { get; init; }

    public ResourceCatalog Catalog => catalog;
    public IStateStore Store => store;
    public TimeProvider Clock => clock;
    public FieldOwnership Ownership => ownership;

    public Entry GetEntry(Resource resource, string @namespace, string name) =>
        store.Snapshot().Get(resource.Key(@namespace, name)) ?? throw StatusException.NotFound(resource.Kind, name);

    /// <summary>Ready to be read, whoever converts.</summary>
    public ValueTask<Entry> GetEntryAsync(Resource resource, string @namespace, string name, CancellationToken cancellationToken)
    {
        var entry = GetEntry(resource, @namespace, name);
        return resource.Conversion?.PrepareAsync is null ? new(entry) : PreparedAsync(resource, entry, cancellationToken);
    }

    private static async ValueTask<Entry> PreparedAsync(Resource resource, Entry entry, CancellationToken cancellationToken)
    {
        if (resource.Conversion?.PrepareAsync is { } prepare)
            await prepare([entry], cancellationToken);
        return entry;
    }

    private static async ValueTask<IKubeObject> ToStoredAsync(Resource resource, IKubeObject value, CancellationToken cancellationToken) =>
        resource.Conversion switch
        {
            null => value,
            { ToStoredAsync: { } convert } => await convert(value, cancellationToken),
            var conversion => conversion.ToStored(value),
        };

    public IKubeObject? TryGet(Resource resource, string @namespace, string name) =>
        store.Snapshot().Get(resource.Key(@namespace, name)) is { } entry ? StoredObject.Read(resource, entry) : null;

    public async Task<Written> CreateAsync(Resource resource, string @namespace, IKubeObject value, WriteContext context, CancellationToken cancellationToken)
    {
        value = WithNamespace(resource, value, @namespace);
        if (value.Metadata.ResourceVersion is not ("" or "0"))
            throw StatusException.InternalError("resourceVersion should not be set on objects to be created");
        if (!context.HasFinalManagers)
            value = ownership.Created(resource, value, context);
        await using var request = new AdmissionRequest
        {
            Resource = resource,
            Operation = AdmissionOperation.Create,
            Namespace = @namespace,
            Name = value.Metadata.Name,
            Object = value,
            Context = context,
        };
        await admission.AdmitAsync(request, cancellationToken);
        value = WithNamespace(resource, request.Object, @namespace);

        var metadata = value.Metadata;
        var isGenerated = metadata.Name.Length == 0 && metadata.GenerateName.Length > 0;
        value = value.WithMetadata(metadata with
        {
            Uid = ids.NewUid(),
            CreationTimestamp = Time.From(clock.GetUtcNow()),
            DeletionTimestamp = null,
            DeletionGracePeriodSeconds = null,
            ResourceVersion = "",
            SelfLink = "",
            Generation = resource.Behavior.CountsGeneration ? 1 : 0,
        });
        context.Warnings.AddRange(resource.Behavior.Dropped(value));
        value = resource.Behavior.PrepareForCreate(value);
        using var reservation = value is Service service ? Services?.Reserve(service, old: null) : null;

        var prepared = reservation?.Value ?? value;
        for (var attempt = 1; ; attempt++)
        {
            value = resource.Behavior.CompleteCreate(isGenerated
                ? prepared.WithMetadata(prepared.Metadata with { Name = GenerateName(prepared.Metadata.GenerateName) }) : prepared);
            if (attempt == 1)
            {
                Validate(resource, value, old: null);
                request.Object = value;
                await admission.ValidateAsync(request, cancellationToken);
                context.Warnings.AddRange(resource.Behavior.Warnings(value, null));
                if (KindSupport.WarningOf(resource.Kind) is { } idle)
                    context.Warnings.Add(idle);
            }
            var name = value.Metadata.Name;
            var key = resource.Key(@namespace, name);
            if (context.IsDryRun)
            {
                if (store.Snapshot().Get(key) is null)
                    return new(value, null, IsCreated: true);
            }
            else
            {
                var stored = await ToStoredAsync(resource, value, cancellationToken);
                var result = await PutAsync(key, stored, StoredObject.Encode(stored), Revision.None, cancellationToken);
                if (result.Outcome == WriteOutcome.Committed)
                {
                    request.IsWritten = true;
                    reservation?.Keep();
                    stored = StoredObject.Remember(result.Entry!, stored);
                    return new(resource.Conversion is null ? stored : StoredObject.Read(resource, await PreparedAsync(resource, result.Entry!, cancellationToken)), result.Entry, IsCreated: true);
                }
            }
            if (!isGenerated)
                throw AlreadyExists(resource, name, store.Snapshot().Get(key));
            if (attempt == GenerateNameAttempts)
            {
                throw StatusException.Of(
                    409, StatusReason.AlreadyExists,
                    $"{Qualified(resource)} \"{name}\" already exists, the server was not able to generate a unique name for the object",
                    new() { Name = name, Group = resource.Kind.Group, Kind = resource.Kind.Plural, RetryAfterSeconds = 1 });
            }
        }
    }

    /// <summary>Replaces an object with what <paramref name="change"/> makes of it; "" is the main resource.</summary>
    /// <param name="change">From the object there is; null when there is none and the kind may be created by PUT.</param>
    /// <param name="isPatch">Tried again a few times only, and never creates.</param>
    public async Task<Written> UpdateAsync(
        Resource resource, string subresource, string @namespace, string name, Func<IKubeObject?, IKubeObject> change,
        bool isPatch, WriteContext context, CancellationToken cancellationToken, BodyView? view = null)
    {
        var key = resource.Key(@namespace, name);
        for (var attempt = 1; ; attempt++)
        {
            if (store.Snapshot().Get(key) is not { } entry)
            {
                if (context.HasFinalManagers && subresource.Length == 0)
                    return await CreateAppliedAsync(resource, @namespace, name, change(null), context, cancellationToken);
                if (isPatch || subresource.Length > 0 || !resource.AllowsCreateOnUpdate)
                    throw StatusException.NotFound(resource.Kind, name);
                var created = change(null);
                if (created.Metadata.ResourceVersion is not ("" or "0") || created.Metadata.Uid.Length > 0)
                    throw StatusException.NotFound(resource.Kind, name);
                context.CheckMayCreate?.Invoke();
                return await CreateAsync(resource, @namespace, created, context, cancellationToken);
            }

            var old = StoredObject.Read(resource, await PreparedAsync(resource, entry, cancellationToken));
            var value = WithNamespace(resource, change(old), @namespace);
            // Binding is the server's own doing, and nobody's field.
            if (!context.HasFinalManagers && subresource != "binding")
                value = ownership.Updated(resource, subresource.Length > 0 ? subresource : context.Subresource, value, old, resource.Conversion is null ? StoredObject.JsonOf(entry) : default, context);
            var isUnconditional = CheckPreconditions(resource, name, value, old, isPatch);
            var warned = context.Warnings.Count;
            using var reservation = subresource.Length == 0 ? Reserve(resource, value, old) : null;
            value = reservation?.Value ?? value;
            // Admission has seen the Binding.
            await using var request = subresource == "binding" ? null : UpdateRequest(resource, subresource, @namespace, old, view, context);
            value = await PrepareUpdateAsync(resource, subresource, value, old, view, request, context, cancellationToken);

            var stored = await ToStoredAsync(resource, value, cancellationToken);
            var encoded = StoredObject.Encode(stored);
            if (StoredObject.IsSame(encoded, entry) || IsOnlyLater(stored, encoded, entry, old))
                return new(old, entry);
            var isLast = IsLastUpdate(value, old);
            if (context.IsDryRun)
                return new(value.WithMetadata(value.Metadata with { ResourceVersion = old.Metadata.ResourceVersion }), null, IsRemoved: isLast);

            var result = isLast
                ? await DeleteAsync(key, entry.Modified, cancellationToken)
                : await PutAsync(key, stored, encoded, entry.Modified, cancellationToken);
            if (result.Outcome == WriteOutcome.Committed)
            {
                request?.IsWritten = true;
                if (isLast && old is Service gone)
                    Services?.Release(gone);
                else
                    reservation?.Keep();
                if (isLast)
                    return new(value.WithMetadata(value.Metadata with { ResourceVersion = result.Revision.ToString() }), null, IsRemoved: true);
                stored = StoredObject.Remember(result.Entry!, stored);
                return new(resource.Conversion is null ? stored : StoredObject.Read(resource, await PreparedAsync(resource, result.Entry!, cancellationToken)), result.Entry);
            }
            if (attempt >= (isPatch ? PatchAttempts : UpdateAttempts) || !(isPatch || isUnconditional))
                throw StatusException.Modified(resource.Kind, name);
            context.Warnings.RemoveRange(warned, context.Warnings.Count - warned);
        }
    }

    /// <summary>
    /// Only the times of its managers have changed: what the writer set was undone on the way, or was there in other words. (Upstream's
    /// IgnoreManagedFieldsTimestampsTransformer)
    /// </summary>
    private static bool IsOnlyLater(IKubeObject value, byte[] encoded, Entry entry, IKubeObject old) =>
        encoded.Length == entry.Value.Length && Managers.SameButForTime(value.Metadata.ManagedFields, old.Metadata.ManagedFields)
        && StoredObject.IsSame(StoredObject.Encode(value.WithMetadata(value.Metadata with { ManagedFields = old.Metadata.ManagedFields })), entry);

    /// <summary>An apply of what is not there yet.</summary>
    private async Task<Written> CreateAppliedAsync(
        Resource resource, string @namespace, string name, IKubeObject value, WriteContext context, CancellationToken cancellationToken)
    {
        if (value.Metadata.Uid.Length > 0)
        {
            throw StatusException.Conflict(resource.Kind, name,
                $"uid mismatch: the provided object specified uid {value.Metadata.Uid}, and no existing object was found");
        }
        context.CheckMayCreate?.Invoke();
        return await CreateAsync(resource, @namespace, value.WithMetadata(value.Metadata with { ResourceVersion = "" }), context, cancellationToken);
    }

    /// <summary>What a Service is to have after an update is given to it before it is judged.</summary>
    private ServiceReservation? Reserve(Resource resource, IKubeObject value, IKubeObject old) =>
        value is Service && old is Service before ? Services?.Reserve((Service)resource.Behavior.PrepareForUpdate(value, old), before) : null;

    /// <summary>True when the new object asks for no particular version.</summary>
    private static bool CheckPreconditions(Resource resource, string name, IKubeObject value, IKubeObject old, bool isPatch)
    {
        var (asked, uid) = (value.Metadata.ResourceVersion, value.Metadata.Uid);
        if (uid.Length > 0 && uid != old.Metadata.Uid)
        {
            if (isPatch)
            {
                var immutable = new FieldErrors();
                immutable.Invalid("metadata.uid", uid, "field is immutable");
                throw StatusException.Invalid(resource.Kind, name, immutable);
            }
            throw StatusException.Conflict(resource.Kind, name,
                $"Precondition failed: UID in precondition: {uid}, UID in object meta: {old.Metadata.Uid}");
        }
        if (asked is "" or "0")
        {
            if (resource.AllowsUnconditionalUpdate || isPatch)
                return true;
            var errors = new FieldErrors();
            errors.Invalid("metadata.resourceVersion", new Unquoted("0x0"), "must be specified for an update");
            throw StatusException.Invalid(resource.Kind, name, errors);
        }
        if (!ulong.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            var errors = new FieldErrors();
            errors.Invalid("resourceVersion", asked, $"strconv.ParseUint: parsing {FieldErrors.Quote(asked)}: invalid syntax");
            throw StatusException.Invalid(resource.Kind, name, errors);
        }
        return asked == old.Metadata.ResourceVersion ? false : throw StatusException.Modified(resource.Kind, name);
    }

    private static AdmissionRequest UpdateRequest(Resource resource, string subresource, string @namespace, IKubeObject old, BodyView? view, WriteContext context) => new()
    {
        Resource = resource,
        Subresource = view?.Subresource ?? subresource,
        ObjectKind = view?.Kind ?? resource.Kind,
        Operation = AdmissionOperation.Update,
        Namespace = @namespace,
        Name = old.Metadata.Name,
        Old = view is null ? old : view.Show(old),
        Context = context,
    };

    private async Task<IKubeObject> PrepareUpdateAsync(
        Resource resource, string subresource, IKubeObject value, IKubeObject old, BodyView? view, AdmissionRequest? request, WriteContext context,
        CancellationToken cancellationToken)
    {
        var (metadata, before) = (value.Metadata, old.Metadata);
        value = value.WithMetadata(metadata with
        {
            Uid = before.Uid,
            ResourceVersion = before.ResourceVersion,
            SelfLink = "",
            CreationTimestamp = before.CreationTimestamp,
            // Only a DELETE sets these, and nothing takes them back.
            DeletionTimestamp = before.DeletionTimestamp,
            DeletionGracePeriodSeconds = before.DeletionGracePeriodSeconds,
            Generation = before.Generation,
            GenerateName = metadata.GenerateName.Length == 0 ? before.GenerateName : metadata.GenerateName,
        });
        if (request is null)
            return PrepareAndValidate(resource, subresource, value, old, context);
        request.Object = view is null ? value : view.Show(value);
        await admission.AdmitAsync(request, cancellationToken);
        value = view is null ? WithNamespace(resource, request.Object, request.Namespace) : view.Take(value, request.Object);
        value = PrepareAndValidate(resource, subresource, value, old, context);
        request.Object = view is null ? value : view.Show(value);
        await admission.ValidateAsync(request, cancellationToken);
        return value;
    }

    /// <summary>Lets admission change and judge what is no object of the store: the body of a subresource, a review, the options of a connection.</summary>
    public async ValueTask<IKubeObject> AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        await admission.AdmitAsync(request, cancellationToken);
        await admission.ValidateAsync(request, cancellationToken);
        return request.Object!;
    }

    private static IKubeObject PrepareAndValidate(Resource resource, string subresource, IKubeObject value, IKubeObject old, WriteContext context)
    {
        var before = old.Metadata;
        var behavior = resource.Behavior;
        if (subresource == "status")
        {
            value = behavior.PrepareForStatusUpdate(value, old);
            var errors = new FieldErrors();
            behavior.ValidateStatusMetadata(value.Metadata, before, errors);
            behavior.ValidateStatus(value, old, errors);
            ThrowIfAny(resource, value, errors);
            return value;
        }
        if (SubresourceRules.Prepare(resource, subresource, value, old) is { } prepared)
        {
            // Each of these changes one thing that an update of the object itself may not, so its validation does not apply.
            var errors = new FieldErrors();
            behavior.ValidateSubresource(subresource, prepared, old, errors);
            ThrowIfAny(resource, prepared, errors);
            return behavior.CountsGeneration && behavior.SpecDiffers(prepared, old)
                ? prepared.WithMetadata(prepared.Metadata with { Generation = before.Generation + 1 })
                : prepared;
        }
        context.Warnings.AddRange(behavior.Dropped(value));
        value = behavior.PrepareForUpdate(value, old);
        if (behavior.CountsGeneration && behavior.SpecDiffers(value, old))
            value = value.WithMetadata(value.Metadata with { Generation = before.Generation + 1 });
        Validate(resource, value, old);
        context.Warnings.AddRange(behavior.Warnings(value, old));
        return value;
    }

    private static void Validate(Resource resource, IKubeObject value, IKubeObject? old)
    {
        var errors = new FieldErrors();
        resource.Behavior.Validate(value, old, errors);
        ThrowIfAny(resource, value, errors);
    }

    private static void ThrowIfAny(Resource resource, IKubeObject value, FieldErrors errors)
    {
        if (errors.Count > 0)
            throw StatusException.Invalid(resource.Kind, value.Metadata.Name, errors);
    }

    /// <summary>An object on its way out goes with the update that takes its last finalizer.</summary>
    private static bool IsLastUpdate(IKubeObject value, IKubeObject old) =>
        old.Metadata.DeletionTimestamp is not null && value.Metadata.Finalizers.IsEmpty
        && (old is Minke.Api.Core.V1.Namespace
            ? value is Minke.Api.Core.V1.Namespace { Spec.Finalizers.IsEmpty: true }
            : old.Metadata.DeletionGracePeriodSeconds is null or 0);

    /// <summary>Objects that carry another namespace than the request names are refused.</summary>
    private static IKubeObject WithNamespace(Resource resource, IKubeObject value, string @namespace)
    {
        var own = value.Metadata.Namespace;
        if (!resource.IsNamespaced)
            return own.Length == 0 ? value : value.WithMetadata(value.Metadata with { Namespace = "" });
        if (own == @namespace)
            return value;
        if (own.Length == 0)
            return value.WithMetadata(value.Metadata with { Namespace = @namespace });
        throw StatusException.BadRequest("the namespace of the provided object does not match the namespace sent on the request");
    }

    private string GenerateName(string baseName) =>
        (baseName.Length > MaxGeneratedBaseLength ? baseName[..MaxGeneratedBaseLength] : baseName) + ids.NewSuffix();

    private async ValueTask<WriteResult> PutAsync(string key, IKubeObject value, byte[] encoded, Revision expected, CancellationToken cancellationToken)
    {
        ObjectSize.Check(value, encoded.Length);
        try
        {
            return await store.PutAsync(key, encoded, expected, cancellationToken);
        }
        catch (StoreUnavailableException e)
        {
            throw StatusException.ServiceUnavailable(e.Message);
        }
    }

    private async ValueTask<WriteResult> DeleteAsync(string key, Revision expected, CancellationToken cancellationToken)
    {
        try
        {
            return await store.DeleteAsync(key, expected, cancellationToken);
        }
        catch (StoreUnavailableException e)
        {
            throw StatusException.ServiceUnavailable(e.Message);
        }
    }

    /// <summary>As upstream, it says so when what is there is on its way out.</summary>
    private static StatusException AlreadyExists(Resource resource, string name, Entry? existing)
    {
        var taken = StatusException.AlreadyExists(resource.Kind, name);
        return existing?.Decoded(resource.DecodeStored).Metadata.DeletionTimestamp is null
            ? taken : new StatusException(taken.Status with { Message = "object is being deleted: " + taken.Status.Message });
    }

    private static string Qualified(Resource resource) =>
        resource.Kind.Group.Length == 0 ? resource.Kind.Plural : $"{resource.Kind.Plural}.{resource.Kind.Group}";

    private sealed record Unquoted(string Text)
    {
        public override string ToString() => Text;
    }
}
