using System.Net;
using System.Net.NetworkInformation;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Cli;
using Minke.Cli.Clusters;
using Minke.Cli.Kubeconfigs;
using Minke.Control;
using Minke.Control.Services;
using Minke.Logs;
using Minke.Node;
using Minke.Node.Images;
using Minke.Node.Linux;
using Minke.Node.Network;
using Minke.Node.Pods;
using Minke.Node.Pods.Environment;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;
using Minke.Node.Volumes;
using Minke.Server;
using Minke.Server.Pki;
using Minke.Store;

namespace Minke;

/// <summary>How the parts make a cluster in one process: plain <c>new</c>, top to bottom.</summary>
internal sealed class Composition(TimeProvider clock) : IClusterHost
{
    /// <summary>The address of the Service <c>kubernetes</c>: the first of the Services' range.</summary>
    private static readonly IPAddress KubernetesService = IPAddress.Parse("10.96.0.1");

    public IStoppedState StoppedState { get; } = new StoppedState(clock);

    public async Task<IRunningCluster> StartAsync(ClusterOptions options, CancellationToken cancellationToken)
    {
        var data = options.Data;
        var nodeName = Dns.GetHostName().ToLowerInvariant();
        var cluster = new RunningCluster(nodeName);
        try
        {
            var loggers = cluster.Owns(LogTo(data.LogFile));

            // The runtime and the store need neither each other nor the certificates: they open side by side.
            var places = NodeOf(data);
            var openingRuntime = cluster.OwnsSoon(() => LocalRuntime.OpenAsync(places, options.RegistriesFile, clock, loggers, cancellationToken));
            var openingStore = cluster.OwnsSoon(() => StateStore.OpenAsync(
                Minke.StoppedState.OpenLog(data), new StateStoreOptions(), clock, loggers.CreateLogger<StateStore>()));
            var pki = ClusterPki.Open(data.Pki, ServingNames.For(nodeName, KubernetesService, AddressesOf(options.Listen.Address)), clock);

            var nodes = new LocalNodes();
            var store = await openingStore;
            var server = cluster.Owns(new ApiServer(
                new ApiServerOptions
                {
                    Listen = [options.Listen],
                    Certificate = () => pki.Serving,
                    ClientAuthority = pki.Authority,
                    ServiceAccountKey = pki.ServiceAccountKey,
                    OlderServiceAccountKeys = pki.OlderServiceAccountKeys,
                    Credentials = AccessSettings.Credentials(options.Access),
                    Audit = AccessSettings.Audit(options.Access),
                    RequestTimeout = options.Access.RequestTimeout ?? ApiServerOptions.DefaultRequestTimeout,
                    Seats = (options.Access.MaxRequestsInFlight ?? ApiServerOptions.DefaultReads) + (options.Access.MaxMutatingRequestsInFlight ?? ApiServerOptions.DefaultWrites),
                    Nodes = nodes,
                    FrontProxyIdentity = () => pki.FrontProxy,
                    HasGarbageCollector = true,
                },
                store, new IdSource(new Random()), clock, loggers));
            var control = new ControlPlane(server.Client.As("kube-controller-manager"), pki.AuthorityPem, pki.SignRequest, server.Kinds, clock, loggers)
            {
                ApiServer = new ApiServerAddress(KubernetesService, ReachableAt(options.Listen.Address), options.Listen.Port),
            };
            await server.StartAsync(cancellationToken);
            cluster.Runs(pki.KeepCurrentAsync);
            cluster.Runs(control.RunAsync);

            var local = await openingRuntime;
            var volumes = cluster.Owns(new DiskVolumes(places.Paths, server.Client, clock, loggers.CreateLogger<DiskVolumes>()));
            var prober = cluster.Owns(new Prober(local.Runtime, clock));
            var node = cluster.Owns(new NodeAgent(
                new NodeSettings
                {
                    NodeName = nodeName,
                    Paths = places.Paths,
                    KubeletVersion = MinkeVersion.Kubernetes,
                    StaticPodDirectory = data.Manifests,
                    ContainerLogMaxBytes = options.ContainerLogMaxBytes ?? 10 << 20,
                },
                NodeMachine.Read(data.Root), server.Client.As("kubelet"), local.Runtime, local.Images, volumes, new ContainerEnvironment(server.Client), prober, clock,
                loggers, ReadPod));
            nodes.Add(nodeName, node.Endpoint);
            var collection = new ImageCollection(
                new ImageGarbageCollector(local.ImageStore, new ImageGcPolicy(), clock), local.Runtime, node.ImagesChanged, clock,
                loggers.CreateLogger<ImageCollection>());
            cluster.Runs(volumes.RunAsync);
            cluster.Runs(node.RunAsync);
            cluster.Runs(collection.RunAsync);
            cluster.Owns(new MemoryTrim(clock));
            cluster.Admin = AdminOf(pki, options.Listen);
            return cluster;
        }
        catch (Exception exception)
        {
            await cluster.DisposeAsync();
            if (exception is RuntimeException or LinuxException or FormatException or IOException or UnauthorizedAccessException or PkiException or StoreInUseException or StoreUnavailableException or StoreCorruptException)
                throw new CliException($"start the cluster in {data.Root}: {exception.Message}", exception);
            throw;
        }
    }

    public async Task RemovePodsAsync(DataDirectory data, TimeSpan grace, CancellationToken cancellationToken)
    {
        using var loggers = LogTo(data.LogFile);
        await new NodeRemoval(NodeOf(data), clock, loggers).RunAsync(grace, cancellationToken);
    }

    /// <summary>All names and places of a node follow from the directory, so two directories never meet.</summary>
    private static NodeOptions NodeOf(DataDirectory data) => new()
    {
        Paths = new NodePaths(data.Node),
        Images = data.Images,
        RunDirectory = data.Run,
        Network = new NetworkOptions { Instance = data.Root, StateDirectory = data.Run + "/network" },
        Runtime = new EmbeddedOptions
        {
            StateDirectory = data.Node + "/runtime",
            RunDirectory = data.Run + "/runtime",
            CgroupRoot = "minke-" + data.InstanceId,
        },
    };

    /// <summary>The pod of a file of <see cref="DataDirectory.Manifests"/>, YAML or JSON.</summary>
    /// <exception cref="FormatException">There is no pod in it, or not one alone.</exception>
    private static Pod ReadPod(byte[] manifest)
    {
        if (YamlReader.Read(Encoding.UTF8.GetString(manifest)) is not [var (_, document)] || document is not JsonObject pod)
            throw new FormatException("one pod in one document is wanted");
        if (pod["kind"]?.ToString() != "Pod" || pod["apiVersion"]?.ToString() != "v1")
            throw new FormatException($"a v1 Pod is wanted, not {pod["apiVersion"]} {pod["kind"]}");
        return (Pod)Pod.KindInfo.ReadJson(Encoding.UTF8.GetBytes(pod.ToJsonString()));
    }

    private static Kubeconfig AdminOf(ClusterPki pki, IPEndPoint listen)
    {
        // Who listens everywhere is reached here by loopback.
        var address = listen.Address.Equals(IPAddress.Any) ? IPAddress.Loopback
            : listen.Address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : listen.Address;
        using var key = pki.Admin.GetECDsaPrivateKey()!;
        return new Kubeconfig("minke", new Uri($"https://{new IPEndPoint(address, listen.Port)}"), pki.AuthorityPem + "\n",
            pki.Admin.ExportCertificatePem() + "\n", key.ExportECPrivateKeyPem() + "\n");
    }

    /// <summary>What a client may call the server by when it listens on an address: every address of the machine for the wildcard.</summary>
    /// <summary>The address at which pods reach the API; null while it listens for this machine alone.</summary>
    private static IPAddress? ReachableAt(IPAddress listen) => AddressesOf(listen).FirstOrDefault(address =>
        address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));

    private static IEnumerable<IPAddress> AddressesOf(IPAddress listen) =>
        !listen.Equals(IPAddress.Any) && !listen.Equals(IPAddress.IPv6Any)
            ? [listen]
            : NetworkInterface.GetAllNetworkInterfaces().SelectMany(link => link.GetIPProperties().UnicastAddresses)
                .Select(address => address.Address).Where(address => !address.IsIPv6LinkLocal);

    /// <summary>What the parts say goes to the file; of the HTTP server only what is wrong.</summary>
    private LoggerFactory LogTo(string file) => new([new FileLoggerProvider(file, clock)], new LoggerFilterOptions
    {
        MinLevel = LogLevel.Information,
        Rules = { new LoggerFilterRule(null, "Microsoft.AspNetCore", LogLevel.Warning, null) },
    });
}
