using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>PersistentVolumes: where their storage is, how much, and what may never change. (ValidatePersistentVolumeSpec)</summary>
internal static class PersistentVolumeRules
{
    private const string Second = "may not specify more than 1 volume type";
    private const int MaxDriverName = 63;

    private static readonly string[] ReclaimPolicies =
        [PersistentVolumeReclaimPolicy.Delete, PersistentVolumeReclaimPolicy.Recycle, PersistentVolumeReclaimPolicy.Retain];

    public static void ValidateSpec(PersistentVolumeSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.AccessModes.IsEmpty)
            errors.Required(path.Child("accessModes"));
        ClaimRules.ValidateAccessModes(spec.AccessModes, path.Child("accessModes"), errors);
        ValidateCapacity(spec.Capacity, path.Child("capacity"), errors);
        if (spec.PersistentVolumeReclaimPolicy.Length > 0 && !ReclaimPolicies.Contains(spec.PersistentVolumeReclaimPolicy))
            errors.NotSupported(path.Child("persistentVolumeReclaimPolicy"), spec.PersistentVolumeReclaimPolicy, ReclaimPolicies);
        var hasNodes = spec.NodeAffinity is { } affinity && ValidateNodes(affinity, path.Child("nodeAffinity").Child("required"), errors);
        ValidateSources(spec, hasNodes, path, errors);
        if (spec is { PersistentVolumeReclaimPolicy: PersistentVolumeReclaimPolicy.Recycle, HostPath: { } host } && host.Path.TrimEnd('/').Length == 0 && host.Path.Length > 0)
            errors.Forbidden(path.Child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
        if (spec.StorageClassName.Length > 0)
            PodRules.Each(Names.Dns1123Subdomain(spec.StorageClassName), path.Child("storageClassName"), spec.StorageClassName, errors);
        if (spec.VolumeMode is { } mode && !ClaimRules.VolumeModes.Contains(mode))
            errors.NotSupported(path.Child("volumeMode"), mode, ClaimRules.VolumeModes);
    }

    /// <summary>The storage, its mode and, once set, its nodes stay as they are. The paths are upstream's.</summary>
    public static void ValidateUpdate(PersistentVolumeSpec spec, PersistentVolumeSpec old, FieldErrors errors)
    {
        var (now, then) = (SourceOf(spec), SourceOf(old));
        // A secret for growing the volume may be added later.
        if (then.Csi is { ControllerExpandSecretRef: null } && now.Csi is { ControllerExpandSecretRef: not null })
            now = now with { Csi = now.Csi with { ControllerExpandSecretRef = null } };
        if (!Json.Same(now, then))
            errors.Forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation\n" + PodUpdateRules.Difference(then, now));
        if (spec.VolumeMode != old.VolumeMode)
            errors.Invalid("volumeMode", spec.VolumeMode, "field is immutable");
        if (old.NodeAffinity is not null && !Json.Same(spec.NodeAffinity, old.NodeAffinity))
            errors.Invalid("nodeAffinity", new GoText(spec.NodeAffinity?.ToString() ?? "null"), "field is immutable");
    }

    private static PersistentVolumeSpec SourceOf(PersistentVolumeSpec spec) => spec with
    {
        Capacity = default,
        AccessModes = default,
        ClaimRef = null,
        PersistentVolumeReclaimPolicy = "",
        StorageClassName = "",
        MountOptions = default,
        VolumeMode = null,
        NodeAffinity = null,
        VolumeAttributesClassName = null,
    };

    private static void ValidateCapacity(ApiMap<Quantity> capacity, FieldPath path, FieldErrors errors)
    {
        if (capacity.IsEmpty)
            errors.Required(path);
        if (!capacity.ContainsKey("storage") || capacity.Count > 1)
        {
            errors.NotSupported(path,
                new GoText(capacity.IsNull ? "core.ResourceList(nil)" : $"core.ResourceList{{{string.Join(", ", capacity.Select(pair => $"{FieldErrors.Quote(pair.Key)}:{pair.Value}"))}}}"),
                ["storage"]);
        }
        foreach (var (name, amount) in capacity)
        {
            if (amount.Value < 0)
                errors.Invalid(path.Key(name), amount.ToInt64(), "must be a valid resource quantity");
            if (amount.Value <= 0)
                errors.Invalid(path.Key(name), amount.ToString(), "must be greater than zero");
        }
    }

    /// <summary>Whether nodes are named at all.</summary>
    private static bool ValidateNodes(VolumeNodeAffinity affinity, FieldPath path, FieldErrors errors)
    {
        if (affinity.Required is null)
        {
            errors.Required(path, "must specify required node constraints");
            return false;
        }
        SchedulingRules.ValidateNodeSelector(affinity.Required, path, errors);
        return true;
    }

    private static void ValidateSources(PersistentVolumeSpec spec, bool hasNodes, FieldPath path, FieldErrors errors)
    {
        // What pods can mount directly is judged as theirs.
        var shared = new Volume
        {
            HostPath = spec.HostPath,
            GcePersistentDisk = spec.GcePersistentDisk,
            AwsElasticBlockStore = spec.AwsElasticBlockStore,
            Nfs = spec.Nfs,
            Fc = spec.Fc,
            Flocker = spec.Flocker,
            VsphereVolume = spec.VsphereVolume,
            Quobyte = spec.Quobyte,
            AzureDisk = spec.AzureDisk,
            PhotonPersistentDisk = spec.PhotonPersistentDisk,
            PortworxVolume = spec.PortworxVolume,
        };
        (string Name, object? Source, Action<FieldPath> Validate)[] own =
        [
            ("glusterfs", spec.Glusterfs, at => { Need(spec.Glusterfs!.Endpoints, at.Child("endpoints"), errors); Need(spec.Glusterfs.Path, at.Child("path"), errors); }),
            ("rbd", spec.Rbd, at => { NeedAny(spec.Rbd!.Monitors, at.Child("monitors"), errors); Need(spec.Rbd.Image, at.Child("image"), errors); }),
            ("cephFS", spec.Cephfs, _ => NeedAny(spec.Cephfs!.Monitors, path.Child("cephfs").Child("monitors"), errors)),
            ("iscsi", spec.Iscsi, at => { Need(spec.Iscsi!.TargetPortal, at.Child("targetPortal"), errors); Need(spec.Iscsi.Iqn, at.Child("iqn"), errors); }),
            ("cinder", spec.Cinder, at => Need(spec.Cinder!.VolumeID, at.Child("volumeID"), errors)),
            ("flexVolume", spec.FlexVolume, at => Need(spec.FlexVolume!.Driver, at.Child("driver"), errors)),
            ("azureFile", spec.AzureFile, at => { Need(spec.AzureFile!.SecretName, at.Child("secretName"), errors); Need(spec.AzureFile.ShareName, at.Child("shareName"), errors); }),
            ("scaleIO", spec.ScaleIO, at => { Need(spec.ScaleIO!.Gateway, at.Child("gateway"), errors); Need(spec.ScaleIO.System, at.Child("system"), errors); Need(spec.ScaleIO.VolumeName, at.Child("volumeName"), errors); }),
            ("local", spec.Local, at => ValidateLocal(spec.Local!, hasNodes, at, path, errors)),
            ("storageos", spec.Storageos, _ => { }),
            ("csi", spec.Csi, at => ValidateCsi(spec.Csi!, at, errors)),
        ];
        var count = Json.Same(shared, Volume.Empty) ? 0 : 1;
        if (count > 0 || own.All(one => one.Source is null))
            VolumeRules.ValidateSource(shared, "", path, errors, isTemplate: true);
        foreach (var (name, source, validate) in own)
        {
            if (source is null)
                continue;
            if (count++ == 0)
                validate(path.Child(name));
            else
                errors.Forbidden(path.Child(name), Second);
        }
    }

    private static void ValidateLocal(LocalVolumeSource source, bool hasNodes, FieldPath at, FieldPath spec, FieldErrors errors)
    {
        if (source.Path.Length == 0)
            errors.Required(at.Child("path"));
        else
            VolumeRules.NoBacksteps(source.Path, at.Child("path"), errors);
        if (!hasNodes)
            errors.Required(spec.Child("nodeAffinity"), "Local volume requires node affinity");
    }

    private static void ValidateCsi(CSIPersistentVolumeSource source, FieldPath path, FieldErrors errors)
    {
        if (source.Driver.Length == 0)
            errors.Required(path.Child("driver"));
        if (source.Driver.Length > MaxDriverName)
            errors.TooLong(path.Child("driver"), MaxDriverName);
        PodRules.Each(Names.Dns1123Subdomain(source.Driver.ToLowerInvariant()), path.Child("driver"), source.Driver, errors);
        Need(source.VolumeHandle, path.Child("volumeHandle"), errors);
        foreach (var (name, secret) in new[]
        {
            ("controllerPublishSecretRef", source.ControllerPublishSecretRef), ("controllerExpandSecretRef", source.ControllerExpandSecretRef),
            ("nodePublishSecretRef", source.NodePublishSecretRef), ("nodeExpandSecretRef", source.NodeExpandSecretRef), ("nodeStageSecretRef", source.NodeStageSecretRef),
        })
        {
            if (secret is null)
                continue;
            Need(secret.Name, path.Child(name).Child("name"), errors);
            Need(secret.Namespace, path.Child(name).Child("namespace"), errors);
        }
    }

    private static void Need(string value, FieldPath path, FieldErrors errors)
    {
        if (value.Length == 0)
            errors.Required(path);
    }

    private static void NeedAny(ApiList<string> values, FieldPath path, FieldErrors errors)
    {
        if (values.IsEmpty)
            errors.Required(path);
    }
}
