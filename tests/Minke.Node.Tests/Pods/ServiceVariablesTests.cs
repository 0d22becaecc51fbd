using Minke.Api.Core.V1;
using Minke.Node.Pods.Environment;

namespace Minke.Node.Tests.Pods;

public sealed class ServiceVariablesTests
{
    private static Service Make(string @namespace, string name, string address, params ServicePort[] ports) => new()
    {
        Metadata = new() { Namespace = @namespace, Name = name },
        Spec = new() { ClusterIP = address, Ports = ports },
    };

    private static readonly Service Api = Make("default", "kubernetes", "10.96.0.1", new ServicePort { Name = "https", Port = 443, Protocol = "TCP" });

    [Fact]
    public void A_service_has_upstreams_variables() => Assert.Equal(
        [
            "MY_WEB_PORT=tcp://10.96.0.9:80", "MY_WEB_PORT_53_UDP=udp://10.96.0.9:53", "MY_WEB_PORT_53_UDP_ADDR=10.96.0.9", "MY_WEB_PORT_53_UDP_PORT=53",
            "MY_WEB_PORT_53_UDP_PROTO=udp", "MY_WEB_PORT_80_TCP=tcp://10.96.0.9:80", "MY_WEB_PORT_80_TCP_ADDR=10.96.0.9", "MY_WEB_PORT_80_TCP_PORT=80",
            "MY_WEB_PORT_80_TCP_PROTO=tcp", "MY_WEB_SERVICE_HOST=10.96.0.9", "MY_WEB_SERVICE_PORT=80", "MY_WEB_SERVICE_PORT_DNS_U=53",
        ],
        ServiceVariables.For([Make("shop", "my-web", "10.96.0.9", new ServicePort { Port = 80 }, new ServicePort { Name = "dns-u", Port = 53, Protocol = "UDP" })], "shop", withLinks: true)
            .Select(pair => $"{pair.Key}={pair.Value}"));

    [Fact]
    public void The_api_is_there_without_links_too_and_other_namespaces_never_are()
    {
        Service[] all =
        [
            Api, Make("shop", "a", "10.96.0.9", new ServicePort { Port = 80 }), Make("other", "b", "10.96.0.8", new ServicePort { Port = 80 }),
            Make("shop", "headless", "None", new ServicePort { Port = 80 }),
        ];
        Assert.Equal(["A_SERVICE_HOST", "KUBERNETES_SERVICE_HOST"], Hosts(ServiceVariables.For(all, "shop", withLinks: true)));
        Assert.Equal(["KUBERNETES_SERVICE_HOST"], Hosts(ServiceVariables.For(all, "shop", withLinks: false)));
        Assert.Equal("443", ServiceVariables.For(all, "shop", withLinks: false)["KUBERNETES_SERVICE_PORT_HTTPS"]);
    }

    [Fact]
    public void An_address_of_six_stands_in_brackets() => Assert.Equal(
        "tcp://[fd00::1]:80", ServiceVariables.For([Make("shop", "a", "fd00::1", new ServicePort { Port = 80 })], "shop", withLinks: true)["A_PORT"]);

    private static IEnumerable<string> Hosts(SortedDictionary<string, string> variables) => variables.Keys.Where(name => name.EndsWith("_SERVICE_HOST", StringComparison.Ordinal));
}
