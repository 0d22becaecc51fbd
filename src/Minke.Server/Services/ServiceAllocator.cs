using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Services;

/// <summary>
/// Gives Services their addresses and node ports. What is given out is what the stored Services have and what writes under way have taken; the first is read from
/// the store when the first Service is written, and all writes come by here. (pkg/registry/core/service/storage/alloc.go)
/// </summary>
internal sealed class ServiceAllocator(ServiceNetwork network, IStateStore store, Resource services, IdSource ids)
{
    private const string Headless = "None";

    // Guards the pools and whether they are filled.
    private readonly Lock _lock = new();
    private readonly NumberPool _addresses = new(network.Base + 1, network.Count, Math.Clamp(network.Count / 16, 16, 256), ids.NewFraction);
    private readonly NumberPool _ports = PortsOf(network, ids);
    private bool _isFilled;

    /// <summary>What a Service gets that is created, or that is to replace another.</summary>
    /// <exception cref="StatusException">422: what it asks for is taken or out of range. 500: none is left.</exception>
    public ServiceReservation Reserve(Service service, Service? old)
    {
        service = ServiceFamilies.Fill(service, old);
        lock (_lock)
        {
            Fill();
            var reservation = new ServiceReservation(this);
            try
            {
                service = WithAddress(service, old, reservation);
                service = WithPorts(service, old, reservation);
                service = WithHealthPort(service, old, reservation);
                reservation.Value = service;
                if (old is not null)
                {
                    reservation.Freed.AddRange(AddressesOf(old).Except(AddressesOf(service)));
                    reservation.FreedPorts.AddRange(PortsOf(old).Except(PortsOf(service)));
                }
                return reservation;
            }
            catch
            {
                GiveBack(reservation.Taken, reservation.TakenPorts);
                throw;
            }
        }
    }

    /// <summary>The Service is gone, and what it had is free again.</summary>
    public void Release(Service service) => Return(AddressesOf(service), PortsOf(service));

    public void Return(IEnumerable<long> addresses, IEnumerable<int> ports)
    {
        lock (_lock)
        {
            // Before the pools are filled there is nothing to take out: the store no longer has it.
            if (_isFilled)
                GiveBack(addresses, ports);
        }
    }

    private void GiveBack(IEnumerable<long> addresses, IEnumerable<int> ports)
    {
        foreach (var address in addresses)
            _addresses.Return(address);
        foreach (var port in ports)
            _ports.Return(port);
    }

    private void Fill()
    {
        if (_isFilled)
            return;
        foreach (var entry in store.Snapshot().Range(services.Prefix))
        {
            var service = (Service)StoredObject.Read(services, entry);
            foreach (var address in AddressesOf(service))
                _addresses.TryTake(address);
            foreach (var port in PortsOf(service))
                _ports.TryTake(port);
        }
        _isFilled = true;
    }

    private Service WithAddress(Service service, Service? old, ServiceReservation reservation)
    {
        var spec = service.Spec;
        if (spec.Type == ServiceType.ExternalName || spec.ClusterIPs is [Headless, ..])
            return service;
        var before = old is null ? [] : AddressesOf(old).ToHashSet();
        if (spec.ClusterIPs.IsEmpty)
        {
            // One that was headless stays without, and validation says that it may not become another.
            if (old is { Spec.ClusterIPs: [Headless, ..] })
                return service;
            var number = _addresses.TakeAny() ?? throw StatusException.InternalError("failed to allocate a serviceIP: range is full");
            reservation.Taken.Add(number);
            var address = ServiceNetwork.At(number).ToString();
            return service with { Spec = spec with { ClusterIP = address, ClusterIPs = [address] } };
        }
        foreach (var text in spec.ClusterIPs)
        {
            // Which family, and that a text is an address at all, is judged already.
            if (ServiceNetwork.NumberOf(text) is not { } number || before.Contains(number))
                continue;
            var refusal = !_addresses.Holds(number) ? $"the provided IP ({text}) is not in the valid range. The range of valid IPs is {network.Addresses}"
                : !_addresses.TryTake(number) ? "provided IP is already allocated"
                : null;
            if (refusal is not null)
                throw Invalid(service, "spec.clusterIPs", spec.ClusterIPs, $"failed to allocate IP {text}: {refusal}");
            reservation.Taken.Add(number);
        }
        return service;
    }

    private Service WithPorts(Service service, Service? old, ServiceReservation reservation)
    {
        if (service.Spec.Type is not (ServiceType.NodePort or ServiceType.LoadBalancer))
            return service;
        var mayDraw = service.Spec.Type == ServiceType.NodePort || service.Spec.AllocateLoadBalancerNodePorts != false;
        var held = old is null ? [] : PortsOf(old).ToHashSet();
        var ports = service.Spec.Ports;
        // One number for the TCP and the UDP side of a port, as DNS has it.
        var byPort = new Dictionary<int, int>();
        for (var i = 0; i < ports.Count; i++)
        {
            var port = ports[i];
            if (port.NodePort == 0 && !mayDraw)
                continue;
            if (port.NodePort == 0 && old is null)
                port = port with { NodePort = byPort.GetValueOrDefault(port.Port, ports.FirstOrDefault(other => other.Port == port.Port && other.NodePort != 0)?.NodePort ?? 0) };
            if (port.NodePort == 0)
            {
                var drawn = (int)(_ports.TakeAny() ?? throw StatusException.InternalError("failed to allocate a nodePort: range is full"));
                reservation.TakenPorts.Add(drawn);
                port = port with { NodePort = drawn };
            }
            else if (!held.Contains(port.NodePort) && !reservation.TakenPorts.Contains(port.NodePort))
            {
                if (RefusalOf(port.NodePort) is { } refusal)
                    throw Invalid(service, new FieldPath("spec.ports").Index(i).Child("nodePort"), port.NodePort, refusal);
                reservation.TakenPorts.Add(port.NodePort);
            }
            byPort[port.Port] = port.NodePort;
            ports = ports.Set(i, port);
        }
        return service with { Spec = service.Spec with { Ports = ports } };
    }

    private Service WithHealthPort(Service service, Service? old, ServiceReservation reservation)
    {
        if (!NeedsHealthCheck(service) || (old is not null && NeedsHealthCheck(old)))
            return service;
        var port = service.Spec.HealthCheckNodePort;
        if (port == 0)
            port = (int)(_ports.TakeAny() ?? throw StatusException.InternalError("failed to allocate a HealthCheck NodePort 0: range is full"));
        else if (RefusalOf(port) is { } refusal)
            throw StatusException.InternalError(string.Create(CultureInfo.InvariantCulture, $"failed to allocate requested HealthCheck NodePort {port}: {refusal}"));
        reservation.TakenPorts.Add(port);
        return service with { Spec = service.Spec with { HealthCheckNodePort = port } };
    }

    /// <summary>Why a port cannot be had; null when it has been taken now.</summary>
    private string? RefusalOf(int port) =>
        !_ports.Holds(port) ? string.Create(CultureInfo.InvariantCulture, $"provided port is not in the valid range. The range of valid ports is {network.FirstNodePort}-{network.LastNodePort}")
        : !_ports.TryTake(port) ? "provided port is already allocated"
        : null;

    private static bool NeedsHealthCheck(Service service) => service.Spec is { Type: ServiceType.LoadBalancer, ExternalTrafficPolicy: "Local" };

    private static IEnumerable<long> AddressesOf(Service service)
    {
        if (service.Spec.Type == ServiceType.ExternalName)
            yield break;
        foreach (var text in service.Spec.ClusterIPs)
        {
            if (ServiceNetwork.NumberOf(text) is { } number)
                yield return number;
        }
    }

    private static IEnumerable<int> PortsOf(Service service)
    {
        foreach (var port in service.Spec.Ports)
        {
            if (port.NodePort != 0)
                yield return port.NodePort;
        }
        if (service.Spec.HealthCheckNodePort != 0)
            yield return service.Spec.HealthCheckNodePort;
    }

    private static NumberPool PortsOf(ServiceNetwork network, IdSource ids)
    {
        var count = network.LastNodePort - network.FirstNodePort + 1;
        return new(network.FirstNodePort, count, Math.Clamp(count / 32, 16, 128), ids.NewFraction);
    }

    private static StatusException Invalid(Service service, FieldPath path, object value, string why)
    {
        var errors = new FieldErrors();
        errors.Invalid(path, value, why);
        return StatusException.Invalid(Service.KindInfo, service.Metadata.Name, errors);
    }
}
