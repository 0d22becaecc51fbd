using System.Globalization;
using System.Text;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>How a kind's names look: the rule upstream's strategy hands to ValidateObjectMeta.</summary>
public delegate IEnumerable<string> NameRule(string name);

/// <summary>
/// Metadata, as ValidateObjectMeta and ValidateObjectMetaUpdate judge it. Upstream has two pairs of them: that of its machinery (here
/// generic), which holds for custom objects and the kinds of its extension servers, and that of its core, which also wants finalizers to
/// have a domain.
/// </summary>
public static class ObjectMetaRules
{
    private const string Root = "metadata";
    private const int MaxAnnotationBytes = 256 * 1024;
    private const int MaxManagerBytes = 128;
    private const int MaxManagerSubresourceBytes = 256;
    private static readonly string[] StandardFinalizers = ["kubernetes", "orphan", "foregroundDeletion"];

    public static void Validate(ObjectMeta metadata, bool isNamespaced, NameRule nameRule, FieldErrors errors)
    {
        ValidateGeneric(metadata, isNamespaced, nameRule, Root, errors);
        FinalizersAreQualified(metadata.Finalizers, errors);
    }

    public static void ValidateUpdate(ObjectMeta metadata, ObjectMeta old, FieldErrors errors)
    {
        ValidateGenericUpdate(metadata, old, errors);
        FinalizersAreQualified(metadata.Finalizers, errors);
    }

    public static void ValidateGeneric(ObjectMeta metadata, bool isNamespaced, NameRule nameRule, FieldPath path, FieldErrors errors)
    {
        if (metadata.GenerateName.Length > 0)
        {
            // The suffix will follow, so a trailing dash is no mistake.
            foreach (var error in nameRule(metadata.GenerateName.EndsWith('-') ? metadata.GenerateName[..^1] + "a" : metadata.GenerateName))
                errors.Invalid(path.Child("generateName"), metadata.GenerateName, error);
        }
        if (metadata.Name.Length == 0)
        {
            errors.Required(path.Child("name"), "name or generateName is required");
        }
        else
        {
            foreach (var error in nameRule(metadata.Name))
                errors.Invalid(path.Child("name"), metadata.Name, error);
        }
        if (isNamespaced)
        {
            if (metadata.Namespace.Length == 0)
            {
                errors.Required(path.Child("namespace"));
            }
            else
            {
                foreach (var error in Names.Dns1123Label(metadata.Namespace))
                    errors.Invalid(path.Child("namespace"), metadata.Namespace, error);
            }
        }
        else if (metadata.Namespace.Length > 0)
        {
            errors.Forbidden(path.Child("namespace"), "not allowed on this type");
        }
        ValidateAccessories(metadata, path, errors);
    }

    /// <summary>Metadata as a write of the status leaves it, for kinds that keep it from those who write that. (ResetObjectMetaForStatus)</summary>
    public static ObjectMeta ForStatus(ObjectMeta metadata, ObjectMeta old) => metadata with
    {
        Labels = old.Labels,
        Annotations = old.Annotations,
        Finalizers = old.Finalizers,
        OwnerReferences = old.OwnerReferences,
    };

    public static void ValidateGenericUpdate(ObjectMeta metadata, ObjectMeta old, FieldErrors errors)
    {
        FieldPath path = Root;
        foreach (var finalizer in metadata.Finalizers)
        {
            if (old.DeletionTimestamp is not null && !old.Finalizers.Contains(finalizer))
            {
                errors.Forbidden(path.Child("finalizers"), string.Create(
                    CultureInfo.InvariantCulture,
                    $"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{string.Join(", ", metadata.Finalizers.Where(other => !old.Finalizers.Contains(other)).Select(FieldErrors.Quote))}}}"));
                break;
            }
        }
        if (metadata.ResourceVersion.Length == 0)
            errors.Invalid(path.Child("resourceVersion"), "", "must be specified for an update");
        if (metadata.Generation < old.Generation)
            errors.Invalid(path.Child("generation"), metadata.Generation, "must not be decremented");
        Immutable(metadata.Name, old.Name, path.Child("name"), errors);
        Immutable(metadata.Namespace, old.Namespace, path.Child("namespace"), errors);
        Immutable(metadata.Uid, old.Uid, path.Child("uid"), errors);
        Immutable(metadata.CreationTimestamp, old.CreationTimestamp, path.Child("creationTimestamp"), errors);
        Immutable(metadata.DeletionTimestamp, old.DeletionTimestamp, path.Child("deletionTimestamp"), errors);
        Immutable(metadata.DeletionGracePeriodSeconds, old.DeletionGracePeriodSeconds, path.Child("deletionGracePeriodSeconds"), errors);
        ValidateAccessories(metadata, path, errors);
    }

    public static void Labels(ApiMap<string> labels, FieldPath path, FieldErrors errors)
    {
        foreach (var (key, value) in labels)
        {
            foreach (var error in Names.QualifiedName(key))
                errors.Invalid(path, key, error);
            foreach (var error in Names.LabelValue(value))
                errors.Invalid(path, value, error);
        }
    }

    /// <summary>A finalizer without a domain is one of Kubernetes' own.</summary>
    public static void FinalizerIsQualified(string finalizer, FieldPath path, FieldErrors errors)
    {
        if (!finalizer.Contains('/', StringComparison.Ordinal) && !StandardFinalizers.Contains(finalizer))
            errors.Invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified");
    }

    public static void Annotations(ApiMap<string> annotations, FieldPath path, FieldErrors errors)
    {
        long size = 0;
        foreach (var (key, value) in annotations)
        {
            // Keys may be in upper case, so they are judged lower.
            foreach (var error in Names.QualifiedName(key.ToLowerInvariant()))
                errors.Invalid(path, key, error);
            size += Encoding.UTF8.GetByteCount(key) + Encoding.UTF8.GetByteCount(value);
        }
        if (size > MaxAnnotationBytes)
            errors.TooLong(path, MaxAnnotationBytes);
    }

    private static void ValidateAccessories(ObjectMeta metadata, FieldPath path, FieldErrors errors)
    {
        if (metadata.Generation < 0)
            errors.Invalid(path.Child("generation"), metadata.Generation, "must be greater than or equal to 0");
        Labels(metadata.Labels, path.Child("labels"), errors);
        Annotations(metadata.Annotations, path.Child("annotations"), errors);
        OwnerReferences(metadata.OwnerReferences, path.Child("ownerReferences"), errors);
        for (var i = 0; i < metadata.Finalizers.Count; i++)
        {
            foreach (var error in Names.QualifiedName(metadata.Finalizers[i]))
                errors.Invalid(path.Child("finalizers"), metadata.Finalizers[i], error);
        }
        if (metadata.Finalizers.Contains("orphan") && metadata.Finalizers.Contains("foregroundDeletion"))
            errors.Invalid(path.Child("finalizers"), metadata.Finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
        for (var i = 0; i < metadata.ManagedFields.Count; i++)
        {
            var entry = metadata.ManagedFields[i];
            if (entry.Operation is not ("Apply" or "Update"))
                errors.Invalid(path.Child("managedFields").Index(i).Child("operation"), entry.Operation, "must be `Apply` or `Update`");
            if (entry.FieldsType is not ("" or "FieldsV1"))
                errors.Invalid(path.Child("managedFields").Index(i).Child("fieldsType"), entry.FieldsType, "must be `FieldsV1`");
            if (Encoding.UTF8.GetByteCount(entry.Manager) > MaxManagerBytes)
                errors.TooLong(path.Child("managedFields").Index(i).Child("manager"), MaxManagerBytes);
            if (Encoding.UTF8.GetByteCount(entry.Subresource) > MaxManagerSubresourceBytes)
                errors.TooLong(path.Child("managedFields").Index(i).Child("subresource"), MaxManagerSubresourceBytes);
        }
    }

    private static void FinalizersAreQualified(ApiList<string> finalizers, FieldErrors errors)
    {
        for (var i = 0; i < finalizers.Count; i++)
            FinalizerIsQualified(finalizers[i], new FieldPath(Root).Child("finalizers").Index(i), errors);
    }

    private static void OwnerReferences(ApiList<OwnerReference> owners, FieldPath path, FieldErrors errors)
    {
        var controller = "";
        // Upstream names no index here, so neither do we.
        foreach (var owner in owners)
        {
            var at = path;
            var slash = owner.ApiVersion.IndexOf('/', StringComparison.Ordinal);
            if (owner.ApiVersion.Length == 0 || owner.ApiVersion[(slash + 1)..].Length == 0)
                errors.Invalid(at.Child("apiVersion"), owner.ApiVersion, "version must not be empty");
            if (owner.Kind.Length == 0)
                errors.Invalid(at.Child("kind"), owner.Kind, "must not be empty");
            if (owner.Name.Length == 0)
                errors.Invalid(at.Child("name"), owner.Name, "must not be empty");
            if (owner.Uid.Length == 0)
                errors.Invalid(at.Child("uid"), owner.Uid, "must not be empty");
            if (owner is { ApiVersion: "v1", Kind: "Event" })
                errors.Invalid(at, new GoText($"&OwnerReference{{Kind:Event,Name:{owner.Name},UID:{owner.Uid},APIVersion:v1,Controller:{GoText.Of(owner.Controller)},BlockOwnerDeletion:{GoText.Of(owner.BlockOwnerDeletion)},}}"), "/v1, Kind=Event is disallowed from being an owner");
            if (owner.Controller != true)
                continue;
            var current = owner.Kind + "/" + owner.Name;
            if (controller.Length > 0)
                errors.Invalid(path, new GoText("[]v1.OwnerReference{" + string.Join(", ", owners.Select(Show)) + "}"), $"Only one reference can have Controller set to true. Found \"true\" in references for {controller} and {current}");
            else
                controller = current;
        }
    }

    private static void Immutable<T>(T value, T old, FieldPath path, FieldErrors errors)
    {
        if (!EqualityComparer<T>.Default.Equals(value, old))
            errors.Invalid(path, value, "field is immutable");
    }

    private static string Show(OwnerReference owner) =>
        $"v1.OwnerReference{{APIVersion:{FieldErrors.Quote(owner.ApiVersion)}, Kind:{FieldErrors.Quote(owner.Kind)}, Name:{FieldErrors.Quote(owner.Name)}, "
        + $"UID:{FieldErrors.Quote(owner.Uid)}, Controller:{GoText.Of(owner.Controller)}, BlockOwnerDeletion:{GoText.Of(owner.BlockOwnerDeletion)}}}";
}
