using System.Net;
using System.Net.Sockets;
using Minke.Api.Discovery.V1;

namespace Minke.Api;

/// <summary>What an EndpointSlice does beyond its fields. (pkg/registry/discovery/endpointslice/strategy.go)</summary>
internal sealed class EndpointSliceKind : KindBehavior<EndpointSlice>
{
    private const int MaxEndpoints = 1000;
    private const int MaxAddresses = 100;
    private const int MaxPorts = 20000;
    private const int MaxTopologyLabels = 16;
    private const int MaxZoneHints = 8;
    private const string Zone = "topology.kubernetes.io/zone";
    private static readonly string[] AddressTypes = [AddressType.FQDN, AddressType.IPv4, AddressType.IPv6];

    public override bool CountsGeneration => true;

    /// <summary>Labels count as well: they say whose addresses these are.</summary>
    public override bool SpecDiffers(IKubeObject value, IKubeObject old) =>
        base.SpecDiffers(value, old) || !value.Metadata.Labels.SequenceEqual(old.Metadata.Labels);

    public override EndpointSlice PrepareForCreate(EndpointSlice slice) => WithoutTopology(slice);

    public override EndpointSlice PrepareForUpdate(EndpointSlice slice, EndpointSlice old)
    {
        var isSame = slice.Endpoints.Count == old.Endpoints.Count
            && slice.Endpoints.Zip(old.Endpoints).All(pair => Json.Same(pair.First, pair.Second));
        return isSame ? slice : WithoutTopology(slice);
    }

    public override IEnumerable<string> Dropped(EndpointSlice slice) => slice.Endpoints.Any(endpoint => !endpoint.DeprecatedTopology.IsEmpty)
        ? ["endpoints.deprecatedTopology: dropped, v1 can only be read there; use zone and nodeName"] : [];

    public override void Validate(EndpointSlice slice, EndpointSlice? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(slice.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(slice.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        if (slice.AddressType.Length == 0)
            errors.Required("addressType");
        else if (!AddressTypes.Contains(slice.AddressType))
            errors.NotSupported("addressType", slice.AddressType, AddressTypes);
        ValidateEndpoints(slice, "endpoints", errors);
        ValidatePorts(slice.Ports, "ports", errors);
        if (old is not null && slice.AddressType != old.AddressType)
            errors.Invalid("addressType", slice.AddressType, "field is immutable");
    }

    public override IEnumerable<string> Warnings(EndpointSlice slice, EndpointSlice? old) => slice.AddressType == AddressType.FQDN
        ? ["spec.addressType: FQDN endpoints are deprecated"] : [];

    private static EndpointSlice WithoutTopology(EndpointSlice slice) => slice with
    {
        Endpoints = slice.Endpoints.Map(endpoint => endpoint.DeprecatedTopology.IsNull ? endpoint : endpoint with { DeprecatedTopology = default }),
    };

    private static void ValidateEndpoints(EndpointSlice slice, FieldPath path, FieldErrors errors)
    {
        if (slice.Endpoints.Count > MaxEndpoints)
        {
            errors.TooMany(path, slice.Endpoints.Count, MaxEndpoints);
            return;
        }
        for (var i = 0; i < slice.Endpoints.Count; i++)
        {
            var (endpoint, at) = (slice.Endpoints[i], path.Index(i));
            var addresses = at.Child("addresses");
            if (endpoint.Addresses.IsEmpty)
                errors.Required(addresses, "must contain at least 1 address");
            else if (endpoint.Addresses.Count > MaxAddresses)
                errors.TooMany(addresses, endpoint.Addresses.Count, MaxAddresses);
            for (var j = 0; j < endpoint.Addresses.Count; j++)
                ValidateAddress(endpoint.Addresses[j], slice.AddressType, addresses.Index(j), errors);
            if (endpoint.NodeName is { } node)
                PodRules.Each(Names.Dns1123Subdomain(node), at.Child("nodeName"), node, errors);
            ValidateTopology(endpoint.DeprecatedTopology, at.Child("deprecatedTopology"), errors);
            if (endpoint.Hostname is { } hostname)
                PodRules.Each(Names.Dns1123Label(hostname), at.Child("hostname"), hostname, errors);
            if (endpoint.Hints is { } hints)
                ValidateHints(hints, at.Child("hints").Child("forZones"), errors);
        }
    }

    private static void ValidateTopology(ApiMap<string> topology, FieldPath path, FieldErrors errors)
    {
        if (topology.Count > MaxTopologyLabels)
            errors.TooMany(path, topology.Count, MaxTopologyLabels);
        ObjectMetaRules.Labels(topology, path, errors);
        if (topology.ContainsKey(Zone))
            errors.Internal(path.Key(Zone), "reserved key was not removed in conversion");
    }

    private static void ValidateHints(EndpointHints hints, FieldPath path, FieldErrors errors)
    {
        if (hints.ForZones.Count > MaxZoneHints)
        {
            errors.TooMany(path, hints.ForZones.Count, MaxZoneHints);
            return;
        }
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < hints.ForZones.Count; i++)
        {
            var (zone, at) = (hints.ForZones[i].Name, path.Index(i).Child("name"));
            if (!seen.Add(zone))
                errors.Duplicate(at, zone);
            PodRules.Each(Names.LabelValue(zone), at, zone, errors);
        }
    }

    private static void ValidateAddress(string address, string type, FieldPath path, FieldErrors errors)
    {
        switch (type)
        {
            case AddressType.IPv4 or AddressType.IPv6:
                var family = type == AddressType.IPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
                if (!PodRules.IsIp(address) || !IPAddress.TryParse(address, out var ip) || ip.AddressFamily != family)
                    errors.Invalid(path, address, $"must be a valid {type} address");
                EndpointsKind.NotSpecial(address, path, errors);
                break;
            case AddressType.FQDN:
                ValidateDomain(address, path, errors);
                break;
        }
    }

    private static void ValidateDomain(string name, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
        {
            errors.Required(path);
            return;
        }
        name = name.EndsWith('.') ? name[..^1] : name;
        if (Names.Dns1123Subdomain(name).ToList() is { Count: > 0 } wrong)
        {
            errors.Invalid(path, name, string.Join(',', wrong));
            return;
        }
        var labels = name.Split('.');
        if (labels.Length < 2)
        {
            errors.Invalid(path, name, "should be a domain with at least two segments separated by dots");
            return;
        }
        foreach (var label in labels)
        {
            if (Names.Dns1123Label(label).ToList() is { Count: > 0 } wrongLabel)
                errors.Invalid(path, label, string.Join(',', wrongLabel));
        }
    }

    private static void ValidatePorts(ApiList<EndpointPort> ports, FieldPath path, FieldErrors errors)
    {
        if (ports.Count > MaxPorts)
        {
            errors.TooMany(path, ports.Count, MaxPorts);
            return;
        }
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < ports.Count; i++)
        {
            var (port, at) = (ports[i], path.Index(i));
            var name = port.Name ?? "";
            if (name.Length > 0)
                PodRules.Each(Names.Dns1123Label(name), at.Child("name"), name, errors);
            if (!names.Add(name))
                errors.Duplicate(at.Child("name"), name);
            if (port.Protocol is null)
                errors.Required(at.Child("protocol"));
            else if (!ContainerRules.Protocols.Contains(port.Protocol))
                errors.NotSupported(at.Child("protocol"), port.Protocol, ContainerRules.Protocols);
            if (port.AppProtocol is { } application)
                PodRules.Each(Names.QualifiedName(application), at.Child("appProtocol"), application, errors);
        }
    }
}
