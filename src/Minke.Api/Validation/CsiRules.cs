using System.Globalization;
using Minke.Api.Storage.V1;

namespace Minke.Api;

/// <summary>What CSI drivers may say of themselves. (pkg/apis/storage/validation)</summary>
internal static class CsiRules
{
    private const int MaxDriverName = 63;
    private const int MaxNodeId = 256;
    private const long MinTokenSeconds = 600;
    private const long MaxTokenSeconds = 1L << 32;
    private static readonly string[] FsGroupPolicies = ["File", "None", "ReadWriteOnceWithFSType"];
    private static readonly string[] LifecycleModes = ["Persistent", "Ephemeral"];

    public static void DriverName(string name, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
            errors.Required(path);
        if (name.Length > MaxDriverName)
            errors.TooLong(path, MaxDriverName);
        PodRules.Each(Names.Dns1123Subdomain(name.ToLowerInvariant()), path, name, errors);
    }

    public static void ValidateDriver(CSIDriverSpec spec, FieldPath path, FieldErrors errors)
    {
        foreach (var (field, value) in (ReadOnlySpan<(string, bool?)>)
            [("attachedRequired", spec.AttachRequired), ("podInfoOnMount", spec.PodInfoOnMount), ("storageCapacity", spec.StorageCapacity)])
        {
            if (value is null)
                errors.Required(path.Child(field));
        }
        if (spec.FsGroupPolicy is { } policy && !FsGroupPolicies.Contains(policy))
            errors.NotSupported(path.Child("fsGroupPolicy"), policy, FsGroupPolicies);
        var audiences = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < spec.TokenRequests.Count; i++)
        {
            var (request, at) = (spec.TokenRequests[i], path.Child("tokenRequests").Index(i));
            if (!audiences.Add(request.Audience))
                errors.Duplicate(at.Child("audience"), request.Audience);
            else if (request.ExpirationSeconds is < MinTokenSeconds)
                errors.Invalid(at.Child("expirationSeconds"), request.ExpirationSeconds, "may not specify a duration less than 10 minutes");
            else if (request.ExpirationSeconds is > MaxTokenSeconds)
                errors.Invalid(at.Child("expirationSeconds"), request.ExpirationSeconds, "may not specify a duration larger than 2^32 seconds");
        }
        foreach (var mode in spec.VolumeLifecycleModes)
        {
            if (!LifecycleModes.Contains(mode))
                errors.NotSupported(path.Child("volumeLifecycleModes"), mode, LifecycleModes);
        }
        if (spec.SeLinuxMount is null)
            errors.Required(path.Child("seLinuxMount"));
    }

    public static void ValidateNodeDrivers(ApiList<CSINodeDriver> drivers, FieldPath path, FieldErrors errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < drivers.Count; i++)
        {
            var (driver, at) = (drivers[i], path.Index(i));
            DriverName(driver.Name, at.Child("name"), errors);
            if (driver.NodeID.Length == 0)
                errors.Required(at.Child("nodeID"));
            if (driver.NodeID.Length > MaxNodeId)
                errors.Invalid(at.Child("nodeID"), driver.NodeID, string.Create(CultureInfo.InvariantCulture, $"must be {MaxNodeId} characters or less"));
            if (driver.Allocatable?.Count is < 0)
                errors.Invalid(at.Child("allocatable").Child("count"), driver.Allocatable.Count, "must be greater than or equal to 0");
            if (!names.Add(driver.Name))
                errors.Duplicate(at.Child("name"), driver.Name);
            var keys = new HashSet<string>(StringComparer.Ordinal);
            foreach (var key in driver.TopologyKeys)
            {
                if (key.Length == 0)
                    errors.Required(at);
                if (!keys.Add(key))
                    errors.Duplicate(at, key);
                PodRules.Each(Names.QualifiedName(key), at, key, errors);
            }
        }
    }

    public static GoText Show(CSINodeDriver driver) => new(
        $"storage.CSINodeDriver{{Name:{FieldErrors.Quote(driver.Name)}, NodeID:{FieldErrors.Quote(driver.NodeID)}, "
        + $"TopologyKeys:[]string{(driver.TopologyKeys.IsNull ? "(nil)" : "{" + string.Join(", ", driver.TopologyKeys.Select(FieldErrors.Quote)) + "}")}, "
        + $"Allocatable:(*storage.VolumeNodeResources)({(driver.Allocatable is null ? "nil" : "...")})}}");
}
