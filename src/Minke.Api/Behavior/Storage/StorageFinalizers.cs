namespace Minke.Api;

/// <summary>What keeps volumes and claims that are in use.</summary>
public static class StorageFinalizers
{
    /// <summary>Of a PersistentVolume, until no claim is bound to it.</summary>
    public const string Volume = "kubernetes.io/pv-protection";

    /// <summary>Of a PersistentVolumeClaim, until no pod uses it.</summary>
    public const string Claim = "kubernetes.io/pvc-protection";
}
