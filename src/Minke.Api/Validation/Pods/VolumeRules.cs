using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Volumes and their sources. (ValidateVolumes)</summary>
internal static class VolumeRules
{
    private const long MinTokenSeconds = 600;
    private const long MaxTokenSeconds = 1L << 32;
    private const string FileModeRange = "must be a number between 0 and 0777 (octal), both inclusive";

    private static readonly string[] HostPathTypes =
        ["", HostPathType.DirectoryOrCreate, HostPathType.Directory, HostPathType.FileOrCreate, HostPathType.File, HostPathType.Socket, HostPathType.CharDevice, HostPathType.BlockDevice];
    private static readonly string[] DownwardFields = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
    private static readonly string[] DownwardResources =
        ["limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage"];

    /// <summary>The volumes by name, for the mounts.</summary>
    public static Dictionary<string, Volume> Validate(ApiList<Volume> volumes, FieldPath path, FieldErrors errors)
    {
        var byName = new Dictionary<string, Volume>(StringComparer.Ordinal);
        for (var i = 0; i < volumes.Count; i++)
        {
            var (volume, at) = (volumes[i], path.Index(i));
            var before = errors.Count;
            ValidateSource(volume, at, errors);
            var isNamed = false;
            if (volume.Name.Length == 0)
                errors.Required(at.Child("name"));
            else if (Names.Dns1123Label(volume.Name).ToList() is { Count: > 0 } wrong)
                PodRules.Each(wrong, at.Child("name"), volume.Name, errors);
            else if (byName.ContainsKey(volume.Name))
                errors.Duplicate(at.Child("name"), volume.Name);
            else
                isNamed = true;
            if (isNamed && errors.Count == before)
                byName[volume.Name] = volume;
        }
        return byName;
    }

    private static void ValidateSource(Volume volume, FieldPath path, FieldErrors errors)
    {
        var count = 0;
        // The first source speaks for itself; any further one is forbidden.
        bool Begins<T>(T? source, string name) where T : class
        {
            if (source is null)
                return false;
            if (count++ == 0)
                return true;
            errors.Forbidden(path.Child(name), "may not specify more than 1 volume type");
            return false;
        }

        if (Begins(volume.EmptyDir, "emptyDir") && volume.EmptyDir is { SizeLimit: { } limit } && limit.Value < 0)
            errors.Forbidden(path.Child("emptyDir").Child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
        if (Begins(volume.HostPath, "hostPath"))
            ValidateHostPath(volume.HostPath!, path.Child("hostPath"), errors);
        if (Begins(volume.GitRepo, "gitRepo"))
        {
            if (volume.GitRepo!.Repository.Length == 0)
                errors.Required(path.Child("gitRepo").Child("repository"));
            ValidateLocalDescendingPath(volume.GitRepo.Directory, path.Child("gitRepo").Child("directory"), errors);
        }
        Begins(volume.GcePersistentDisk, "gcePersistentDisk");
        Begins(volume.AwsElasticBlockStore, "awsElasticBlockStore");
        if (Begins(volume.Secret, "secret"))
            ValidateKeyed(volume.Secret!.SecretName, "secretName", volume.Secret.Items, volume.Secret.DefaultMode, path.Child("secret"), errors);
        if (Begins(volume.Nfs, "nfs"))
        {
            Need(volume.Nfs!.Server, path.Child("nfs").Child("server"), errors);
            Need(volume.Nfs.Path, path.Child("nfs").Child("path"), errors);
            if (!volume.Nfs.Path.StartsWith('/'))
                errors.Invalid(path.Child("nfs").Child("path"), volume.Nfs.Path, "must be an absolute path");
        }
        if (Begins(volume.Iscsi, "iscsi"))
        {
            Need(volume.Iscsi!.TargetPortal, path.Child("iscsi").Child("targetPortal"), errors);
            Need(volume.Iscsi.Iqn, path.Child("iscsi").Child("iqn"), errors);
        }
        if (Begins(volume.Glusterfs, "glusterfs"))
        {
            Need(volume.Glusterfs!.Endpoints, path.Child("glusterfs").Child("endpoints"), errors);
            Need(volume.Glusterfs.Path, path.Child("glusterfs").Child("path"), errors);
        }
        Begins(volume.Flocker, "flocker");
        if (Begins(volume.PersistentVolumeClaim, "persistentVolumeClaim"))
            Need(volume.PersistentVolumeClaim!.ClaimName, path.Child("persistentVolumeClaim").Child("claimName"), errors);
        Begins(volume.Rbd, "rbd");
        Begins(volume.Cinder, "cinder");
        Begins(volume.Cephfs, "cephFS");
        Begins(volume.Quobyte, "quobyte");
        if (Begins(volume.DownwardAPI, "downwarAPI"))
        {
            ValidateMode(volume.DownwardAPI!.DefaultMode, path.Child("downwardAPI").Child("defaultMode"), errors);
            ValidateDownward(volume.DownwardAPI.Items, path.Child("downwardAPI"), errors);
        }
        Begins(volume.Fc, "fc");
        Begins(volume.FlexVolume, "flexVolume");
        if (Begins(volume.ConfigMap, "configMap"))
            ValidateKeyed(volume.ConfigMap!.Name, "name", volume.ConfigMap.Items, volume.ConfigMap.DefaultMode, path.Child("configMap"), errors);
        Begins(volume.AzureFile, "azureFile");
        Begins(volume.VsphereVolume, "vsphereVolume");
        Begins(volume.PhotonPersistentDisk, "photonPersistentDisk");
        Begins(volume.PortworxVolume, "portworxVolume");
        Begins(volume.AzureDisk, "azureDisk");
        Begins(volume.Storageos, "storageos");
        if (Begins(volume.Projected, "projected"))
            ValidateProjected(volume.Projected!, path.Child("projected"), errors);
        Begins(volume.ScaleIO, "scaleIO");
        if (Begins(volume.Csi, "csi"))
            Need(volume.Csi!.Driver, path.Child("csi").Child("driver"), errors);
        if (Begins(volume.Ephemeral, "ephemeral") && volume.Ephemeral!.VolumeClaimTemplate is null)
            errors.Required(path.Child("ephemeral").Child("volumeClaimTemplate"));
        if (Begins(volume.Image, "image"))
        {
            Need(volume.Image!.Reference, path.Child("image").Child("reference"), errors);
            ContainerRules.ValidatePullPolicy(volume.Image.PullPolicy, path.Child("image").Child("pullPolicy"), errors);
        }
        if (count == 0)
            errors.Required(path, "must specify a volume type");
    }

    private static void Need(string value, FieldPath path, FieldErrors errors)
    {
        if (value.Length == 0)
            errors.Required(path);
    }

    private static void ValidateHostPath(HostPathVolumeSource source, FieldPath path, FieldErrors errors)
    {
        if (source.Path.Length == 0)
        {
            errors.Required(path.Child("path"));
            return;
        }
        NoBacksteps(source.Path, path.Child("path"), errors);
        if (source.Type is { } type && !HostPathTypes.Contains(type))
            errors.NotSupported(path.Child("type"), type, HostPathTypes);
    }

    private static void ValidateKeyed(string name, string nameField, ApiList<KeyToPath> items, int? mode, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
            errors.Required(path.Child(nameField));
        ValidateMode(mode, path.Child("defaultMode"), errors);
        ValidateItems(items, path, errors);
    }

    private static void ValidateItems(ApiList<KeyToPath> items, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < items.Count; i++)
        {
            var at = path.Child("items").Index(i);
            Need(items[i].Key, at.Child("key"), errors);
            Need(items[i].Path, at.Child("path"), errors);
            ValidateLocalNonReserved(items[i].Path, at.Child("path"), errors);
            ValidateMode(items[i].Mode, at.Child("mode"), errors);
        }
    }

    private static void ValidateDownward(ApiList<DownwardAPIVolumeFile> items, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < items.Count; i++)
        {
            var (item, at) = (items[i], path);
            Need(item.Path, at.Child("path"), errors);
            ValidateLocalNonReserved(item.Path, at.Child("path"), errors);
            if (item.FieldRef is { } field)
            {
                EnvRules.ValidateFieldRef(field, DownwardFields, at.Child("fieldRef"), errors);
                if (item.ResourceFieldRef is not null)
                    errors.Invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
            }
            else if (item.ResourceFieldRef is { } resource)
            {
                EnvRules.ValidateResourceRef(resource, DownwardResources, at.Child("resourceFieldRef"), errors, isVolume: true);
            }
            else
            {
                errors.Required(at, "one of fieldRef and resourceFieldRef is required");
            }
            ValidateMode(item.Mode, at.Child("mode"), errors);
        }
    }

    private static void ValidateProjected(ProjectedVolumeSource projected, FieldPath path, FieldErrors errors)
    {
        ValidateMode(projected.DefaultMode, path.Child("defaultMode"), errors);
        var paths = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < projected.Sources.Count; i++)
        {
            var (source, at) = (projected.Sources[i], path.Child("sources").Index(i));
            var count = 0;
            bool Begins(object? one, string name)
            {
                if (one is null)
                    return false;
                if (count++ == 0)
                    return true;
                errors.Forbidden(at.Child(name), "may not specify more than 1 volume type");
                return false;
            }
            void Place(string place, FieldPath where)
            {
                if (place.Length > 0 && !paths.Add(place))
                    errors.Invalid(where, place, "conflicting duplicate paths");
            }
            if (Begins(source.Secret, "secret"))
            {
                Need(source.Secret!.Name, at.Child("secret").Child("name"), errors);
                ValidateItems(source.Secret.Items, at.Child("secret"), errors);
                foreach (var item in source.Secret.Items)
                    Place(item.Path, path);
            }
            if (Begins(source.ConfigMap, "configMap"))
            {
                Need(source.ConfigMap!.Name, at.Child("configMap").Child("name"), errors);
                ValidateItems(source.ConfigMap.Items, at.Child("configMap"), errors);
                foreach (var item in source.ConfigMap.Items)
                    Place(item.Path, path);
            }
            if (Begins(source.DownwardAPI, "downwardAPI"))
            {
                ValidateDownward(source.DownwardAPI!.Items, at.Child("downwardAPI"), errors);
                foreach (var item in source.DownwardAPI.Items)
                    Place(item.Path, path);
            }
            if (Begins(source.ServiceAccountToken, "serviceAccountToken"))
            {
                var token = source.ServiceAccountToken!;
                if (token.ExpirationSeconds is < MinTokenSeconds)
                    errors.Invalid(at.Child("serviceAccountToken").Child("expirationSeconds"), token.ExpirationSeconds, "may not specify a duration less than 10 minutes");
                if (token.ExpirationSeconds is > MaxTokenSeconds)
                    errors.Invalid(at.Child("serviceAccountToken").Child("expirationSeconds"), token.ExpirationSeconds, "may not specify a duration larger than 2^32 seconds");
                if (token.Path.Length == 0)
                    errors.Required(at.Child("serviceAccountToken").Child("path"));
                else
                    ValidateLocalNonReserved(token.Path, at.Child("serviceAccountToken").Child("path"), errors);
                Place(token.Path, path);
            }
            if (Begins(source.ClusterTrustBundle, "clusterTrustBundle"))
                Need(source.ClusterTrustBundle!.Path, at.Child("clusterTrustBundle").Child("path"), errors);
            if (count == 0)
                errors.Required(at, "must specify a volume type");
        }
    }

    private static void ValidateMode(int? mode, FieldPath path, FieldErrors errors)
    {
        if (mode is < 0 or > 511)
            errors.Invalid(path, mode, FileModeRange);
    }

    /// <summary>A relative path that stays below where it begins.</summary>
    public static void ValidateLocalDescendingPath(string path, FieldPath at, FieldErrors errors)
    {
        if (path.StartsWith('/'))
            errors.Invalid(at, path, "must be a relative path");
        NoBacksteps(path, at, errors);
    }

    public static void NoBacksteps(string path, FieldPath at, FieldErrors errors)
    {
        if (path.Split('/').Contains(".."))
            errors.Invalid(at, path, "must not contain '..'");
    }

    /// <summary>Below a volume's root, where names beginning with ".." are ours: the atomic writer's.</summary>
    private static void ValidateLocalNonReserved(string path, FieldPath at, FieldErrors errors)
    {
        ValidateLocalDescendingPath(path, at, errors);
        if (path.StartsWith("..", StringComparison.Ordinal) && !path.StartsWith("../", StringComparison.Ordinal))
            errors.Invalid(at, path, "must not start with '..'");
    }
}
