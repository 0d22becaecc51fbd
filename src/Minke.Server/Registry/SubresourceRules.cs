using Minke.Api;
using Minke.Api.Certificates.V1;
using Minke.Api.Core.V1;

namespace Minke.Server.Registry;

/// <summary>What an update of a subresource may change, for those that are neither the main resource nor status.</summary>
internal static class SubresourceRules
{
    /// <summary>Null for the main resource, whose behaviour says.</summary>
    public static IKubeObject? Prepare(Resource resource, string subresource, IKubeObject value, IKubeObject old) => (subresource, value, old) switch
    {
        ("finalize", Namespace now, Namespace before) => before with { Spec = before.Spec with { Finalizers = now.Spec.Finalizers } },
        ("ephemeralcontainers", Pod now, Pod before) => WithEphemeral(now, before),
        ("approval", CertificateSigningRequest now, CertificateSigningRequest before) =>
            now with { Spec = before.Spec, Status = before.Status with { Conditions = now.Status.Conditions } },
        ("binding", _, _) => value,
        ("", _, _) => null,
        _ => throw StatusException.NoResource(),
    };

    /// <summary>Ephemeral containers are added and never changed or taken away. (ValidatePodEphemeralContainersUpdate)</summary>
    private static Pod WithEphemeral(Pod now, Pod before)
    {
        var errors = new FieldErrors();
        FieldPath path = "spec.ephemeralContainers";
        if (before.Metadata.Annotations.ContainsKey("kubernetes.io/config.mirror"))
            errors.Forbidden("", "static pods do not support ephemeral containers");
        foreach (var old in before.Spec.EphemeralContainers)
        {
            var index = now.Spec.EphemeralContainers.ToList().FindIndex(one => one.Name == old.Name);
            if (index < 0)
                errors.Forbidden(path, $"existing ephemeral containers {FieldErrors.Quote(old.Name)} may not be removed\n");
            else if (!Json.Same(old, now.Spec.EphemeralContainers[index]))
                errors.Forbidden(path, $"existing ephemeral containers {FieldErrors.Quote(old.Name)} may not be changed\n");
        }
        var names = before.Spec.Containers.Concat(before.Spec.InitContainers).Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < now.Spec.EphemeralContainers.Count; i++)
        {
            var container = now.Spec.EphemeralContainers[i];
            var place = path.Index(i);
            if (container.Name.Length == 0)
                errors.Required(place.Child("name"));
            foreach (var error in container.Name.Length == 0 ? [] : Names.Dns1123Label(container.Name))
                errors.Invalid(place.Child("name"), container.Name, error);
            if (!names.Add(container.Name))
                errors.Duplicate(place.Child("name"), container.Name);
            if (container.Image.Trim().Length == 0)
                errors.Required(place.Child("image"));
            if (container.TargetContainerName.Length > 0
                && !before.Spec.Containers.Concat(before.Spec.InitContainers).Any(one => one.Name == container.TargetContainerName))
                errors.NotFound(place.Child("targetContainerName"), container.TargetContainerName);
            foreach (var (field, isSet) in (ReadOnlySpan<(string, bool)>)
                [("ports", !container.Ports.IsEmpty), ("livenessProbe", container.LivenessProbe is not null), ("readinessProbe", container.ReadinessProbe is not null),
                    ("startupProbe", container.StartupProbe is not null), ("lifecycle", container.Lifecycle is not null)])
            {
                if (isSet)
                    errors.Forbidden(place.Child(field), "cannot be set for an Ephemeral Container");
            }
        }
        return errors.Count > 0
            ? throw StatusException.Invalid(Pod.KindInfo, before.Metadata.Name, errors)
            : before with { Spec = before.Spec with { EphemeralContainers = now.Spec.EphemeralContainers } };
    }
}
