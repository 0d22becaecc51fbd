using System.Globalization;
using System.Text;
using Minke.Api.Core.V1;
using Minke.Node.Runtime;

namespace Minke.Node.Pods;

/// <summary>A pod that can have no sandbox as it is written. The message is upstream's.</summary>
internal sealed class SandboxConfigException(string message) : Exception(message);

/// <summary>What a node gives every pod: its names, its resolver and its limits.</summary>
public sealed record NodeSettings
{
    public required string NodeName { get; init; }
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>Addresses of the cluster's DNS; none: pods use the machine's resolver.</summary>
    public IReadOnlyList<string> ClusterDns { get; init; } = [];

    /// <summary>The machine's resolver configuration.</summary>
    public string ResolvConf { get; init; } = "/etc/resolv.conf";
    public string HostsFile { get; init; } = "/etc/hosts";

    /// <summary>Most processes in a pod; null for no limit of its own.</summary>
    public long? PodPidsLimit { get; init; }

    /// <summary>Sysctls that are not safe and yet allowed; a trailing <c>*</c> allows all below.</summary>
    public IReadOnlyList<string> AllowedUnsafeSysctls { get; init; } = [];

    /// <summary>Directory of static pods; empty for none.</summary>
    public string StaticPodDirectory { get; init; } = "";
    public int MaxPods { get; init; } = 500;

    /// <summary>A container's log is put aside when it is this long (the kubelet's containerLogMaxSize).</summary>
    public long ContainerLogMaxBytes { get; init; } = 10 << 20;

    /// <summary>Files of one container's log, the one being written among them.</summary>
    public int ContainerLogMaxFiles { get; init; } = 5;

    /// <summary>Directory of the kubelet's files on this node.</summary>
    public required NodePaths Paths { get; init; }

    /// <summary>Labels of the node beside the well-known ones.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>Port the node's own API listens on, for its status; 0 for none.</summary>
    public int EndpointPort { get; init; }
    public string KubeletVersion { get; init; } = "v1.32.0";
}

/// <summary>From a pod to the configuration of its sandbox: host name, hosts file, resolver, ports, namespaces, sysctls, limits.</summary>
internal static class SandboxSpec
{
    private const int MaxHostnameLength = 63;
    private const int MaxFqdnLength = 64;
    private const int MaxNameservers = 3;
    private const int MaxSearches = 32;
    private const int MaxSearchCharacters = 2048;

    public static SandboxConfig For(Pod pod, uint attempt, NodeSettings node, string runtimeHandler, Resolver host, Action<string> warnDns)
    {
        var (hostname, domain) = HostnameOf(pod, node.ClusterDomain);
        var sysctls = pod.Spec.SecurityContext?.Sysctls ?? default;
        var isHostNetwork = pod.Spec.HostNetwork;
        return new SandboxConfig
        {
            Namespace = pod.Metadata.Namespace,
            Name = pod.Metadata.Name,
            Uid = pod.Uid,
            Attempt = attempt,
            Hostname = isHostNetwork ? "" : VisibleHostname(pod, hostname, domain),
            LogDirectory = node.Paths.Logs(pod.Metadata.Namespace, pod.Metadata.Name, pod.Uid),
            Dns = DnsOf(pod, node, host, warnDns),
            PortMappings = PortsOf(pod),
            Labels = LabelsOf(pod),
            Annotations = AnnotationsOf(pod),
            Network = isHostNetwork ? NamespaceMode.Node : NamespaceMode.Pod,
            Ipc = pod.Spec.HostIPC ? NamespaceMode.Node : NamespaceMode.Pod,
            Pid = pod.Spec.HostPID ? NamespaceMode.Node : pod.Spec.ShareProcessNamespace == true ? NamespaceMode.Pod : NamespaceMode.Container,
            Sysctls = sysctls.ToDictionary(sysctl => sysctl.Name.Replace('/', '.'), sysctl => sysctl.Value, StringComparer.Ordinal),
            Resources = QosClass.PodResourcesOf(pod, node.PodPidsLimit),
            QosClass = QosClass.Of(pod),
            HostsFile = HostsFileOf(pod, node),
            OwnHostNames = isHostNetwork ? [] : domain.Length > 0 ? [$"{hostname}.{domain}", hostname] : [hostname],
            RuntimeHandler = runtimeHandler,
        };
    }

    /// <summary>Host name, and the domain of a pod with a subdomain.</summary>
    public static (string Hostname, string Domain) HostnameOf(Pod pod, string clusterDomain)
    {
        var hostname = pod.Spec.Hostname.Length > 0 ? pod.Spec.Hostname : Truncated(pod.Metadata.Name);
        var domain = pod.Spec.Subdomain.Length > 0 ? $"{pod.Spec.Subdomain}.{pod.Metadata.Namespace}.svc.{clusterDomain}" : "";
        return (hostname, domain);
    }

    private static string VisibleHostname(Pod pod, string hostname, string domain)
    {
        if (pod.Spec.SetHostnameAsFQDN != true || domain.Length == 0)
            return hostname;
        var name = $"{hostname}.{domain}";
        // The kernel's nodename holds 64 bytes.
        if (name.Length > MaxFqdnLength)
            throw new SandboxConfigException(
                $"failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long ({MaxFqdnLength} characters is the max, {name.Length} characters requested)");
        return name;
    }

    private static string Truncated(string name) =>
        name.Length <= MaxHostnameLength ? name : name[..MaxHostnameLength].TrimEnd('-', '.');

    private static Dictionary<string, string> LabelsOf(Pod pod)
    {
        var labels = pod.Metadata.Labels.ToDictionary(label => label.Key, label => label.Value, StringComparer.Ordinal);
        labels[PodLabels.PodName] = pod.Metadata.Name;
        labels[PodLabels.PodNamespace] = pod.Metadata.Namespace;
        labels[PodLabels.PodUid] = pod.Uid;
        return labels;
    }

    private static Dictionary<string, string> AnnotationsOf(Pod pod)
    {
        var annotations = pod.Metadata.Annotations.ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.Ordinal);
        // For the end of a pod whose object is gone by the time this node comes back.
        annotations[PodLabels.TerminationGracePeriod] = (pod.Spec.TerminationGracePeriodSeconds ?? 30).ToString(CultureInfo.InvariantCulture);
        return annotations;
    }

    private static List<PortMapping> PortsOf(Pod pod)
    {
        if (pod.Spec.HostNetwork)
            return [];
        var containers = pod.Spec.InitContainers.Where(container => container.IsSidecar).Concat(pod.Spec.Containers);
        return
        [
            .. containers.SelectMany(container => container.Ports).Where(port => port.HostPort > 0).Select(
                port => new PortMapping(port.Protocol.Length > 0 ? port.Protocol : Protocol.TCP, port.ContainerPortValue, port.HostPort, port.HostIP)),
        ];
    }

    private static string? HostsFileOf(Pod pod, NodeSettings node)
    {
        var text = new StringBuilder();
        if (pod.Spec.HostNetwork)
        {
            if (pod.Spec.HostAliases.IsEmpty)
                return null;
            text.Append("# Kubernetes-managed hosts file (host network).\n");
            text.Append(File.Exists(node.HostsFile) ? File.ReadAllText(node.HostsFile) : "");
        }
        else
        {
            text.Append("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
            text.Append("fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
        }
        if (!pod.Spec.HostAliases.IsEmpty)
        {
            text.Append("\n# Entries added by HostAliases.\n");
            foreach (var alias in pod.Spec.HostAliases)
                text.Append(alias.Ip).Append('\t').AppendJoin('\t', alias.Hostnames.AsEnumerable()).Append('\n');
        }
        return text.ToString();
    }

    internal static DnsConfig DnsOf(Pod pod, NodeSettings node, Resolver host, Action<string> warn)
    {
        List<string> servers = [.. host.Nameservers];
        List<string> searches = [.. host.Searches];
        List<string> options = [.. host.Options];
        var usesCluster = pod.Spec.DnsPolicy == DNSPolicy.ClusterFirstWithHostNet
            || (pod.Spec.DnsPolicy is DNSPolicy.ClusterFirst or "" && !pod.Spec.HostNetwork);
        if (pod.Spec.DnsPolicy == DNSPolicy.None)
        {
            (servers, searches, options) = ([], [], []);
        }
        else if (usesCluster && node.ClusterDns.Count > 0)
        {
            servers = [.. node.ClusterDns];
            var domain = node.ClusterDomain;
            searches = [.. new[] { $"{pod.Metadata.Namespace}.svc.{domain}", $"svc.{domain}", domain }.Concat(host.Searches).Distinct(StringComparer.Ordinal)];
            options = ["ndots:5"];
        }
        else if (servers.Count == 0)
        {
            // glibc would ask the pod's own loopback when no server is named.
            servers = ["127.0.0.1"];
        }
        if (pod.Spec.DnsConfig is { } own)
        {
            servers = [.. servers.Concat(own.Nameservers).Distinct(StringComparer.Ordinal)];
            searches = [.. searches.Concat(own.Searches).Distinct(StringComparer.Ordinal)];
            options = MergedOptions(options, own);
        }
        return Limited(servers, searches, options, warn);
    }

    private static List<string> MergedOptions(List<string> options, PodDNSConfig own)
    {
        var merged = new List<string>();
        foreach (var option in options)
        {
            if (!own.Options.Any(other => other.Name == option.Split(':')[0]))
                merged.Add(option);
        }
        merged.AddRange(own.Options.Select(option => option.Value is { Length: > 0 } value ? $"{option.Name}:{value}" : option.Name));
        return merged;
    }

    private static DnsConfig Limited(List<string> servers, List<string> searches, List<string> options, Action<string> warn)
    {
        if (servers.Count > MaxNameservers)
        {
            servers = servers[..MaxNameservers];
            warn($"Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {string.Join(' ', servers)}");
        }
        var kept = searches.Take(MaxSearches).ToList();
        while (string.Join(' ', kept).Length > MaxSearchCharacters)
            kept.RemoveAt(kept.Count - 1);
        if (kept.Count < searches.Count)
            warn($"Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {string.Join(' ', kept)}");
        return new DnsConfig { Servers = servers, Searches = kept, Options = options };
    }
}

/// <summary>A resolver configuration: <c>resolv.conf</c>(5).</summary>
internal sealed record Resolver(IReadOnlyList<string> Nameservers, IReadOnlyList<string> Searches, IReadOnlyList<string> Options)
{
    public static Resolver Empty { get; } = new([], [], []);

    public static Resolver Parse(string text)
    {
        var servers = new List<string>();
        IReadOnlyList<string> searches = [];
        var options = new List<string>();
        foreach (var line in text.Split('\n'))
        {
            if (line.TrimStart() is ['#' or ';', ..])
                continue;
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case ["nameserver", var server, ..]:
                    servers.Add(server);
                    break;
                case ["search" or "domain", .. var names]:
                    // The last search line counts; a lone dot means the root, which pods inherit as nothing.
                    searches = [.. names.Where(name => name != ".")];
                    break;
                case ["options", .. var all]:
                    options = [.. all];
                    break;
                default:
                    break;
            }
        }
        return new(servers, searches, options);
    }
}
