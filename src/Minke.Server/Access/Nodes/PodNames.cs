using Minke.Api.Core.V1;

namespace Minke.Server.Access.Nodes;

/// <summary>The objects of its namespace that a pod needs its node to read.</summary>
internal static class PodNames
{
    public static IEnumerable<string> Secrets(Pod pod)
    {
        foreach (var reference in pod.Spec.ImagePullSecrets)
            yield return reference.Name;
        foreach (var (from, env) in Environments(pod))
        {
            if ((from?.SecretRef?.Name ?? env?.ValueFrom?.SecretKeyRef?.Name) is { } name)
                yield return name;
        }
        foreach (var volume in pod.Spec.Volumes)
        {
            var named = volume.AzureFile?.SecretName ?? volume.Secret?.SecretName ?? volume.Cephfs?.SecretRef?.Name ?? volume.Cinder?.SecretRef?.Name
                ?? volume.FlexVolume?.SecretRef?.Name ?? volume.Rbd?.SecretRef?.Name ?? volume.ScaleIO?.SecretRef?.Name
                ?? volume.Iscsi?.SecretRef?.Name ?? volume.Storageos?.SecretRef?.Name ?? volume.Csi?.NodePublishSecretRef?.Name;
            if (named is not null)
                yield return named;
            foreach (var source in volume.Projected?.Sources ?? default)
            {
                if (source.Secret is { } secret)
                    yield return secret.Name;
            }
        }
    }

    public static IEnumerable<string> ConfigMaps(Pod pod)
    {
        foreach (var (from, env) in Environments(pod))
        {
            if ((from?.ConfigMapRef?.Name ?? env?.ValueFrom?.ConfigMapKeyRef?.Name) is { } name)
                yield return name;
        }
        foreach (var volume in pod.Spec.Volumes)
        {
            if (volume.ConfigMap is { } map)
                yield return map.Name;
            foreach (var source in volume.Projected?.Sources ?? default)
            {
                if (source.ConfigMap is { } projected)
                    yield return projected.Name;
            }
        }
    }

    /// <summary>Generic ephemeral volumes are claims too.</summary>
    public static IEnumerable<string> Claims(Pod pod)
    {
        foreach (var volume in pod.Spec.Volumes)
        {
            if (volume.PersistentVolumeClaim is { } claim)
                yield return claim.ClaimName;
            else if (volume.Ephemeral is not null)
                yield return $"{pod.Metadata.Name}-{volume.Name}";
        }
    }

    private static IEnumerable<(EnvFromSource? From, EnvVar? Env)> Environments(Pod pod)
    {
        foreach (var container in pod.Spec.InitContainers.Concat(pod.Spec.Containers))
        {
            foreach (var from in container.EnvFrom)
                yield return (from, null);
            foreach (var env in container.Env)
                yield return (null, env);
        }
        foreach (var container in pod.Spec.EphemeralContainers)
        {
            foreach (var from in container.EnvFrom)
                yield return (from, null);
            foreach (var env in container.Env)
                yield return (null, env);
        }
    }
}
