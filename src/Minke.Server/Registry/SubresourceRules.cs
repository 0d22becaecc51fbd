using Minke.Api;
using Minke.Api.Core.V1;

namespace Minke.Server.Registry;

/// <summary>What an update of a subresource may change, for those that are neither the main resource nor status.</summary>
internal static class SubresourceRules
{
    /// <summary>Null for the main resource, whose behaviour says.</summary>
    public static IKubeObject? Prepare(Resource resource, string subresource, IKubeObject value, IKubeObject old) => (subresource, value, old) switch
    {
        ("finalize", Namespace now, Namespace before) => before with { Spec = before.Spec with { Finalizers = now.Spec.Finalizers } },
        ("ephemeralcontainers", Pod now, Pod before) => before with
        {
            Spec = before.Spec with { EphemeralContainers = now.Spec.EphemeralContainers },
        },
        ("binding", _, _) => value,
        ("", _, _) => null,
        _ => throw StatusException.NoResource(),
    };
}
