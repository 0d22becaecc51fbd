using System.Net;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Discovery.V1;
using Minke.Api.Meta.V1;
using Minke.Client;

namespace Minke.Control.Services;

/// <summary>Where the API is, as pods see it.</summary>
/// <param name="Address">Of the Service: the first of the Services' range.</param>
/// <param name="Endpoint">Behind it; null when the server listens for its own machine alone.</param>
/// <param name="Port">Where the server listens.</param>
public sealed record ApiServerAddress(IPAddress Address, IPAddress? Endpoint, int Port);

/// <summary>
/// Keeps the Service <c>default/kubernetes</c>, its Endpoints and its EndpointSlice: made anew when deleted, put right when changed.
/// (pkg/controlplane/controller/kubernetesservice)
/// </summary>
/// <remarks>There is one key: whatever changes, all three are looked at.</remarks>
public sealed class ApiServerService(
    Informer<Service> services, Informer<Endpoints> endpoints, Informer<EndpointSlice> slices, IApiClient api, ApiServerAddress server) : IReconciler
{
    public const string Name = "kubernetes";
    public const string Namespace = "default";
    private const string PortName = "https";
    private const int Port = 443;

    public static ObjectKey Key { get; } = new(Namespace, Name);

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        await EnsureAsync(services.Get(key), NewService(), (now, wanted) => now with { Spec = now.Spec with { Ports = wanted.Spec.Ports, Type = wanted.Spec.Type } }, cancellationToken);
        await EnsureAsync(endpoints.Get(key), NewEndpoints(), (now, wanted) => now with { Subsets = wanted.Subsets }, cancellationToken);
        await EnsureAsync(slices.Get(key), NewSlice(), (now, wanted) => now with { Endpoints = wanted.Endpoints, Ports = wanted.Ports }, cancellationToken);
        return Requeue.Never;
    }

    private async Task EnsureAsync<T>(T? now, T wanted, Func<T, T, T> corrected, CancellationToken cancellationToken) where T : class, IKubeObject<T>
    {
        try
        {
            if (now is null)
                await api.CreateAsync(wanted, cancellationToken);
            else if (corrected(now, wanted) is var right && !Json.Same(right, now))
                await api.UpdateAsync(right, cancellationToken);
        }
        catch (StatusException e) when (e.Reason is StatusReason.AlreadyExists or StatusReason.Conflict or StatusReason.NotFound)
        {
            // The cache lags our own last write or somebody's: the watch brings the key again.
        }
    }

    private Service NewService() => new()
    {
        Metadata = Metadata([new("component", "apiserver"), new("provider", "kubernetes")]),
        Spec = new()
        {
            Type = ServiceType.ClusterIP,
            ClusterIP = server.Address.ToString(),
            ClusterIPs = [server.Address.ToString()],
            SessionAffinity = ServiceAffinity.None,
            Ports = [new() { Name = PortName, Protocol = Protocol.TCP, Port = Port, TargetPort = server.Port }],
        },
    };

    private Endpoints NewEndpoints() => new()
    {
        // The slice is written here as well, so nobody needs to mirror it.
        Metadata = Metadata([new("endpointslice.kubernetes.io/skip-mirror", "true")]),
        Subsets = server.Endpoint is null ? default :
        [
            new() { Addresses = [new() { Ip = server.Endpoint.ToString() }], Ports = [new() { Name = PortName, Port = server.Port, Protocol = Protocol.TCP }] },
        ],
    };

    private EndpointSlice NewSlice() => new()
    {
        Metadata = Metadata([new("kubernetes.io/service-name", Name)]),
        AddressType = AddressType.IPv4,
        Endpoints = server.Endpoint is null ? [] : [new() { Addresses = [server.Endpoint.ToString()], Conditions = new() { Ready = true } }],
        Ports = [new() { Name = PortName, Port = server.Port, Protocol = Protocol.TCP }],
    };

    private static ObjectMeta Metadata(ApiMap<string> labels) => new() { Namespace = Namespace, Name = Name, Labels = labels };
}
