using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>
/// What a kind does beyond its fields: defaults that depend on others, what create and update may carry, validation, warnings and
/// table columns. One subclass a kind that needs one; upstream calls these strategies. Pure: no I/O, no clock.
/// </summary>
public abstract class KindBehavior
{
    public abstract KindInfo Kind { get; }

    /// <summary>Whether a change of the spec raises <c>metadata.generation</c>, which starts at 1. Upstream counts only some kinds.</summary>
    public virtual bool CountsGeneration => false;

    /// <summary>Defaults beyond the constants, applied to every object read from a client or from disk.</summary>
    public abstract IKubeObject Default(IKubeObject value);

    /// <summary>On create: status cleared, fields only the server sets.</summary>
    public abstract IKubeObject PrepareForCreate(IKubeObject value);

    /// <summary>On create, once the object has its uid and its name, generated ones too: what is made of those.</summary>
    public virtual IKubeObject CompleteCreate(IKubeObject value) => value;

    /// <summary>On update of the main resource: status (and whatever else may not change here) taken from the old object.</summary>
    public abstract IKubeObject PrepareForUpdate(IKubeObject value, IKubeObject old);

    /// <summary>On update of the status subresource: everything but status taken from the old object.</summary>
    public abstract IKubeObject PrepareForStatusUpdate(IKubeObject value, IKubeObject old);

    /// <summary>Metadata included. <paramref name="old"/> is null on create.</summary>
    public abstract void Validate(IKubeObject value, IKubeObject? old, FieldErrors errors);

    /// <summary>Of an update of status. Kinds of upstream's extension servers let finalizers be without a domain.</summary>
    public virtual void ValidateStatusMetadata(ObjectMeta metadata, ObjectMeta old, FieldErrors errors) =>
        ObjectMetaRules.ValidateUpdate(metadata, old, errors);

    /// <summary>Metadata not included.</summary>
    public abstract void ValidateStatus(IKubeObject value, IKubeObject old, FieldErrors errors);

    /// <summary>Of a subresource that changes the object and is neither main nor status: <c>ephemeralcontainers</c>, <c>finalize</c>.</summary>
    public virtual void ValidateSubresource(string subresource, IKubeObject value, IKubeObject old, FieldErrors errors) { }

    /// <summary>Texts of <c>Warning</c> headers for what the next Prepare drops; asked of the object as it was sent.</summary>
    public virtual IEnumerable<string> Dropped(IKubeObject value) => [];

    /// <summary>Texts of <c>Warning</c> headers: deprecated and unsupported fields that are set.</summary>
    public abstract IEnumerable<string> Warnings(IKubeObject value, IKubeObject? old);

    /// <summary>Whether two objects differ in what a generation counts: everything but metadata. (An update has taken the old status by then.)</summary>
    public virtual bool SpecDiffers(IKubeObject value, IKubeObject old) =>
        !Json.Same(value.WithMetadata(ObjectMeta.Empty), old.WithMetadata(ObjectMeta.Empty));
}

/// <summary><see cref="KindBehavior"/> of one record type; the defaults of every method do nothing.</summary>
public abstract class KindBehavior<T> : KindBehavior where T : class, IKubeObject<T>
{
    public sealed override KindInfo Kind => T.KindInfo;

    public virtual T Default(T value) => value;
    public virtual T PrepareForCreate(T value) => value;
    public virtual T CompleteCreate(T value) => value;
    public virtual T PrepareForUpdate(T value, T old) => value;
    public virtual T PrepareForStatusUpdate(T value, T old) => value;
    public virtual void Validate(T value, T? old, FieldErrors errors) { }
    public virtual void ValidateStatus(T value, T old, FieldErrors errors) { }
    public virtual void ValidateSubresource(string subresource, T value, T old, FieldErrors errors) { }
    public virtual IEnumerable<string> Dropped(T value) => [];
    public virtual IEnumerable<string> Warnings(T value, T? old) => [];

    public sealed override IKubeObject Default(IKubeObject value) => Default((T)value);
    public sealed override IKubeObject PrepareForCreate(IKubeObject value) => PrepareForCreate((T)value);
    public sealed override IKubeObject CompleteCreate(IKubeObject value) => CompleteCreate((T)value);
    public sealed override IKubeObject PrepareForUpdate(IKubeObject value, IKubeObject old) => PrepareForUpdate((T)value, (T)old);
    public sealed override IKubeObject PrepareForStatusUpdate(IKubeObject value, IKubeObject old) => PrepareForStatusUpdate((T)value, (T)old);
    public sealed override void Validate(IKubeObject value, IKubeObject? old, FieldErrors errors) => Validate((T)value, (T?)old, errors);
    public sealed override void ValidateStatus(IKubeObject value, IKubeObject old, FieldErrors errors) => ValidateStatus((T)value, (T)old, errors);
    public sealed override void ValidateSubresource(string subresource, IKubeObject value, IKubeObject old, FieldErrors errors) =>
        ValidateSubresource(subresource, (T)value, (T)old, errors);
    public sealed override IEnumerable<string> Dropped(IKubeObject value) => Dropped((T)value);
    public sealed override IEnumerable<string> Warnings(IKubeObject value, IKubeObject? old) => Warnings((T)value, (T?)old);
}
