using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Volumes and their sources. (ValidateVolumes)</summary>
internal static class VolumeRules
{
    private const long MinTokenSeconds = 600;
    private const long MaxTokenSeconds = 1L << 32;
    private const string FileModeRange = "must be a number between 0 and 0777 (octal), both inclusive";

    private static readonly string[] HostPathTypes =
        ["", HostPathType.BlockDevice, HostPathType.CharDevice, HostPathType.Directory, HostPathType.DirectoryOrCreate, HostPathType.File, HostPathType.FileOrCreate, HostPathType.Socket];
    private static readonly string[] DownwardFields = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
    private static readonly string[] DownwardResources =
        ["limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"];

    /// <summary>The volumes by name, for the mounts.</summary>
    public static Dictionary<string, Volume> Validate(ApiList<Volume> volumes, string podName, FieldPath path, FieldErrors errors, bool isTemplate)
    {
        var byName = new Dictionary<string, Volume>(StringComparer.Ordinal);
        for (var i = 0; i < volumes.Count; i++)
        {
            var (volume, at) = (volumes[i], path.Index(i));
            var before = errors.Count;
            ValidateSource(volume, podName, at, errors, isTemplate);
            if (volume.Name.Length == 0)
                errors.Required(at.Child("name"));
            else
                PodRules.Each(Names.Dns1123Label(volume.Name), at.Child("name"), volume.Name, errors);
            if (byName.ContainsKey(volume.Name))
                errors.Duplicate(at.Child("name"), volume.Name);
            if (errors.Count == before)
                byName[volume.Name] = volume;
            var claim = volume.PersistentVolumeClaim?.ClaimName;
            if (claim is not null && podName.Length > 0 && volumes.Any(other => other.Ephemeral is not null && claim == podName + "-" + other.Name))
                errors.Invalid(at.Child("persistentVolumeClaim").Child("claimName"), claim, "must not reference a PVC that gets created for an ephemeral volume");
        }
        return byName;
    }

    public static void ValidateSource(Volume volume, string podName, FieldPath path, FieldErrors errors, bool isTemplate)
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
        if (Begins(volume.GcePersistentDisk, "gcePersistentDisk"))
        {
            Need(volume.GcePersistentDisk!.PdName, path.Child("persistentDisk").Child("pdName"), errors);
            Within255(volume.GcePersistentDisk.Partition, path.Child("persistentDisk").Child("partition"), errors, 1);
        }
        if (Begins(volume.AwsElasticBlockStore, "awsElasticBlockStore"))
        {
            Need(volume.AwsElasticBlockStore!.VolumeID, path.Child("awsElasticBlockStore").Child("volumeID"), errors);
            Within255(volume.AwsElasticBlockStore.Partition, path.Child("awsElasticBlockStore").Child("partition"), errors, 1);
        }
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
            Within255(volume.Iscsi.Lun, path.Child("iscsi").Child("lun"), errors, 0);
        }
        if (Begins(volume.Glusterfs, "glusterfs"))
        {
            Need(volume.Glusterfs!.Endpoints, path.Child("glusterfs").Child("endpoints"), errors);
            Need(volume.Glusterfs.Path, path.Child("glusterfs").Child("path"), errors);
        }
        Begins(volume.Flocker, "flocker");
        if (Begins(volume.PersistentVolumeClaim, "persistentVolumeClaim"))
            Need(volume.PersistentVolumeClaim!.ClaimName, path.Child("persistentVolumeClaim").Child("claimName"), errors);
        if (Begins(volume.Rbd, "rbd"))
        {
            if (volume.Rbd!.Monitors.IsEmpty)
                errors.Required(path.Child("rbd").Child("monitors"));
            Need(volume.Rbd.Image, path.Child("rbd").Child("image"), errors);
        }
        if (Begins(volume.Cinder, "cinder"))
            Need(volume.Cinder!.VolumeID, path.Child("cinder").Child("volumeID"), errors);
        if (Begins(volume.Cephfs, "cephFS") && volume.Cephfs!.Monitors.IsEmpty)
            errors.Required(path.Child("cephfs").Child("monitors"));
        Begins(volume.Quobyte, "quobyte");
        if (Begins(volume.DownwardAPI, "downwarAPI"))
        {
            ValidateMode(volume.DownwardAPI!.DefaultMode, path.Child("downwardAPI").Child("defaultMode"), errors);
            ValidateDownward(volume.DownwardAPI.Items, path.Child("downwardAPI"), errors);
        }
        Begins(volume.Fc, "fc");
        if (Begins(volume.FlexVolume, "flexVolume"))
            Need(volume.FlexVolume!.Driver, path.Child("flexVolume").Child("driver"), errors);
        if (Begins(volume.ConfigMap, "configMap"))
            ValidateKeyed(volume.ConfigMap!.Name, "name", volume.ConfigMap.Items, volume.ConfigMap.DefaultMode, path.Child("configMap"), errors);
        if (Begins(volume.AzureFile, "azureFile"))
        {
            Need(volume.AzureFile!.SecretName, path.Child("azureFile").Child("secretName"), errors);
            Need(volume.AzureFile.ShareName, path.Child("azureFile").Child("shareName"), errors);
        }
        if (Begins(volume.VsphereVolume, "vsphereVolume"))
            Need(volume.VsphereVolume!.VolumePath, path.Child("vsphereVolume").Child("volumePath"), errors);
        if (Begins(volume.PhotonPersistentDisk, "photonPersistentDisk"))
            Need(volume.PhotonPersistentDisk!.PdID, path.Child("photonPersistentDisk").Child("pdID"), errors);
        if (Begins(volume.PortworxVolume, "portworxVolume"))
            Need(volume.PortworxVolume!.VolumeID, path.Child("portworxVolume").Child("volumeID"), errors);
        if (Begins(volume.AzureDisk, "azureDisk"))
        {
            Need(volume.AzureDisk!.DiskName, path.Child("azureDisk").Child("diskName"), errors);
            Need(volume.AzureDisk.DiskURI, path.Child("azureDisk").Child("diskURI"), errors);
        }
        Begins(volume.Storageos, "storageos");
        if (Begins(volume.Projected, "projected"))
            ValidateProjected(volume.Projected!, path.Child("projected"), errors);
        Begins(volume.ScaleIO, "scaleIO");
        if (Begins(volume.Csi, "csi"))
            ValidateCsi(volume.Csi!, path.Child("csi"), errors);
        if (Begins(volume.Ephemeral, "ephemeral"))
            ValidateEphemeral(volume, podName, path, errors);
        if (Begins(volume.Image, "image"))
        {
            // A template may leave the image to whoever fills it in.
            if (!isTemplate)
                Need(volume.Image!.Reference, path.Child("image").Child("reference"), errors);
            ContainerRules.ValidatePullPolicy(volume.Image!.PullPolicy, path.Child("image").Child("pullPolicy"), errors);
        }
        if (count == 0)
            errors.Required(path, "must specify a volume type");
    }

    private static void Need(string value, FieldPath path, FieldErrors errors)
    {
        if (value.Length == 0)
            errors.Required(path);
    }

    private static void Within255(int value, FieldPath path, FieldErrors errors, int shownMin)
    {
        if (value is < 0 or > 255)
            errors.Invalid(path, value, $"must be between {PodRules.Number(shownMin)} and 255, inclusive");
    }

    private static void ValidateCsi(CSIVolumeSource csi, FieldPath path, FieldErrors errors)
    {
        if (csi.Driver.Length == 0)
            errors.Required(path.Child("driver"));
        if (csi.Driver.Length > Names.MaxLabelLength)
            errors.TooLong(path.Child("driver"), Names.MaxLabelLength);
        PodRules.Each(Names.Dns1123Subdomain(csi.Driver.ToLowerInvariant()), path.Child("driver"), csi.Driver, errors);
        if (csi.NodePublishSecretRef is { Name.Length: 0 })
            errors.Required(path.Child("nodePublishSecretRef").Child("name"));
    }

    private static void ValidateEphemeral(Volume volume, string podName, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("ephemeral").Child("volumeClaimTemplate");
        if (volume.Ephemeral!.VolumeClaimTemplate is { } template)
        {
            ObjectMetaRules.Labels(template.Metadata.Labels, at.Child("metadata").Child("labels"), errors);
            ObjectMetaRules.Annotations(template.Metadata.Annotations, at.Child("metadata").Child("annotations"), errors);
            ClaimRules.ValidateSpec(template.Spec, at.Child("spec"), errors);
        }
        else
        {
            errors.Required(at);
        }
        if (podName.Length > 0 && volume.Name.Length > 0)
        {
            var claim = podName + "-" + volume.Name;
            foreach (var error in Names.Dns1123Subdomain(claim))
                errors.Invalid(path.Child("name"), volume.Name, $"PVC name {FieldErrors.Quote(claim)}: {error}");
        }
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

    private static void ValidateItems(ApiList<KeyToPath> items, FieldPath path, FieldErrors errors, Action<KeyToPath>? after = null)
    {
        for (var i = 0; i < items.Count; i++)
        {
            var at = path.Child("items").Index(i);
            Need(items[i].Key, at.Child("key"), errors);
            Need(items[i].Path, at.Child("path"), errors);
            ValidateLocalNonReserved(items[i].Path, at.Child("path"), errors);
            ValidateMode(items[i].Mode, at.Child("mode"), errors);
            after?.Invoke(items[i]);
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
        var taken = new HashSet<string>(StringComparer.Ordinal);
        void Place(string place, string shown)
        {
            if (place.Length > 0 && !taken.Add(place))
                errors.Invalid(path, shown, "conflicting duplicate paths");
        }
        for (var i = 0; i < projected.Sources.Count; i++)
        {
            var (source, at) = (projected.Sources[i], path.Child("sources").Index(i));
            if (source.Secret is { } secret)
            {
                Need(secret.Name, at.Child("secret").Child("name"), errors);
                ValidateItems(secret.Items, at.Child("secret"), errors, item => Place(item.Path, secret.Name));
            }
            if (source.ConfigMap is { } configMap)
            {
                Need(configMap.Name, at.Child("configMap").Child("name"), errors);
                ValidateItems(configMap.Items, at.Child("configMap"), errors, item => Place(item.Path, configMap.Name));
            }
            if (source.DownwardAPI is { } downward)
            {
                foreach (var item in downward.Items)
                {
                    ValidateDownward([item], at.Child("downwardAPI"), errors);
                    Place(item.Path, item.Path);
                }
            }
            if (source.ServiceAccountToken is { } token)
                ValidateToken(token, path, at.Child("serviceAccountToken"), errors);
            if (source.ClusterTrustBundle is { } bundle)
                Need(bundle.Path, at.Child("clusterTrustBundle").Child("path"), errors);
            object?[] kinds = [source.Secret, source.ConfigMap, source.DownwardAPI, source.ServiceAccountToken, source.ClusterTrustBundle];
            if (kinds.Count(kind => kind is not null) > 1)
                errors.Forbidden(at, "may not specify more than 1 volume type per source");
        }
    }

    /// <param name="volume">The projected volume's path: upstream names it, not the source's, when the token's path is wrong.</param>
    private static void ValidateToken(ServiceAccountTokenProjection token, FieldPath volume, FieldPath path, FieldErrors errors)
    {
        if (token.ExpirationSeconds is < MinTokenSeconds)
            errors.Invalid(path.Child("expirationSeconds"), token.ExpirationSeconds, "may not specify a duration less than 10 minutes");
        if (token.ExpirationSeconds is > MaxTokenSeconds)
            errors.Invalid(path.Child("expirationSeconds"), token.ExpirationSeconds, "may not specify a duration larger than 2^32 seconds");
        if (token.Path.Length == 0)
            errors.Required(volume.Child("path"));
        else
            ValidateLocalNonReserved(token.Path, volume.Child("path"), errors);
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
