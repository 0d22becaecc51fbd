using System.Net;
using System.Net.Sockets;
using Minke.Cli.Clusters;

namespace Minke.Cli.Tests.Clusters;

public class ListenAddressTests
{
    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1", null)]
    [InlineData("0.0.0.0:6443", "0.0.0.0", 6443)]
    [InlineData(":7000", "127.0.0.1", 7000)]
    [InlineData("localhost:7000", "127.0.0.1", 7000)]
    [InlineData("::1", "::1", null)]
    [InlineData("[::1]", "::1", null)]
    [InlineData("[::]:6443", "::", 6443)]
    public void An_address_is_read(string text, string address, int? port)
    {
        Assert.True(ListenAddress.TryParse(text, out var listen));
        Assert.Equal(new ListenAddress(IPAddress.Parse(address), port), listen);
        Assert.True(ListenAddress.TryParse(listen.ToString(), out var again));
        Assert.Equal(listen, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("6443")]
    [InlineData("1.2")]
    [InlineData("1.2:80")]
    [InlineData("example.com:6443")]
    [InlineData(":65536")]
    [InlineData(":-1")]
    [InlineData("127.0.0.1:")]
    public void What_is_no_address_is_refused(string text) => Assert.False(ListenAddress.TryParse(text, out _));

    [Fact]
    public void A_port_that_is_taken_gives_way_to_the_next()
    {
        using var taken = Listening(0);
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        Assert.NotEqual(port, ListenAddress.Default.Choose(before: port).Port);
        Assert.Contains("the port is taken", Assert.Throws<CliException>(() => new ListenAddress(IPAddress.Loopback, port).Choose(null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cluster_keeps_the_port_it_had()
    {
        int port;
        using (var once = Listening(0))
            port = ((IPEndPoint)once.LocalEndpoint).Port;
        Assert.Equal(port, ListenAddress.Default.Choose(before: port).Port);
    }

    [Fact]
    public void An_address_of_another_machine_is_refused() =>
        Assert.Contains("no such address", Assert.Throws<CliException>(() => new ListenAddress(IPAddress.Parse("203.0.113.1"), 0).Choose(null)).Message, StringComparison.Ordinal);

    private static TcpListener Listening(int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        return listener;
    }
}
