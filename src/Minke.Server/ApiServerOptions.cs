using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Minke.Api;
using Minke.Client.Nodes;
using Minke.Server.Health;
using Minke.Server.Pki;
using Minke.Server.Services;

namespace Minke.Server;

/// <summary>What an <see cref="ApiServer"/> is told about itself.</summary>
public sealed record ApiServerOptions
{
    public const int DefaultReads = 400;
    public const int DefaultWrites = 200;
    public static readonly TimeSpan DefaultRequestTimeout = TimeSpan.FromSeconds(60);

    /// <summary>Where it listens; port 0 takes a free one.</summary>
    public required IReadOnlyList<IPEndPoint> Listen { get; init; }

    /// <summary>What it shows; asked anew for each connection, so a renewed certificate is used at once.</summary>
    public required Func<X509Certificate2> Certificate { get; init; }

    /// <summary>Whose client certificates it believes.</summary>
    public required X509Certificate2 ClientAuthority { get; init; }

    /// <summary>Signs service account tokens: an ECDSA (P-256) or RSA key.</summary>
    public required AsymmetricAlgorithm ServiceAccountKey { get; init; }

    /// <summary>Keys that signed tokens before it; what they signed still holds.</summary>
    public IReadOnlyList<AsymmetricAlgorithm> OlderServiceAccountKeys { get; init; } = [];

    /// <summary>Whom it believes beside these.</summary>
    public CredentialOptions Credentials { get; init; } = new();

    /// <summary>Which requests are recorded; null for none.</summary>
    public AuditOptions? Audit { get; init; }

    public IReadOnlyList<KindInfo> Kinds { get; init; } = ServedKinds.Default;

    /// <summary>Parts beside the server itself whose health counts.</summary>
    public IReadOnlyList<HealthCheck> HealthChecks { get; init; } = [];

    /// <summary>What <c>/version</c> says: the Kubernetes version whose behaviour this is, and ours.</summary>
    public string GitVersion { get; init; } = "v1.32.4+minke.0.1.0";

    /// <summary>Where the nodes are that logs, commands, ports and usage are asked of.</summary>
    public INodeDirectory Nodes { get; init; } = new NoNodes();

    /// <summary>By what extension servers know this one; asked once they are. Null: they are shown no certificate and believe none of what it says of users.</summary>
    public Func<FrontProxyIdentity>? FrontProxyIdentity { get; init; }

    /// <summary>How pods, nodes and extension servers are reached instead of over the network; a test puts its own here.</summary>
    public Func<EndPoint, CancellationToken, Task<Stream>>? Dial { get; init; }

    /// <summary>Which addresses and node ports Services get.</summary>
    public ServiceNetwork ServiceNetwork { get; init; } = new();

    /// <summary>How long a request may take that is no watch or stream: kube-apiserver's <c>--request-timeout</c>.</summary>
    public TimeSpan RequestTimeout { get; init; } = DefaultRequestTimeout;

    /// <summary>Seats for requests, of all priority levels together: kube-apiserver's <c>--max-requests-inflight</c> and
    /// <c>--max-mutating-requests-inflight</c>.</summary>
    public int Seats { get; init; } = DefaultReads + DefaultWrites;

    /// <summary>How long connections may say nothing.</summary>
    public ConnectionTimeouts Connections { get; init; } = new();

    /// <summary>Set once a garbage collector runs: deletions then leave it the foreground and orphan work.</summary>
    public bool HasGarbageCollector { get; init; }
}

/// <summary>How long a connection may say nothing before it is closed; upstream's.</summary>
/// <param name="Handshake">For TLS.</param>
/// <param name="Headers">From the first byte of a request to the end of its headers.</param>
/// <param name="Idle">Between requests.</param>
public sealed record ConnectionTimeouts(TimeSpan Handshake, TimeSpan Headers, TimeSpan Idle)
{
    public ConnectionTimeouts() : this(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(32), TimeSpan.FromSeconds(90))
    {
    }
}

/// <summary>A server without nodes.</summary>
internal sealed class NoNodes : INodeDirectory
{
    public INodeEndpoint? Find(string nodeName) => null;
}
