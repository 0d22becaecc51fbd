using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Node.Pods.Environment;

/// <summary>
/// The environment of a container: <c>envFrom</c>, <c>env</c> with <c>$(VAR)</c>, references to ConfigMaps, Secrets, fields and
/// resources, and what the pod's own variables leave of those of Services. (kubelet's makeEnvironmentVariables)
/// </summary>
public sealed class ContainerEnvironment(IApiClient api)
{
    /// <exception cref="ContainerConfigException">A source or a key is missing: <c>couldn't find key x in ConfigMap ns/name</c>.</exception>
    public async Task<ContainerVariables> BuildAsync(Pod pod, Container container, PodPlace place, CancellationToken cancellationToken)
    {
        var sources = new Sources(api, pod.Metadata.Namespace);
        var names = new List<string>();
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        void Set(string name, string value)
        {
            if (!values.ContainsKey(name))
                names.Add(name);
            values[name] = value;
        }

        var services = await ServicesAsync(pod, cancellationToken);
        string? Lookup(string name) => values.GetValueOrDefault(name) ?? services.GetValueOrDefault(name);

        foreach (var from in container.EnvFrom)
        {
            foreach (var (key, value) in await FromAsync(sources, from, cancellationToken))
                Set(from.Prefix + key, value);
        }
        foreach (var variable in container.Env)
        {
            var value = variable.ValueFrom is null
                ? Expansion.Expand(variable.Value, Lookup)
                : await ValueAsync(pod, container, place, sources, variable.ValueFrom, cancellationToken);
            if (value is not null)
                Set(variable.Name, value);
        }
        foreach (var (name, value) in services)
        {
            if (!values.ContainsKey(name))
                Set(name, value);
        }
        return new(
            [.. names.Select(name => KeyValuePair.Create(name, values[name]))],
            container.Command.IsEmpty ? null : [.. container.Command.Select(word => Expansion.Expand(word, values.GetValueOrDefault))],
            container.Args.IsEmpty ? null : [.. container.Args.Select(word => Expansion.Expand(word, values.GetValueOrDefault))]);
    }

    private async Task<SortedDictionary<string, string>> ServicesAsync(Pod pod, CancellationToken cancellationToken)
    {
        var (@namespace, withLinks) = (pod.Metadata.Namespace, pod.Spec.EnableServiceLinks != false);
        var services = new List<Service>();
        if (await api.TryGetAsync<Service>("default", "kubernetes", cancellationToken) is { } own)
            services.Add(own);
        if (withLinks)
            services.AddRange((await api.ListAsync<Service>(@namespace, Selection.All, cancellationToken)).Items);
        return ServiceVariables.For(services, @namespace, withLinks);
    }

    private static async Task<IEnumerable<KeyValuePair<string, string>>> FromAsync(Sources sources, EnvFromSource from, CancellationToken cancellationToken)
    {
        if (from.ConfigMapRef is { } configMap)
            return (await sources.ConfigMapAsync(configMap.Name, configMap.Optional == true, cancellationToken))?.Data ?? default;
        if (from.SecretRef is { } secret)
        {
            var data = (await sources.SecretAsync(secret.Name, secret.Optional == true, cancellationToken))?.Data ?? default;
            return data.Select(pair => KeyValuePair.Create(pair.Key, System.Text.Encoding.UTF8.GetString(pair.Value)));
        }
        return [];
    }

    /// <summary>Null when an optional source or key is not there: the variable is left out.</summary>
    private static async Task<string?> ValueAsync(
        Pod pod, Container container, PodPlace place, Sources sources, EnvVarSource source, CancellationToken cancellationToken)
    {
        if (source.FieldRef is { } field)
            return PodFields.Read(pod, place, field.FieldPath) ?? throw new ContainerConfigException($"unsupported fieldPath: {field.FieldPath}");
        if (source.ResourceFieldRef is { } resource)
        {
            var owner = resource.ContainerName.Length == 0
                ? container
                : pod.Spec.Containers.Concat(pod.Spec.InitContainers).FirstOrDefault(other => other.Name == resource.ContainerName)
                    ?? throw new ContainerConfigException($"container {resource.ContainerName} not found");
            return PodFields.Read(resource, owner, place) ?? throw new ContainerConfigException($"unsupported container resource : {resource.Resource}");
        }
        if (source.ConfigMapKeyRef is { } inMap)
        {
            var map = await sources.ConfigMapAsync(inMap.Name, inMap.Optional == true, cancellationToken);
            if (map is null || map.Data.TryGetValue(inMap.Key, out var text))
                return map?.Data.GetValueOrDefault(inMap.Key);
            return inMap.Optional == true ? null : throw new ContainerConfigException($"couldn't find key {inMap.Key} in ConfigMap {pod.Metadata.Namespace}/{inMap.Name}")
            {
                Missing = (ConfigMap.KindInfo, inMap.Name),
            };
        }
        if (source.SecretKeyRef is { } inSecret)
        {
            var secret = await sources.SecretAsync(inSecret.Name, inSecret.Optional == true, cancellationToken);
            if (secret is null)
                return null;
            if (secret.Data.TryGetValue(inSecret.Key, out var bytes))
                return System.Text.Encoding.UTF8.GetString(bytes);
            return inSecret.Optional == true ? null : throw new ContainerConfigException($"couldn't find key {inSecret.Key} in Secret {pod.Metadata.Namespace}/{inSecret.Name}")
            {
                Missing = (Secret.KindInfo, inSecret.Name),
            };
        }
        return null;
    }

    /// <summary>ConfigMaps and Secrets of one namespace, each asked for once a container.</summary>
    private sealed class Sources(IApiClient api, string @namespace)
    {
        private readonly Dictionary<string, ConfigMap?> _configMaps = new(StringComparer.Ordinal);
        private readonly Dictionary<string, Secret?> _secrets = new(StringComparer.Ordinal);

        public async Task<ConfigMap?> ConfigMapAsync(string name, bool isOptional, CancellationToken cancellationToken)
        {
            if (!_configMaps.TryGetValue(name, out var map))
                _configMaps[name] = map = await api.TryGetAsync<ConfigMap>(@namespace, name, cancellationToken);
            return map ?? (isOptional ? null : throw new ContainerConfigException($"configmap \"{name}\" not found") { Missing = (ConfigMap.KindInfo, name) });
        }

        public async Task<Secret?> SecretAsync(string name, bool isOptional, CancellationToken cancellationToken)
        {
            if (!_secrets.TryGetValue(name, out var secret))
                _secrets[name] = secret = await api.TryGetAsync<Secret>(@namespace, name, cancellationToken);
            return secret ?? (isOptional ? null : throw new ContainerConfigException($"secret \"{name}\" not found") { Missing = (Secret.KindInfo, name) });
        }
    }
}

/// <param name="Env">Names and values in the order they are given to the container; no name twice.</param>
/// <param name="Command"><c>command</c> with <c>$(VAR)</c> expanded; null when absent (the image's).</param>
/// <param name="Args"><c>args</c> with <c>$(VAR)</c> expanded; null when absent.</param>
public sealed record ContainerVariables(
    IReadOnlyList<KeyValuePair<string, string>> Env, IReadOnlyList<string>? Command, IReadOnlyList<string>? Args);
