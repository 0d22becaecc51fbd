using Microsoft.Extensions.Logging;
using Minke.Api.Core.V1;
using Minke.Api.Discovery.V1;
using Minke.Client;
using Minke.Control.Access;
using Minke.Control.Lifecycle;
using Minke.Control.Lifecycle.Ownership;
using Minke.Control.Quotas;
using Minke.Control.Scheduling;
using Minke.Control.Services;
using Minke.Control.Storage;

namespace Minke.Control;

/// <summary>All controllers of the control plane with the caches they share; a client of the API like any other.</summary>
/// <param name="api">Their way to the API.</param>
/// <param name="rootCertificatePem">The cluster CA's certificate, for <c>kube-root-ca.crt</c>.</param>
/// <param name="sign">Signs with that CA's key.</param>
/// <param name="kinds">What is served: what a namespace may hold, what may own and be owned.</param>
/// <param name="time">The clock.</param>
/// <param name="loggers">Where they log.</param>
public sealed class ControlPlane(IApiClient api, string rootCertificatePem, CertificateSigner sign, IServedKinds kinds, TimeProvider time, ILoggerFactory loggers)
{
    /// <summary>Where pods find the API; null where they need not.</summary>
    public ApiServerAddress? ApiServer { get; init; }

    private static readonly string[] SystemNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var log = loggers.CreateLogger("Minke.Control.Informer");
        var pods = new Informer<Pod>(api, null, Selection.All, time, log);
        var nodes = new Informer<Node>(api, null, Selection.All, time, log);
        var namespaces = new Informer<Namespace>(api, null, Selection.All, time, log);
        var accounts = new Informer<ServiceAccount>(api, null, Selection.All, time, log);
        var rootCertificates = new Informer<ConfigMap>(api, null, new(Fields: "metadata.name=" + NamespaceContents.RootCertificates), time, log);

        var schedulerApi = api.As(Scheduler.ManagerName);
        var events = new EventRecorder(schedulerApi, Scheduler.Name, "", time, loggers.CreateLogger<EventRecorder>());
        var scheduler = new Scheduler(pods, nodes, schedulerApi, events, time, loggers.CreateLogger<Scheduler>());
        scheduler.Subscribe();

        var deletion = new NamespaceController(namespaces, api, kinds, time, loggers);
        var contents = new ReconcileLoop(
            "namespace-contents", new NamespaceContents(namespaces, accounts, rootCertificates, api, rootCertificatePem), time, loggers.CreateLogger<ReconcileLoop>(), workers: 2);
        namespaces.OnChange(change => contents.Enqueue(change.Key));
        accounts.OnChange(change => Again(contents, NamespaceContents.NamespaceOf(change)));
        rootCertificates.OnChange(change => Again(contents, NamespaceContents.NamespaceOf(change)));

        var taints = new ReconcileLoop("node-taints", new NodeTaints(nodes, api.As("node-controller"), time), time, loggers.CreateLogger<ReconcileLoop>());
        nodes.OnChange(change => taints.Enqueue(change.Key));
        var storage = new StorageControllers(api, pods, time, loggers);

        await EnsureSystemNamespacesAsync(cancellationToken);
        // The caches of accounts and certificates first: an empty cache would look like everything missing.
        var caches = Task.WhenAll(pods.RunAsync(cancellationToken), nodes.RunAsync(cancellationToken), accounts.RunAsync(cancellationToken), rootCertificates.RunAsync(cancellationToken));
        await Task.WhenAll(accounts.WaitForSyncAsync(cancellationToken), rootCertificates.WaitForSyncAsync(cancellationToken));
        await Task.WhenAll(
            caches, namespaces.RunAsync(cancellationToken), events.RunAsync(cancellationToken), scheduler.RunAsync(cancellationToken),
            deletion.RunAsync(cancellationToken), contents.RunAsync(cancellationToken), taints.RunAsync(cancellationToken), storage.RunAsync(cancellationToken),
            KeepApiServiceAsync(cancellationToken),
            new AccessControllers(api, rootCertificatePem, sign, time, loggers).RunAsync(cancellationToken),
            new QuotaController(api, kinds, time, loggers).RunAsync(cancellationToken),
            new GarbageCollector(api.As("generic-garbage-collector"), kinds, time, loggers).RunAsync(cancellationToken));
    }

    private async Task KeepApiServiceAsync(CancellationToken cancellationToken)
    {
        if (ApiServer is not { } server)
            return;
        var log = loggers.CreateLogger("Minke.Control.Informer");
        var own = new Selection(Fields: "metadata.name=" + ApiServerService.Name);
        var services = new Informer<Service>(api, ApiServerService.Namespace, own, time, log);
        var endpoints = new Informer<Endpoints>(api, ApiServerService.Namespace, own, time, log);
        var slices = new Informer<EndpointSlice>(api, ApiServerService.Namespace, own, time, log);
        var loop = new ReconcileLoop("api-service", new ApiServerService(services, endpoints, slices, api, server), time, loggers.CreateLogger<ReconcileLoop>());
        services.OnChange(_ => loop.Enqueue(ApiServerService.Key));
        endpoints.OnChange(_ => loop.Enqueue(ApiServerService.Key));
        slices.OnChange(_ => loop.Enqueue(ApiServerService.Key));
        var caches = Task.WhenAll(services.RunAsync(cancellationToken), endpoints.RunAsync(cancellationToken), slices.RunAsync(cancellationToken));
        await Task.WhenAll(services.WaitForSyncAsync(cancellationToken), endpoints.WaitForSyncAsync(cancellationToken), slices.WaitForSyncAsync(cancellationToken));
        loop.Enqueue(ApiServerService.Key);
        await Task.WhenAll(caches, loop.RunAsync(cancellationToken));
    }

    private async Task EnsureSystemNamespacesAsync(CancellationToken cancellationToken)
    {
        foreach (var name in SystemNamespaces)
        {
            if (await api.TryGetAsync<Namespace>(null, name, cancellationToken) is null)
                await api.CreateAsync(new Namespace { Metadata = new() { Name = name } }, cancellationToken);
        }
    }

    private static void Again(ReconcileLoop loop, ObjectKey? key)
    {
        if (key is { } some)
            loop.Enqueue(some);
    }
}
