using System.Globalization;
using System.Text;
using Minke.Node.Runtime;

namespace Minke.Node.Network;

/// <summary>
/// The nftables table of one instance, as text in nft's language. Its rules never change; a host port is an element of a map, so
/// opening one costs the same with one pod or five hundred.
/// </summary>
internal static class HostPortRules
{
    /// <summary>A door on the machine. <paramref name="HostIp"/> is null for all its addresses.</summary>
    internal readonly record struct Door(Ipv4? HostIp, string Protocol, int Port)
    {
        internal string Map => HostIp is null ? "host_ports" : "host_ports_at";

        /// <summary>The key in <see cref="Map"/>.</summary>
        public override string ToString() =>
            string.Create(CultureInfo.InvariantCulture, $"{(HostIp is { } ip ? $"{ip} . " : "")}{Protocol} . {Port}");
    }

    /// <summary>
    /// The table from nothing, with the doors that are open, replacing what is there. The first to claim a door has it. Why each chain is there:
    /// <list type="bullet">
    /// <item><c>martians</c>: pods must not reach what listens on the machine's loopback, which <c>route_localnet</c> of the bridge
    /// (needed for host ports on 127.0.0.1) would let them (CVE-2020-8558).</item>
    /// <item><c>forward</c>: pods of several instances do not meet, except through a host port.</item>
    /// <item><c>redirects</c>: pods reach each other by way of the bridge's address, so that every packet passes the same rules;
    /// the kernel would tell them of the shortcut.</item>
    /// <item><c>leaving</c>: what comes from the machine's loopback, or from the pod itself through its own host port, needs
    /// another source for the answer to find back; what leaves the cluster gets the machine's.</item>
    /// </list>
    /// </summary>
    internal static string Table(InstanceNames names, Ipv4Range range, IReadOnlyList<Ipv4Range> noMasquerade, IEnumerable<AttachmentRecord> open)
    {
        var script = new StringBuilder();
        script.Append(
            $$"""
            table ip {{names.Table}}
            delete table ip {{names.Table}}
            table ip {{names.Table}} {
              map host_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
              map host_ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
              set own_host_ports { type ipv4_addr . ipv4_addr; }
              set no_masquerade { type ipv4_addr; flags interval; auto-merge; elements = { {{string.Join(", ", noMasquerade.Prepend(range))}} }; }
              chain martians {
                type filter hook prerouting priority raw;
                iifname "{{names.Bridge}}" ip daddr 127.0.0.0/8 drop
              }
              chain forward {
                type filter hook forward priority filter;
                iifname "{{names.Bridge}}" oifname "{{InstanceNames.BridgePrefix}}*" oifname != "{{names.Bridge}}" ct status & dnat == 0 drop
              }
              chain redirects {
                type filter hook output priority filter;
                oifname "{{names.Bridge}}" icmp type redirect drop
              }
              chain open {
                meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport map @host_ports_at
                meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . th dport map @host_ports
              }
              chain arriving {
                type nat hook prerouting priority dstnat;
                fib daddr type local jump open
              }
              chain own {
                type nat hook output priority -100;
                fib daddr type local jump open
              }
              chain leaving {
                type nat hook postrouting priority srcnat;
                oifname "{{names.Bridge}}" ip saddr 127.0.0.0/8 masquerade
                oifname "{{names.Bridge}}" ip saddr . ip daddr @own_host_ports masquerade
                oifname != "{{names.Bridge}}" ip saddr {{range}} ip daddr != @no_masquerade masquerade fully-random
              }
            }

            """);
        var seen = new HashSet<Door>();
        foreach (var record in open)
        {
            if (DoorsOf(record.HostPorts) is { Count: > 0 } doors)
                AppendOpen(script, names, record.Ip, doors.Where(entry => seen.Add(entry.Door)));
        }
        return script.ToString();
    }

    internal static string DeleteTable(InstanceNames names) => $"table ip {names.Table}\ndelete table ip {names.Table}\n";

    /// <summary>Opens doors to a pod. Those in <paramref name="taken"/> lead elsewhere now and are turned over.</summary>
    internal static string Open(
        InstanceNames names, Ipv4 address, IReadOnlyList<(Door Door, int ContainerPort)> doors, IReadOnlyCollection<Door> taken)
    {
        var script = new StringBuilder();
        foreach (var door in taken)
            script.Append(CultureInfo.InvariantCulture, $"delete element ip {names.Table} {door.Map} {{ {door} }}\n");
        AppendOpen(script, names, address, doors);
        return script.ToString();
    }

    internal static string Close(InstanceNames names, Ipv4 address, IEnumerable<Door> doors)
    {
        var script = new StringBuilder();
        foreach (var door in doors)
            script.Append(CultureInfo.InvariantCulture, $"delete element ip {names.Table} {door.Map} {{ {door} }}\n");
        script.Append(CultureInfo.InvariantCulture, $"delete element ip {names.Table} own_host_ports {{ {address} . {address} }}\n");
        return script.ToString();
    }

    /// <summary>
    /// The doors port mappings ask for, without repetitions. A mapping to an IPv6 address has none: pods have IPv4 addresses.
    /// </summary>
    internal static IReadOnlyList<(Door Door, int ContainerPort)> DoorsOf(IEnumerable<PortMapping> mappings)
    {
        var doors = new List<(Door Door, int ContainerPort)>();
        foreach (var mapping in mappings)
        {
            if (mapping.HostPort is <= 0 or > 65535 || mapping.ContainerPort is <= 0 or > 65535 || ProtocolOf(mapping) is not { } protocol)
                continue;
            Ipv4? hostIp = null;
            if (mapping.HostIp is not ("" or "0.0.0.0"))
            {
                if (!Ipv4.TryParse(mapping.HostIp, out var address))
                    continue;
                hostIp = address;
            }
            var door = new Door(hostIp, protocol, mapping.HostPort);
            if (doors.TrueForAll(entry => entry.Door != door))
                doors.Add((door, mapping.ContainerPort));
        }
        return doors;
    }

    private static string? ProtocolOf(PortMapping mapping) => mapping.Protocol switch
    {
        "" or "TCP" => "tcp",
        "UDP" => "udp",
        "SCTP" => "sctp",
        _ => null,
    };

    private static void AppendOpen(StringBuilder script, InstanceNames names, Ipv4 address, IEnumerable<(Door Door, int ContainerPort)> doors)
    {
        foreach (var (door, port) in doors)
            script.Append(CultureInfo.InvariantCulture, $"add element ip {names.Table} {door.Map} {{ {door} : {address} . {port} }}\n");
        script.Append(CultureInfo.InvariantCulture, $"add element ip {names.Table} own_host_ports {{ {address} . {address} }}\n");
    }
}
