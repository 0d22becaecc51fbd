using System.Net;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Webhooks;

/// <summary>Where to find a Service from this process: behind one of its endpoints, or at its cluster address when it has none.</summary>
internal sealed class ServiceResolver(IStateStore store, ResourceCatalog catalog, IdSource ids)
{
    /// <exception cref="WebhookException">No such Service, port or endpoint.</exception>
    public EndPoint Resolve(string @namespace, string name, int port)
    {
        var snapshot = store.Snapshot();
        if (Find<Service>(snapshot, Service.KindInfo, @namespace, name) is not { } service)
            throw new WebhookException($"service {FieldErrors.Quote(name)} not found");
        if (service.Spec.Ports.FirstOrDefault(one => one.Port == port) is not { } served)
            throw new WebhookException($"no service port {port} found for service {FieldErrors.Quote(name)}");
        if (service.Spec.Type == ServiceType.ExternalName)
            return new DnsEndPoint(service.Spec.ExternalName, port);

        var ready = new List<IPEndPoint>();
        foreach (var subset in Find<Endpoints>(snapshot, Endpoints.KindInfo, @namespace, name)?.Subsets ?? default)
        {
            if (subset.Ports.FirstOrDefault(one => one.Name == served.Name) is not { } target)
                continue;
            foreach (var address in subset.Addresses)
            {
                if (IPAddress.TryParse(address.Ip, out var ip))
                    ready.Add(new(ip, target.Port));
            }
        }
        if (ready.Count > 0)
            return ready[(int)(ids.NewFraction() * ready.Count)];
        return IPAddress.TryParse(service.Spec.ClusterIP, out var cluster) && service.Spec.Selector.IsEmpty
            ? new IPEndPoint(cluster, port)
            : throw new WebhookException($"no endpoints available for service {FieldErrors.Quote(name)}");
    }

    private T? Find<T>(Snapshot snapshot, KindInfo kind, string @namespace, string name) where T : class, IKubeObject =>
        catalog.Find(kind) is { } resource && snapshot.Get(resource.Key(@namespace, name)) is { } entry ? (T)StoredObject.Read(resource, entry) : null;
}
