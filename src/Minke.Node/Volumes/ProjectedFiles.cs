using System.Text;
using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Core.V1;
using Minke.Client;
using Minke.Node.Pods;
using Minke.Node.Pods.Environment;

namespace Minke.Node.Volumes;

/// <summary>The files of a ConfigMap, Secret, downward API or projected volume as they should be now.</summary>
internal sealed class ProjectedFiles(IApiClient api, TimeProvider time)
{
    private const uint DefaultMode = 0x1a4; // 0644
    private const uint TokenMode = 0x180; // 0600
    private static readonly TimeSpan MaxTokenAge = TimeSpan.FromHours(24);

    /// <param name="Files">By relative path.</param>
    /// <param name="RefreshAt">When a token should be asked for anew; null for never.</param>
    internal sealed record Result(SortedDictionary<string, VolumeFile> Files, DateTimeOffset? RefreshAt);

    /// <summary>Tokens a pod has, by volume and path: files around a token change more often than the token.</summary>
    internal sealed class Tokens : Dictionary<(string Volume, string Path), (string Token, DateTimeOffset RefreshAt)>;

    private sealed class SourceException(string message) : Exception(message);

    /// <summary>The objects a volume shows, to be watched: kind and name.</summary>
    public static IEnumerable<(KindInfo Kind, string Name)> SourcesOf(Volume volume)
    {
        if (volume.ConfigMap is { } configMap)
            yield return (ConfigMap.KindInfo, configMap.Name);
        if (volume.Secret is { } secret)
            yield return (Secret.KindInfo, secret.SecretName);
        foreach (var source in volume.Projected?.Sources ?? default)
        {
            if (source.ConfigMap is not null)
                yield return (ConfigMap.KindInfo, source.ConfigMap.Name);
            if (source.Secret is not null)
                yield return (Secret.KindInfo, source.Secret.Name);
        }
    }

    /// <exception cref="VolumeException">A source is missing or was refused.</exception>
    public async Task<Result> ReadAsync(Pod pod, PodPlace place, Volume volume, Tokens tokens, CancellationToken cancellationToken)
    {
        var files = new SortedDictionary<string, VolumeFile>(StringComparer.Ordinal);
        DateTimeOffset? refreshAt = null;
        try
        {
            if (volume.ConfigMap is { } configMap)
                await AddConfigMapAsync(files, pod, configMap.Name, configMap.Items, configMap.DefaultMode, configMap.Optional, cancellationToken);
            else if (volume.Secret is { } secret)
                await AddSecretAsync(files, pod, secret.SecretName, secret.Items, secret.DefaultMode, secret.Optional, cancellationToken);
            else if (volume.DownwardAPI is { } downward)
                AddDownward(files, pod, place, downward.Items, downward.DefaultMode);
            else if (volume.Projected is { } projected)
            {
                foreach (var source in projected.Sources)
                {
                    if (source.ConfigMap is { } map)
                        await AddConfigMapAsync(files, pod, map.Name, map.Items, projected.DefaultMode, map.Optional, cancellationToken);
                    else if (source.Secret is { } hidden)
                        await AddSecretAsync(files, pod, hidden.Name, hidden.Items, projected.DefaultMode, hidden.Optional, cancellationToken);
                    else if (source.DownwardAPI is { } fields)
                        AddDownward(files, pod, place, fields.Items, projected.DefaultMode);
                    else if (source.ServiceAccountToken is { } token)
                        refreshAt = Earlier(refreshAt, await AddTokenAsync(files, pod, volume.Name, token, projected.DefaultMode, tokens, cancellationToken));
                    else
                        throw new SourceException("clusterTrustBundle sources are not supported by Minke");
                }
            }
        }
        catch (Exception e) when (e is SourceException or StatusException)
        {
            throw new VolumeException([new(volume.Name, "FailedMount", $"MountVolume.SetUp failed for volume \"{volume.Name}\" : {e.Message}")]);
        }
        return new(files, refreshAt);
    }

    private async Task AddConfigMapAsync(
        SortedDictionary<string, VolumeFile> files, Pod pod, string name, ApiList<KeyToPath> items, int? mode, bool? optional, CancellationToken cancellationToken)
    {
        var map = await api.TryGetAsync<ConfigMap>(pod.Metadata.Namespace, name, cancellationToken);
        if (map is null && optional != true)
            throw new SourceException($"configmap \"{name}\" not found");
        var data = (map?.Data ?? default).Select(pair => KeyValuePair.Create(pair.Key, Encoding.UTF8.GetBytes(pair.Value))).Concat(map?.BinaryData ?? default);
        AddItems(files, ApiMap.From(data), items, mode, optional == true, "configmap references non-existent config key: ");
    }

    private async Task AddSecretAsync(
        SortedDictionary<string, VolumeFile> files, Pod pod, string name, ApiList<KeyToPath> items, int? mode, bool? optional, CancellationToken cancellationToken)
    {
        var secret = await api.TryGetAsync<Secret>(pod.Metadata.Namespace, name, cancellationToken);
        if (secret is null && optional != true)
            throw new SourceException($"secret \"{name}\" not found");
        AddItems(files, secret?.Data ?? default, items, mode, optional == true, "references non-existent secret key: ");
    }

    private static void AddItems(
        SortedDictionary<string, VolumeFile> files, ApiMap<byte[]> data, ApiList<KeyToPath> items, int? mode, bool isOptional, string missing)
    {
        if (items.IsEmpty)
        {
            foreach (var (key, content) in data)
                files[key] = new(content, Mode(null, mode));
            return;
        }
        foreach (var item in items)
        {
            if (data.TryGetValue(item.Key, out var content))
                files[item.Path] = new(content, Mode(item.Mode, mode));
            else if (!isOptional)
                throw new SourceException(missing + item.Key);
        }
    }

    private static void AddDownward(SortedDictionary<string, VolumeFile> files, Pod pod, PodPlace place, ApiList<DownwardAPIVolumeFile> items, int? mode)
    {
        foreach (var item in items)
        {
            var text = item.FieldRef is { } field
                ? PodFields.Read(pod, place, field.FieldPath) ?? throw new SourceException($"unsupported fieldPath: {field.FieldPath}")
                : item.ResourceFieldRef is { } resource
                    ? PodFields.Read(resource, ContainerOf(pod, resource.ContainerName), place) ?? throw new SourceException($"unsupported container resource : {resource.Resource}")
                    : "";
            files[item.Path] = new(Encoding.UTF8.GetBytes(text), Mode(item.Mode, mode));
        }
    }

    private async Task<DateTimeOffset> AddTokenAsync(
        SortedDictionary<string, VolumeFile> files, Pod pod, string volume, ServiceAccountTokenProjection source, int? mode, Tokens tokens,
        CancellationToken cancellationToken)
    {
        var key = (volume, source.Path);
        if (!tokens.TryGetValue(key, out var token) || token.RefreshAt <= time.GetUtcNow())
            tokens[key] = token = await RequestTokenAsync(pod, source, cancellationToken);
        var owner = SameUser(pod);
        // Others in the container need not read it, if we can tell who must. (kubelet: projected.go)
        var isPrivate = owner is not null || pod.Spec.SecurityContext?.FsGroup is not null;
        files[source.Path] = new(Encoding.UTF8.GetBytes(token.Token), isPrivate ? TokenMode : Mode(null, mode), owner);
        return token.RefreshAt;
    }

    private async Task<(string Token, DateTimeOffset RefreshAt)> RequestTokenAsync(
        Pod pod, ServiceAccountTokenProjection source, CancellationToken cancellationToken)
    {
        var request = new TokenRequest
        {
            Spec = new TokenRequestSpec
            {
                Audiences = source.Audience.Length == 0 ? [] : [source.Audience],
                ExpirationSeconds = source.ExpirationSeconds ?? 3600,
                BoundObjectRef = new BoundObjectReference { ApiVersion = "v1", Kind = "Pod", Name = pod.Metadata.Name, Uid = pod.Metadata.Uid },
            },
        };
        var reply = (TokenRequest)await api.CreateSubresourceAsync<ServiceAccount>(
            pod.Metadata.Namespace, pod.Spec.ServiceAccountName, "token", request, cancellationToken);
        var now = time.GetUtcNow();
        var lifetime = reply.Status.ExpirationTimestamp.ToDateTimeOffset() - now;
        return (reply.Status.Token, now + (lifetime * 0.8 < MaxTokenAge ? lifetime * 0.8 : MaxTokenAge));
    }

    /// <summary>The user every container runs as, when they all say the same.</summary>
    private static long? SameUser(Pod pod)
    {
        var users = pod.Spec.Containers.Concat(pod.Spec.InitContainers)
            .Select(container => container.SecurityContext?.RunAsUser ?? pod.Spec.SecurityContext?.RunAsUser).Distinct().ToList();
        return users.Count == 1 ? users[0] : null;
    }

    private static Container ContainerOf(Pod pod, string name) =>
        pod.Spec.Containers.Concat(pod.Spec.InitContainers).FirstOrDefault(container => container.Name == name)
        ?? throw new SourceException($"container {name} not found");

    private static uint Mode(int? own, int? common) => (uint)(own ?? common ?? (int)DefaultMode);

    private static DateTimeOffset Earlier(DateTimeOffset? a, DateTimeOffset b) => a is { } some && some < b ? some : b;
}
