using System.Net;
using Minke.Api.Networking.V1;

namespace Minke.Api;

/// <summary>Which traffic a NetworkPolicy may speak of. (pkg/apis/networking/validation)</summary>
internal static class NetworkPolicyRules
{
    private static readonly string[] PolicyTypes = [PolicyType.Ingress, PolicyType.Egress];
    private static readonly string[] Protocols = ["TCP", "UDP", "SCTP"];

    public static void ValidateSpec(NetworkPolicySpec spec, FieldPath path, FieldErrors errors)
    {
        SchedulingRules.ValidateLabelSelector(spec.PodSelector, path.Child("podSelector"), errors);
        for (var i = 0; i < spec.Ingress.Count; i++)
            ValidateRule(spec.Ingress[i].Ports, spec.Ingress[i].From, "from", path.Child("ingress").Index(i), errors);
        for (var i = 0; i < spec.Egress.Count; i++)
            ValidateRule(spec.Egress[i].Ports, spec.Egress[i].To, "to", path.Child("egress").Index(i), errors);
        var types = path.Child("policyTypes");
        if (spec.PolicyTypes.Count > PolicyTypes.Length)
        {
            errors.Invalid(types, new GoText($"[]networking.PolicyType{{{string.Join(", ", spec.PolicyTypes.Select(FieldErrors.Quote))}}}"), "may not specify more than two policyTypes");
            return;
        }
        for (var i = 0; i < spec.PolicyTypes.Count; i++)
        {
            if (!PolicyTypes.Contains(spec.PolicyTypes[i]))
                errors.NotSupported(types.Index(i), spec.PolicyTypes[i], PolicyTypes);
        }
    }

    private static void ValidateRule(ApiList<NetworkPolicyPort> ports, ApiList<NetworkPolicyPeer> peers, string peersName, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < ports.Count; i++)
            ValidatePort(ports[i], path.Child("ports").Index(i), errors);
        for (var i = 0; i < peers.Count; i++)
            ValidatePeer(peers[i], path.Child(peersName).Index(i), errors);
    }

    private static void ValidatePort(NetworkPolicyPort port, FieldPath path, FieldErrors errors)
    {
        if (port.Protocol is { } protocol && !Protocols.Contains(protocol))
            errors.NotSupported(path.Child("protocol"), protocol, Protocols);
        var end = path.Child("endPort");
        switch (port.Port)
        {
            case null:
                if (port.EndPort is not null)
                    errors.Invalid(end, port.EndPort, "may not be specified when `port` is not specified");
                break;
            case { IsText: true } named:
                if (port.EndPort is not null)
                    errors.Invalid(end, port.EndPort, "may not be specified when `port` is non-numeric");
                PodRules.Each(Names.PortName(named.Text!), path.Child("port"), named.Text, errors);
                break;
            case { } number:
                PodRules.Each(Names.PortNumber(number.Number), path.Child("port"), number.Number, errors);
                if (port.EndPort is not { } last)
                    break;
                // The value shown is the first port: upstream's slip.
                if (last < number.Number)
                    errors.Invalid(end, number.Number, "must be greater than or equal to `port`");
                PodRules.Each(Names.PortNumber(last), end, last, errors);
                break;
        }
    }

    private static void ValidatePeer(NetworkPolicyPeer peer, FieldPath path, FieldErrors errors)
    {
        SchedulingRules.ValidateLabelSelector(peer.PodSelector, path.Child("podSelector"), errors);
        SchedulingRules.ValidateLabelSelector(peer.NamespaceSelector, path.Child("namespaceSelector"), errors);
        if (peer.IpBlock is { } block)
            ValidateBlock(block, path.Child("ipBlock"), errors);
        if (peer is { PodSelector: null, NamespaceSelector: null, IpBlock: null })
            errors.Required(path, "must specify a peer");
        else if (peer.IpBlock is not null && (peer.PodSelector is not null || peer.NamespaceSelector is not null))
            errors.Forbidden(path, "may not specify both ipBlock and another peer");
    }

    private static void ValidateBlock(IPBlock block, FieldPath path, FieldErrors errors)
    {
        if (block.Cidr.Length == 0)
        {
            errors.Required(path.Child("cidr"));
            return;
        }
        if (AddressRules.ParseRange(block.Cidr) is not { } whole)
        {
            errors.Invalid(path.Child("cidr"), block.Cidr, AddressRules.NoRange);
            return;
        }
        for (var i = 0; i < block.Except.Count; i++)
        {
            var (text, at) = (block.Except[i], path.Child("except").Index(i));
            if (AddressRules.ParseRange(text) is not { } part)
                errors.Invalid(at, text, AddressRules.NoRange);
            else if (!Contains(whole, part.BaseAddress) || whole.PrefixLength >= part.PrefixLength)
                errors.Invalid(at, text, "must be a strict subset of `cidr`");
        }
    }

    private static bool Contains(IPNetwork network, IPAddress address) => network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address);
}
