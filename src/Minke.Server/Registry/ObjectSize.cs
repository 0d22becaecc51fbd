using Minke.Api;
using Minke.Server.CustomResources;

namespace Minke.Server.Registry;

/// <summary>
/// How large an object may be: what etcd takes, of which upstream has the limit. It stores protobuf there, of custom objects JSON; JSON is
/// the longer form, so the other is measured only when that is too long.
/// </summary>
internal static class ObjectSize
{
    // etcd's --max-request-bytes.
    private const int MaxBytes = 1536 * 1024;

    /// <exception cref="StatusException">500: upstream has no code for what its database says.</exception>
    public static void Check(IKubeObject value, int jsonLength)
    {
        if (jsonLength > MaxBytes && (value is CustomObject || ProtoEnvelope.Write(value).Length > MaxBytes))
            throw StatusException.Of(500, "", "etcdserver: request is too large", null);
    }
}
