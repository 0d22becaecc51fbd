using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Environment variables and where their values come from.</summary>
internal static class EnvRules
{
    private static readonly string[] Fields =
        ["metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"];
    private static readonly string[] ResourceNames =
        ["limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"];

    // What a field label may be at all; which of them a place takes is narrower.
    private static readonly string[] KnownLabels =
    [
        "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.restartPolicy",
        "spec.serviceAccountName", "spec.schedulerName", "status.phase", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs", "spec.host",
    ];
    private static readonly string[] CpuDivisors = ["1m", "1"];
    private static readonly string[] ByteDivisors = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

    public static void Validate(ApiList<EnvVar> variables, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < variables.Count; i++)
        {
            var (variable, at) = (variables[i], path.Index(i));
            if (variable.Name.Length == 0)
                errors.Required(at.Child("name"));
            else
                PodRules.Each(Names.RelaxedEnvironmentVariable(variable.Name), at.Child("name"), variable.Name, errors);
            if (variable.ValueFrom is { } source)
                ValidateSource(variable, source, at.Child("valueFrom"), errors);
        }
    }

    public static void ValidateFrom(ApiList<EnvFromSource> sources, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < sources.Count; i++)
        {
            var (source, at) = (sources[i], path.Index(i));
            if (source.Prefix.Length > 0)
                PodRules.Each(Names.RelaxedEnvironmentVariable(source.Prefix), at.Child("prefix"), source.Prefix, errors);
            if (source.ConfigMapRef is { } configMap)
                ValidateName(configMap.Name, at.Child("configMapRef").Child("name"), errors);
            if (source.SecretRef is { } secret)
                ValidateName(secret.Name, at.Child("secretRef").Child("name"), errors);
            if (source.ConfigMapRef is null && source.SecretRef is null)
                errors.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
            else if (source.ConfigMapRef is not null && source.SecretRef is not null)
                errors.Invalid(path, "", "may not have more than one field specified at a time");
        }
    }

    public static void ValidateFieldRef(ObjectFieldSelector field, IReadOnlyCollection<string> supported, FieldPath path, FieldErrors errors)
    {
        if (field.ApiVersion.Length == 0)
        {
            errors.Required(path.Child("apiVersion"));
            return;
        }
        if (field.FieldPath.Length == 0)
        {
            errors.Required(path.Child("fieldPath"));
            return;
        }
        if (field.ApiVersion != "v1")
        {
            NotConverted($"unsupported pod version: {field.ApiVersion}");
            return;
        }
        var bracket = field.FieldPath.IndexOf("['", StringComparison.Ordinal);
        if (bracket > 0 && field.FieldPath.EndsWith("']", StringComparison.Ordinal))
        {
            var (map, key) = (field.FieldPath[..bracket], field.FieldPath[(bracket + 2)..^2]);
            switch (map)
            {
                case "metadata.annotations":
                    PodRules.Each(Names.QualifiedName(key.ToLowerInvariant()), path, key.ToLowerInvariant(), errors);
                    break;
                case "metadata.labels":
                    PodRules.Each(Names.QualifiedName(key), path, key, errors);
                    break;
                default:
                    NotConverted($"field label does not support subscript: {field.FieldPath}");
                    break;
            }
            return;
        }
        if (!KnownLabels.Contains(field.FieldPath))
        {
            NotConverted($"field label not supported: {field.FieldPath}");
            return;
        }
        var known = field.FieldPath == "spec.host" ? "spec.nodeName" : field.FieldPath;
        if (!supported.Contains(known))
            errors.NotSupported(path.Child("fieldPath"), known, supported);

        void NotConverted(string why) => errors.Invalid(path.Child("fieldPath"), field.FieldPath, "error converting fieldPath: " + why);
    }

    public static void ValidateResourceRef(ResourceFieldSelector resource, IReadOnlyCollection<string> supported, FieldPath path, FieldErrors errors, bool isVolume)
    {
        if (isVolume && resource.ContainerName.Length == 0)
            errors.Required(path.Child("containerName"));
        else if (resource.Resource.Length == 0)
            errors.Required(path.Child("resource"));
        else if (!supported.Contains(resource.Resource) && !IsHugePages(resource.Resource))
            errors.NotSupported(path.Child("resource"), resource.Resource, supported);
        if (resource.Divisor.IsZero)
            return;
        var (divisors, what) = resource.Resource switch
        {
            "limits.cpu" or "requests.cpu" => (CpuDivisors, "cpu"),
            "limits.memory" or "requests.memory" => (ByteDivisors, "memory"),
            "limits.ephemeral-storage" or "requests.ephemeral-storage" => (ByteDivisors, "local ephemeral storage"),
            _ when IsHugePages(resource.Resource) => (ByteDivisors, "hugepages"),
            _ => ([], ""),
        };
        if (what.Length > 0 && !divisors.Contains(resource.Divisor.ToString()))
        {
            errors.Invalid(path.Child("divisor"), resource.Resource, what == "cpu"
                ? "only divisor's values 1m and 1 are supported with the cpu resource"
                : $"only divisor's values {string.Join(", ", divisors)} are supported with the {what} resource");
        }
    }

    private static bool IsHugePages(string resource) =>
        resource.StartsWith("requests.hugepages-", StringComparison.Ordinal) || resource.StartsWith("limits.hugepages-", StringComparison.Ordinal);

    private static void ValidateSource(EnvVar variable, EnvVarSource source, FieldPath path, FieldErrors errors)
    {
        var count = 0;
        if (source.FieldRef is { } field)
        {
            count++;
            ValidateFieldRef(field, Fields, path.Child("fieldRef"), errors);
        }
        if (source.ResourceFieldRef is { } resource)
        {
            count++;
            ValidateResourceRef(resource, ResourceNames, path.Child("resourceFieldRef"), errors, isVolume: false);
        }
        if (source.ConfigMapKeyRef is { } configMap)
        {
            count++;
            ValidateKeyRef(configMap.Name, configMap.Key, path.Child("configMapKeyRef"), errors);
        }
        if (source.SecretKeyRef is { } secret)
        {
            count++;
            ValidateKeyRef(secret.Name, secret.Key, path.Child("secretKeyRef"), errors);
        }
        if (count == 0)
            errors.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
        else if (variable.Value.Length > 0)
            errors.Invalid(path, "", "may not be specified when `value` is not empty");
        else if (count > 1)
            errors.Invalid(path, "", "may not have more than one field specified at a time");
    }

    private static void ValidateKeyRef(string name, string key, FieldPath path, FieldErrors errors)
    {
        PodRules.Each(Names.Dns1123Subdomain(name), path.Child("name"), name, errors);
        if (key.Length == 0)
            errors.Required(path.Child("key"));
        else
            PodRules.Each(Names.ConfigMapKey(key), path.Child("key"), key, errors);
    }

    private static void ValidateName(string name, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
            errors.Required(path);
        else
            PodRules.Each(Names.Dns1123Subdomain(name), path, name, errors);
    }
}
