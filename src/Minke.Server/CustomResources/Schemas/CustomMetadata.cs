using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>
/// Metadata of custom objects: the common rules, but for finalizers, which upstream holds to a domain only in kinds of its own. Here
/// one without is warned of.
/// </summary>
internal static class CustomMetadata
{
    private const string NotQualified = "name is neither a standard finalizer name nor is it fully qualified";

    public static void Validate(ObjectMeta metadata, bool isNamespaced, NameRule nameRule, string path, FieldErrors errors)
    {
        var found = new FieldErrors();
        ObjectMetaRules.Validate(metadata, isNamespaced, nameRule, found);
        Take(found, path, errors);
    }

    public static void ValidateUpdate(ObjectMeta metadata, ObjectMeta old, FieldErrors errors)
    {
        var found = new FieldErrors();
        ObjectMetaRules.ValidateUpdate(metadata, old, found);
        Take(found, "metadata", errors);
    }

    public static IEnumerable<string> Warnings(ObjectMeta metadata, ObjectMeta? old)
    {
        foreach (var finalizer in metadata.Finalizers.Order(StringComparer.Ordinal))
        {
            if (old is not null && old.Finalizers.Contains(finalizer))
                continue;
            foreach (var error in Names.QualifiedName(finalizer))
                yield return $"metadata.finalizers: {FieldErrors.Quote(finalizer)}: {error}";
            if (!finalizer.Contains('/', StringComparison.Ordinal) && finalizer is not ("kubernetes" or "orphan" or "foregroundDeletion"))
            {
                yield return $"metadata.finalizers: {FieldErrors.Quote(finalizer)}: prefer a domain-qualified finalizer name including a path (/) "
                    + "to avoid accidental conflicts with other finalizer writers";
            }
        }
    }

    private static void Take(FieldErrors found, string path, FieldErrors errors)
    {
        const string Root = "metadata";
        foreach (var error in found)
        {
            if (error.Body.EndsWith(NotQualified, StringComparison.Ordinal))
                continue;
            errors.Add(error.Path.StartsWith(Root, StringComparison.Ordinal) ? error with { Path = path + error.Path[Root.Length..] } : error);
        }
    }
}
