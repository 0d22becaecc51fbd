using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Minke.Server.Pki;

/// <summary>The names and addresses the API server's certificate is good for. Order does not matter.</summary>
public sealed class ServingNames
{
    private readonly SortedSet<string> _dns = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IPAddress> _addresses = new(StringComparer.Ordinal);

    public ServingNames(IEnumerable<string> dns, IEnumerable<IPAddress> addresses)
    {
        foreach (var name in dns)
            _dns.Add(name.ToLowerInvariant());
        foreach (var address in addresses)
            _addresses[address.ToString()] = address;
    }

    /// <summary>
    /// What every cluster's server is called, from the machine (<c>localhost</c>, its host name) and from pods
    /// (<c>kubernetes.default.svc</c>, the Service's address), and the addresses it listens on.
    /// </summary>
    public static ServingNames For(string hostName, IPAddress kubernetesService, IEnumerable<IPAddress> listen) => new(
        ["localhost", hostName, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"],
        [IPAddress.Loopback, IPAddress.IPv6Loopback, kubernetesService, .. listen]);

    public IReadOnlyCollection<string> Dns => _dns;

    public IReadOnlyCollection<IPAddress> Addresses => _addresses.Values;

    internal X509Extension ToExtension()
    {
        var builder = new SubjectAlternativeNameBuilder();
        foreach (var name in _dns)
            builder.AddDnsName(name);
        foreach (var address in _addresses.Values)
            builder.AddIpAddress(address);
        return builder.Build();
    }
}
