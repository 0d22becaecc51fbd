using System.Net;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What Endpoints do beyond their fields. (ValidateEndpoints)</summary>
internal sealed class EndpointsKind : KindBehavior<Endpoints>
{
    public override void Validate(Endpoints endpoints, Endpoints? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(endpoints.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(endpoints.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        for (var i = 0; i < endpoints.Subsets.Count; i++)
        {
            var (subset, at) = (endpoints.Subsets[i], new FieldPath("subsets").Index(i));
            if (subset.Addresses.IsEmpty && subset.NotReadyAddresses.IsEmpty)
                errors.Required(at, "must specify `addresses` or `notReadyAddresses`");
            for (var j = 0; j < subset.Addresses.Count; j++)
                ValidateAddress(subset.Addresses[j], at.Child("addresses").Index(j), errors);
            for (var j = 0; j < subset.NotReadyAddresses.Count; j++)
                ValidateAddress(subset.NotReadyAddresses[j], at.Child("notReadyAddresses").Index(j), errors);
            for (var j = 0; j < subset.Ports.Count; j++)
                ValidatePort(subset.Ports[j], subset.Ports.Count > 1, at.Child("ports").Index(j), errors);
        }
    }

    private static void ValidateAddress(EndpointAddress address, FieldPath path, FieldErrors errors)
    {
        PodRules.ValidateIp(address.Ip, path.Child("ip"), errors);
        if (address.Hostname.Length > 0)
            PodRules.Each(Names.Dns1123Label(address.Hostname), path.Child("hostname"), address.Hostname, errors);
        if (address.NodeName is { } node)
            PodRules.Each(Names.Dns1123Subdomain(node), path.Child("nodeName"), node, errors);
        NotSpecial(address.Ip, path.Child("ip"), errors);
    }

    /// <summary>Addresses that mean another thing on every machine lead nowhere. (ValidateNonSpecialIP)</summary>
    public static void NotSpecial(string text, FieldPath path, FieldErrors errors)
    {
        if (!PodRules.IsIp(text) || !IPAddress.TryParse(text, out var ip))
        {
            errors.Invalid(path, text, "must be a valid IP address");
            return;
        }
        var bytes = ip.GetAddressBytes();
        if (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))
            errors.Invalid(path, text, $"may not be unspecified ({text})");
        if (IPAddress.IsLoopback(ip))
            errors.Invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
        if (ip.IsIPv6LinkLocal || (bytes.Length == 4 && bytes[0] == 169 && bytes[1] == 254))
            errors.Invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
        if (bytes.Length == 4 ? bytes is [224, 0, 0, _] : bytes[0] == 0xff && (bytes[1] & 0x0f) == 2)
            errors.Invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }

    private static void ValidatePort(EndpointPort port, bool needsName, FieldPath path, FieldErrors errors)
    {
        if (port.Name.Length > 0)
            PodRules.Each(Names.Dns1123Label(port.Name), path.Child("name"), port.Name, errors);
        else if (needsName)
            errors.Required(path.Child("name"));
        PodRules.Each(Names.PortNumber(port.Port), path.Child("port"), port.Port, errors);
        if (port.Protocol.Length == 0)
            errors.Required(path.Child("protocol"));
        else if (!ContainerRules.Protocols.Contains(port.Protocol))
            errors.NotSupported(path.Child("protocol"), port.Protocol, ContainerRules.Protocols);
        if (port.AppProtocol is { } application)
            PodRules.Each(Names.QualifiedName(application), path.Child("appProtocol"), application, errors);
    }
}
