using Minke.Node.Network;
using Minke.Node.Runtime;

namespace Minke.Node.Tests.Network;

public sealed class HostPortRulesTests
{
    private static readonly InstanceNames Names = InstanceNames.Of("test");

    private static IEnumerable<string> Doors(params PortMapping[] mappings) =>
        HostPortRules.DoorsOf(mappings).Select(entry => $"{entry.Door} -> {entry.ContainerPort}");

    [Fact]
    public void A_mapping_without_a_host_address_opens_all_of_them()
    {
        Assert.Equal(["tcp . 8080 -> 80"], Doors(new PortMapping("TCP", 80, 8080, "")));
        Assert.Equal(["udp . 53 -> 5353"], Doors(new PortMapping("UDP", 5353, 53, "0.0.0.0")));
        Assert.Equal(["sctp . 1 -> 65535"], Doors(new PortMapping("SCTP", 65535, 1, "")));
    }

    [Fact]
    public void A_mapping_with_a_host_address_opens_that_one() =>
        Assert.Equal(["127.0.0.1 . tcp . 80 -> 80"], Doors(new PortMapping("TCP", 80, 80, "127.0.0.1")));

    [Fact]
    public void The_protocol_is_TCP_unless_told() => Assert.Equal(["tcp . 80 -> 80"], Doors(new PortMapping("", 80, 80, "")));

    [Fact]
    public void Mappings_without_a_host_port_or_to_an_IPv6_address_open_nothing() =>
        Assert.Empty(Doors(new PortMapping("TCP", 80, 0, ""), new PortMapping("TCP", 80, 80, "::1"), new PortMapping("TCP", 80, 65536, "")));

    [Fact]
    public void The_same_door_twice_is_one() =>
        Assert.Equal(["tcp . 80 -> 80"], Doors(new PortMapping("TCP", 80, 80, ""), new PortMapping("TCP", 81, 80, "0.0.0.0")));

    [Fact]
    public void Opening_and_closing_change_elements_only()
    {
        var doors = HostPortRules.DoorsOf([new PortMapping("TCP", 80, 8080, ""), new PortMapping("UDP", 53, 53, "192.0.2.1")]);
        var address = Ipv4.Parse("10.42.0.5");
        Assert.Equal(
            $$"""
            delete element ip {{Names.Table}} host_ports { tcp . 8080 }
            add element ip {{Names.Table}} host_ports { tcp . 8080 : 10.42.0.5 . 80 }
            add element ip {{Names.Table}} host_ports_at { 192.0.2.1 . udp . 53 : 10.42.0.5 . 53 }
            add element ip {{Names.Table}} own_host_ports { 10.42.0.5 . 10.42.0.5 }

            """,
            HostPortRules.Open(Names, address, doors, [doors[0].Door]));
        Assert.Equal(
            $$"""
            delete element ip {{Names.Table}} host_ports { tcp . 8080 }
            delete element ip {{Names.Table}} host_ports_at { 192.0.2.1 . udp . 53 }
            delete element ip {{Names.Table}} own_host_ports { 10.42.0.5 . 10.42.0.5 }

            """,
            HostPortRules.Close(Names, address, doors.Select(entry => entry.Door)));
    }

    [Fact]
    public void Names_fit_the_kernel_and_differ_by_instance()
    {
        var range = Ipv4Range.Parse("10.42.0.0/16");
        var other = InstanceNames.Of("other");
        var port = Names.Port(range, range.Last);
        Assert.True(Names.Bridge.Length <= 15 && port.Length <= 15);
        Assert.NotEqual(Names.Bridge, other.Bridge);
        Assert.NotEqual(Names.Table, other.Table);
        Assert.NotEqual(Names.Group, other.Group);
        Assert.Equal(range.Last, Names.AddressOfPort(range, port));
        Assert.Null(other.AddressOfPort(range, port));
        Assert.Null(Names.AddressOfPort(range, "eth0"));
    }

    [Theory]
    [InlineData("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward")]
    [InlineData("net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding")]
    [InlineData("net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding")]
    public void A_sysctl_is_a_path(string name, string path) => Assert.Equal(path, NetworkSysctls.PathOf(name));

    [Theory]
    [InlineData("net/../kernel/panic")]
    [InlineData("net.//.kernel.panic")]
    public void A_sysctl_does_not_leave_its_tree(string name) => Assert.Throws<ArgumentException>(() => NetworkSysctls.PathOf(name));
}
