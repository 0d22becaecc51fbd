using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Server.Registry;
using Minke.Server.Webhooks;
using Minke.Store;

namespace Minke.Server.Admission.Webhooks;

/// <summary>
/// The webhooks of all configurations of one kind in the order they are called: by the name of their configuration, then as it lists
/// them. A change of a configuration holds for the next request; the others keep their clients and what was compiled for them.
/// </summary>
internal sealed class WebhookSource(IStateStore store, Resource? resource, Func<IKubeObject, IEnumerable<Webhook>> read)
{
    private readonly Lock _lock = new();
    private volatile Loaded _loaded = Loaded.Nothing; // replaced under _lock

    private sealed record Configuration(string Key, Revision Modified, Webhook[] Webhooks);

    private sealed record Loaded(Configuration[] Configurations, Webhook[] Webhooks)
    {
        public static Loaded Nothing { get; } = new([], []);
    }

    public static WebhookSource OfMutating(IStateStore store, ResourceCatalog catalog, ServiceResolver services) =>
        new(store, catalog.Find(MutatingWebhookConfiguration.KindInfo), value => Numbered(((MutatingWebhookConfiguration)value).Webhooks, hook => hook.Name,
            (hook, number) => Webhook.Of(value.Metadata.Name, number, hook, services)));

    public static WebhookSource OfValidating(IStateStore store, ResourceCatalog catalog, ServiceResolver services) =>
        new(store, catalog.Find(ValidatingWebhookConfiguration.KindInfo), value => Numbered(((ValidatingWebhookConfiguration)value).Webhooks, hook => hook.Name,
            (hook, number) => Webhook.Of(value.Metadata.Name, number, hook, services)));

    /// <summary>Names may come twice: the how manieth of its name each is.</summary>
    private static IEnumerable<Webhook> Numbered<T>(ApiList<T> hooks, Func<T, string> name, Func<T, int, Webhook> make)
    {
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var hook in hooks)
        {
            var number = names.GetValueOrDefault(name(hook));
            names[name(hook)] = number + 1;
            yield return make(hook, number);
        }
    }

    public IReadOnlyList<Webhook> Current()
    {
        if (resource is null)
            return [];
        var snapshot = store.Snapshot();
        var loaded = _loaded;
        if (snapshot.Count(resource.Prefix) == 0 && loaded.Configurations.Length == 0)
            return [];
        return IsCurrent(loaded, snapshot) ? loaded.Webhooks : Load();
    }

    private bool IsCurrent(Loaded loaded, Snapshot snapshot)
    {
        var i = 0;
        foreach (var entry in snapshot.Range(resource!.Prefix))
        {
            if (i == loaded.Configurations.Length || loaded.Configurations[i].Modified != entry.Modified || loaded.Configurations[i].Key != entry.Key)
                return false;
            i++;
        }
        return i == loaded.Configurations.Length;
    }

    private Webhook[] Load()
    {
        lock (_lock)
        {
            // Taken anew: whoever waited for the lock must not bring back what it saw before.
            var (snapshot, before) = (store.Snapshot(), _loaded);
            if (IsCurrent(before, snapshot))
                return before.Webhooks;
            var configurations = new List<Configuration>();
            foreach (var entry in snapshot.Range(resource!.Prefix))
            {
                configurations.Add(Array.Find(before.Configurations, known => known.Modified == entry.Modified && known.Key == entry.Key)
                    ?? new(entry.Key, entry.Modified, [.. read(StoredObject.Read(resource, entry))]));
            }
            _loaded = new([.. configurations], [.. configurations.SelectMany(configuration => configuration.Webhooks)]);
            foreach (var gone in before.Configurations.Except(configurations))
            {
                foreach (var webhook in gone.Webhooks)
                    webhook.Retire();
            }
            return _loaded.Webhooks;
        }
    }
}
