using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;

namespace Minke.Node.Tests.Runtime;

public sealed class CapabilitiesTests
{
    private static readonly IReadOnlySet<string> All = Capabilities.Held(["CapPrm:\t000001ffffffffff", "CapBnd:\t000001ffffffffff"]);

    [Fact]
    public void Nobody_gives_what_he_does_not_hold()
    {
        var held = Capabilities.Held(["Name:\tminke", "CapPrm:\t000001fffeffffff", "CapBnd:\t000001ffffffffff"]);
        Assert.Equal(40, held.Count);
        Assert.DoesNotContain("SYS_RESOURCE", held);
        Assert.DoesNotContain("CAP_SYS_RESOURCE", Capabilities.For(new ContainerSecurity { Privileged = true }, held));
        Assert.Equal(41, Capabilities.For(new ContainerSecurity { Privileged = true }, All).Count);
    }

    [Fact]
    public void The_default_is_dockers()
    {
        Assert.Equal(
            "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW "
            + "CAP_SYS_CHROOT CAP_MKNOD CAP_AUDIT_WRITE CAP_SETFCAP",
            string.Join(' ', Capabilities.For(new ContainerSecurity(), All)));
    }

    [Theory]
    [InlineData("ALL", "SYS_ADMIN", 40)]
    [InlineData("SYS_ADMIN", "ALL", 1)]
    [InlineData("net_admin", "NET_RAW", 14)]
    [InlineData("CAP_NET_ADMIN", "NET_ADMIN", 14)]
    public void Single_names_win_over_all_and_dropping_over_adding(string add, string drop, int expected) =>
        Assert.Equal(expected, Capabilities.For(new ContainerSecurity { AddCapabilities = [add], DropCapabilities = [drop] }, All).Count);

    [Fact]
    public void A_name_that_is_none_is_refused()
    {
        var error = Assert.Throws<RuntimeException>(() => Capabilities.For(new ContainerSecurity { AddCapabilities = ["FLY"] }, All));
        Assert.Equal("unknown capability \"CAP_FLY\"", error.Message);
    }
}
