using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>Metadata of custom objects may have finalizers without a domain, but is warned of them.</summary>
internal static class CustomMetadata
{
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
}
