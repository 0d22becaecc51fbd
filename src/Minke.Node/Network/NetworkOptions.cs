using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Minke.Node.Network;

/// <summary>How the pod network of one node is laid out.</summary>
public sealed record NetworkOptions
{
    /// <summary>
    /// What tells this cluster from others on the machine; lasting as long as its data. Names of interfaces and tables follow
    /// from it (<see cref="InstanceNames"/>).
    /// </summary>
    public required string Instance { get; init; }

    /// <summary>Directory for pins and records, best below /run: what is in it does not outlive a reboot, nor should it.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>The node's range; null to choose one from <see cref="ChooseFrom"/> that nobody on the machine uses, and keep it.</summary>
    public Ipv4Range? PodRange { get; init; }

    public Ipv4Range ChooseFrom { get; init; } = Ipv4Range.Parse("10.42.0.0/16");

    /// <summary>Prefix length of a range that is chosen. /22: 1021 pods.</summary>
    public int ChosenPrefixLength { get; init; } = 22;

    /// <summary>Destinations that see a pod's own address: the whole cluster's pods. The node's range always belongs to them.</summary>
    public IReadOnlyList<Ipv4Range> NoMasquerade { get; init; } = [];

    /// <summary>Namespaces kept ready. Each holds a few hundred KiB of kernel memory.</summary>
    public int PoolSize { get; init; } = 16;

    /// <summary>The machine's namespace, where the bridge lives; null for our own. A test, or a machine within a machine, has another.</summary>
    public string? HostNamespacePath { get; init; }
}

/// <summary>
/// Names of one instance's things in the kernel. Interface names have at most 15 bytes and are shared by the whole machine.
/// </summary>
public sealed record InstanceNames
{
    /// <summary>Begins the name of every instance's bridge.</summary>
    public const string BridgePrefix = "minke-";

    private InstanceNames(string id, uint group) => (Id, Group) = (id, group);

    /// <summary>Eight hexadecimal digits.</summary>
    public string Id { get; }

    /// <summary><c>minke-1a2b3c4d</c>: 14 bytes.</summary>
    public string Bridge => BridgePrefix + Id;

    /// <summary>The nftables table: <c>minke_1a2b3c4d</c>.</summary>
    public string Table => "minke_" + Id;

    /// <summary>The group all pods' interfaces are in: a group can be deleted at one go. Never 0, the default.</summary>
    public uint Group { get; }

    /// <summary>The group of interfaces about to be deleted.</summary>
    public uint DyingGroup => Group + 1;

    public static InstanceNames Of(string instance)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(instance));
        var id = Convert.ToHexStringLower(hash.AsSpan(0, 4));

        // Even, and never 0: the next number is ours as well.
        return new InstanceNames(id, (BitConverter.ToUInt32(hash, 4) & 0x7ffffffe) | 0x40000000);
    }

    /// <summary>The machine's end of the pod with an address: <c>mk1a2b3c4d00fe</c>, the address as its place in the range.</summary>
    public string Port(Ipv4Range range, Ipv4 address) =>
        string.Create(CultureInfo.InvariantCulture, $"mk{Id}{address.Value - range.First.Value:x4}");

    public bool IsPort(string name) => name.Length == 14 && name.StartsWith("mk" + Id, StringComparison.Ordinal);

    /// <summary>The address <see cref="Port"/> names; null for an interface of somebody else.</summary>
    public Ipv4? AddressOfPort(Ipv4Range range, string port) =>
        IsPort(port) && uint.TryParse(port.AsSpan(10), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var place)
            ? new Ipv4(range.First.Value + place)
            : null;
}
