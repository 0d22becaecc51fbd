using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Annotations of a pod that mean something to Kubernetes itself.</summary>
internal static class PodAnnotationRules
{
    private const string MirrorPod = "kubernetes.io/config.mirror";

    public static void Validate(Pod pod, FieldErrors errors)
    {
        if (!pod.Metadata.Annotations.TryGetValue(MirrorPod, out _))
            return;
        if (pod.Spec.NodeName.Length == 0)
            errors.Invalid(new FieldPath("metadata.annotations").Key(MirrorPod), "must set spec.nodeName if mirror pod annotation is set", "");
    }
}
