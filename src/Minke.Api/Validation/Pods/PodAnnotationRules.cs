using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Annotations of a pod that mean something to Kubernetes itself.</summary>
internal static class PodAnnotationRules
{
    public const string MirrorPod = "kubernetes.io/config.mirror";
    public const string SeccompPod = "seccomp.security.alpha.kubernetes.io/pod";
    public const string SeccompContainer = "container.seccomp.security.alpha.kubernetes.io/";
    public const string AppArmorContainer = "container.apparmor.security.beta.kubernetes.io/";
    private const string DeletionCost = "controller.kubernetes.io/pod-deletion-cost";
    private const string LocalhostPrefix = "localhost/";

    public static void Validate(ApiMap<string> annotations, PodSpec spec, FieldPath path, FieldErrors errors)
    {
        if (annotations.TryGetValue(MirrorPod, out var mirror) && spec.NodeName.Length == 0)
            errors.Invalid(path.Key(MirrorPod), mirror, "must set spec.nodeName if mirror pod annotation is set");
        if (annotations.TryGetValue(DeletionCost, out var cost) && !IsDeletionCost(cost))
            errors.Invalid(path.Key(DeletionCost), cost, "must be a 32bit integer");
        foreach (var (key, value) in annotations)
        {
            if (key == SeccompPod || key.StartsWith(SeccompContainer, StringComparison.Ordinal))
                ValidateSeccomp(value, path.Child(key), errors);
        }
        foreach (var (key, value) in annotations)
        {
            if (!key.StartsWith(AppArmorContainer, StringComparison.Ordinal))
                continue;
            var name = key[AppArmorContainer.Length..];
            if (!ContainerRules.Every(spec, "").Any(each => each.Container.Name == name))
                errors.Invalid(path.Key(key), name, "container not found");
            if (value is not ("" or "runtime/default" or "unconfined") && !value.StartsWith(LocalhostPrefix, StringComparison.Ordinal))
                errors.Invalid(path.Key(key), value, $"invalid AppArmor profile name: {FieldErrors.Quote(value)}");
        }
    }

    public static void ValidateUpdate(Pod pod, Pod old, FieldErrors errors)
    {
        FieldPath path = "metadata.annotations";
        foreach (var (key, value) in old.Metadata.Annotations)
        {
            if (pod.Metadata.Annotations.TryGetValue(key, out var now) && now == value)
                continue;
            if (key.StartsWith(AppArmorContainer, StringComparison.Ordinal))
                errors.Forbidden(path.Key(key), "may not remove or update AppArmor annotations");
            if (key == MirrorPod)
                errors.Forbidden(path.Key(key), "may not remove or update mirror pod annotation");
        }
        foreach (var key in pod.Metadata.Annotations.Keys)
        {
            if (old.Metadata.Annotations.ContainsKey(key))
                continue;
            if (key.StartsWith(AppArmorContainer, StringComparison.Ordinal))
                errors.Forbidden(path.Key(key), "may not add AppArmor annotations");
            if (key == MirrorPod)
                errors.Forbidden(path.Key(key), "may not add mirror pod annotation");
        }
        Validate(pod.Metadata.Annotations, pod.Spec, path, errors);
    }

    /// <summary>On create: where an old annotation and its field are both set, they agree.</summary>
    public static void MatchFields(ApiMap<string> annotations, PodSpec spec, FieldPath path, FieldErrors errors)
    {
        if (annotations.IsEmpty)
            return;
        if (spec.SecurityContext?.SeccompProfile is { } ofPod && annotations.TryGetValue(SeccompPod, out var podText))
            MatchSeccomp(podText, ofPod, path.Child("securityContext").Child("seccompProfile"), errors);
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            if (container.SecurityContext?.SeccompProfile is { } own && annotations.TryGetValue(SeccompContainer + container.Name, out var text))
                MatchSeccomp(text, own, at.Child("securityContext").Child("seccompProfile"), errors);
        }
        if (spec.Os?.Name == OSName.Windows)
            return;
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            if ((container.SecurityContext?.AppArmorProfile ?? spec.SecurityContext?.AppArmorProfile) is not { } profile
                || !annotations.TryGetValue(AppArmorContainer + container.Name, out var text))
                continue;
            Match(text, profile.Type, profile.LocalhostProfile, "runtime/default", "apparmor", at.Child("securityContext").Child("appArmorProfile"), errors);
        }
    }

    private static void MatchSeccomp(string text, SeccompProfile profile, FieldPath path, FieldErrors errors) =>
        Match(text == "docker/default" ? "runtime/default" : text, profile.Type, profile.LocalhostProfile, "runtime/default", "seccomp", path, errors);

    private static void Match(string text, string type, string? localhost, string runtimeDefault, string what, FieldPath path, FieldErrors errors)
    {
        var isSame = type switch
        {
            SeccompProfileType.Unconfined => text == "unconfined",
            SeccompProfileType.RuntimeDefault => text == runtimeDefault,
            SeccompProfileType.Localhost => text.StartsWith(LocalhostPrefix, StringComparison.Ordinal),
            _ => true,
        };
        if (!isSame)
            errors.Forbidden(path.Child("type"), $"{what} type in annotation and field must match");
        else if (type == SeccompProfileType.Localhost && text[LocalhostPrefix.Length..] != localhost)
            errors.Forbidden(path.Child("localhostProfile"), $"{what} profile in annotation and field must match");
    }

    private static void ValidateSeccomp(string profile, FieldPath path, FieldErrors errors)
    {
        if (profile is "runtime/default" or "docker/default" or "unconfined")
            return;
        if (profile.StartsWith(LocalhostPrefix, StringComparison.Ordinal))
            VolumeRules.ValidateLocalDescendingPath(profile[LocalhostPrefix.Length..], path, errors);
        else
            errors.Invalid(path, profile, "must be a valid seccomp profile");
    }

    // A leading plus sign and leading zeros are refused, as strconv would take them and readers might not.
    private static bool IsDeletionCost(string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) && !text.StartsWith('+') && (text.Length == 1 || text[0] != '0');
}
