using System.Security.Cryptography;
using System.Text;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.Registry;

namespace Minke.Server.Discovery;

/// <summary>
/// In which version objects lie in the store, as discovery tells it: by a hash, so that clients can do no more than notice a change. (The
/// first eight bytes of upstream's <c>discovery.StorageVersionHash</c>.)
/// </summary>
internal static class StorageVersions
{
    private const int HashLength = 8;

    /// <summary>Empty for what is not stored, and for a custom kind whose storage version is not served.</summary>
    public static string HashOf(Resource resource)
    {
        if (resource.IsVirtual)
            return "";
        if (resource.Custom is { Definition: var definition })
            return definition.Source.Spec.Versions.Any(version => version is { Storage: true, Served: true }) ? HashOf(definition.Storage.Kind) : "";
        return HashOf(resource.StorageKind);
    }

    private static string HashOf(KindInfo kind)
    {
        // Upstream has gone on storing definitions in the version that all others were told not to use.
        var version = kind == CustomResourceDefinition.KindInfo ? "v1beta1" : kind.Version;
        return Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes($"{kind.Group}/{version}/{kind.Kind}")).AsSpan(0, HashLength));
    }
}
