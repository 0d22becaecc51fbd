using System.Runtime.CompilerServices;
using Minke.Api;
using Minke.Api.Authentication.V1;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Api.Policy.V1;
using Minke.Client;
using Minke.Server.Registry;
using Minke.Server.Requests;
using Minke.Server.Subresources;
using InProcessUser = Minke.Server.Access.UserInfo;

namespace Minke.Server.InProcess;

/// <summary>The API without a wire: the same checks as over HTTPS, and the store's own immutable objects as answers.</summary>
internal sealed class InProcessClient(ObjectRegistry registry, PodOperations pods, TokenRequests tokens, AccessReviews reviews, string fieldManager) : IApiClient
{
    public IApiClient As(string component) => new InProcessClient(registry, pods, tokens, reviews, component);

    public Task<T> GetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        Task.FromResult((T?)registry.TryGet(Resource<T>(), @namespace ?? "", name) ?? throw StatusException.NotFound(T.KindInfo, name));

    public Task<T?> TryGetAsync<T>(string? @namespace, string name, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        Task.FromResult((T?)registry.TryGet(Resource<T>(), @namespace ?? "", name));

    public async Task<ObjectList<T>> ListAsync<T>(string? @namespace, Selection selection, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        var resource = Resource<T>();
        var list = await registry.ListAsync(resource, @namespace ?? "", Query(T.KindInfo, selection, "", isWatch: false), cancellationToken);
        var items = new T[list.Entries.Count];
        for (var i = 0; i < items.Length; i++)
            items[i] = (T)StoredObject.Read(resource, list.Entries[i]);
        return new(new ListMeta { ResourceVersion = list.Revision.ToString() }, items);
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        string? @namespace, Selection selection, string resourceVersion, [EnumeratorCancellation] CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        await foreach (var change in WatchAsync(T.KindInfo, @namespace, selection, resourceVersion, cancellationToken))
            yield return new(change.Type, (T?)change.Object, change.ResourceVersion);
    }

    public async IAsyncEnumerable<WatchEvent<IKubeObject>> WatchAsync(
        KindInfo kind, string? @namespace, Selection selection, string resourceVersion, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var resource = Resource(kind);
        var batches = registry.WatchAsync(resource, @namespace ?? "", Query(kind, selection, resourceVersion, isWatch: true), Timeout.InfiniteTimeSpan, cancellationToken);
        await foreach (var batch in batches.WithCancellation(cancellationToken))
        {
            foreach (var notice in batch)
            {
                var value = notice.Entry is { } entry ? StoredObject.Read(resource, entry) : null;
                var revision = notice.Revision.ToString();
                if (value is not null && notice.Type == WatchEventType.Deleted)
                    value = value.WithMetadata(value.Metadata with { ResourceVersion = revision });
                yield return new(notice.Type, value, revision);
            }
        }
    }

    public async Task<T> CreateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        var resource = Resource<T>();
        if (value is Binding binding)
        {
            await pods.BindAsync(binding.Metadata.Namespace, binding.Metadata.Name, binding, Context(), cancellationToken);
            return value;
        }
        if (resource.IsVirtual)
            return (T)(await reviews.AnswerAsync(value, InProcessUser.InProcess, value.Metadata.Namespace, cancellationToken) ?? throw StatusException.NoResource());
        var defaulted = ObjectDecoder.WithDefaults(resource, value);
        return (T)(await registry.CreateAsync(resource, value.Metadata.Namespace, defaulted, Context(), cancellationToken)).Object;
    }

    public async Task<T> UpdateAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T> => await UpdateAsync(value, "", cancellationToken);

    public async Task<T> UpdateStatusAsync<T>(T value, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        await UpdateAsync(value, "status", cancellationToken);

    public async Task<T> PatchAsync<T>(
        string? @namespace, string name, ApiPatch patch, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        (T)await PatchAsync(T.KindInfo, @namespace, name, patch, cancellationToken);

    public async Task<IKubeObject> PatchAsync(KindInfo kind, string? @namespace, string name, ApiPatch patch, CancellationToken cancellationToken)
    {
        var resource = Resource(kind);
        var isApply = patch.Kind == PatchKind.Apply;
        var context = new WriteContext { User = InProcessUser.InProcess, FieldManager = patch.FieldManager ?? fieldManager, HasFinalManagers = isApply };
        Func<IKubeObject?, IKubeObject> change;
        if (isApply)
        {
            var config = ApplyBody.Read(patch.Body, patch.Force, out _);
            change = old => registry.Ownership.Apply(resource, patch.Subresource, old, config, context);
        }
        else
        {
            change = PatchBody.Change(resource, patch, FieldValidation.Ignore, context);
        }
        return (await registry.UpdateAsync(resource, patch.Subresource, @namespace ?? "", name, change, isPatch: true, context, cancellationToken)).Object;
    }

    public Task<IKubeObject?> TryGetAsync(KindInfo kind, string? @namespace, string name, CancellationToken cancellationToken) =>
        Task.FromResult(registry.TryGet(Resource(kind), @namespace ?? "", name));

    public Task<T> UpdateSubresourceAsync<T>(T value, string subresource, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        UpdateAsync(value, subresource, cancellationToken);

    public async Task<ObjectList<IKubeObject>> ListAsync(KindInfo kind, string? @namespace, Selection selection, CancellationToken cancellationToken)
    {
        var resource = Resource(kind);
        var list = await registry.ListAsync(resource, @namespace ?? "", Query(kind, selection, "", isWatch: false), cancellationToken);
        return new(new ListMeta { ResourceVersion = list.Revision.ToString() }, [.. list.Entries.Select(entry => StoredObject.Read(resource, entry))]);
    }

    public async Task DeleteAsync(KindInfo kind, string? @namespace, string name, DeleteOptions options, CancellationToken cancellationToken) =>
        await registry.DeleteAsync(Resource(kind), @namespace ?? "", name, options, Context(), cancellationToken);

    public async Task DeleteAsync<T>(
        string? @namespace, string name, DeleteOptions options, CancellationToken cancellationToken) where T : class, IKubeObject<T> =>
        await registry.DeleteAsync(Resource<T>(), @namespace ?? "", name, options, Context(), cancellationToken);

    public async Task<IJsonWritable> CreateSubresourceAsync<T>(
        string? @namespace, string name, string subresource, IJsonWritable body, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        switch (subresource, body)
        {
            case ("token", TokenRequest asked):
                return await tokens.CreateAsync(@namespace ?? "", name, asked, Context(), cancellationToken);
            case ("binding", Binding binding):
                await pods.BindAsync(@namespace ?? "", name, binding, Context(), cancellationToken);
                return new Status { StatusValue = "Success", Code = 201 };
            case ("eviction", Eviction eviction):
                await pods.EvictAsync(@namespace ?? "", name, eviction, Context(), cancellationToken);
                return new Status { StatusValue = "Success", Code = 201 };
            default:
                throw StatusException.NoResource();
        }
    }

    private async Task<T> UpdateAsync<T>(T value, string subresource, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        var resource = Resource<T>();
        var defaulted = ObjectDecoder.WithDefaults(resource, value);
        var written = await registry.UpdateAsync(
            resource, subresource, value.Metadata.Namespace, value.Metadata.Name, _ => defaulted, isPatch: false, Context(), cancellationToken);
        return (T)written.Object;
    }

    private Resource Resource<T>() where T : class, IKubeObject<T> => Resource(T.KindInfo);

    // A custom kind's description changes with its definition; its name stays.
    private Resource Resource(KindInfo kind) =>
        registry.Catalog.Find(kind) ?? registry.Catalog.Find(kind.Group, kind.Version, kind.Plural) ?? throw StatusException.NoResource();

    private WriteContext Context() => new() { User = InProcessUser.InProcess, FieldManager = fieldManager };

    private static ListQuery Query(KindInfo kind, Selection selection, string resourceVersion, bool isWatch) => ListQuery.From(
        new ListOptions
        {
            LabelSelector = selection.Labels ?? "",
            FieldSelector = selection.Fields ?? "",
            ResourceVersion = resourceVersion,
            Watch = isWatch,
            AllowWatchBookmarks = isWatch,
        },
        kind);
}
