using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Client;
using Minke.Server.Access;
using Minke.Server.Access.Credentials;
using Minke.Server.Access.Nodes;
using Minke.Server.Access.Rbac;
using Minke.Server.Admission;
using Minke.Server.Admission.Policies;
using Minke.Server.Admission.Webhooks;
using Minke.Server.Audit;
using Minke.Server.Aggregation;
using Minke.Server.Apply;
using Minke.Server.Bootstrap;
using Minke.Server.CustomResources;
using Minke.Server.Discovery;
using Minke.Server.Flow;
using Minke.Server.Health;
using Minke.Server.InProcess;
using Minke.Server.OpenApi;
using Minke.Server.Proxying;
using Minke.Server.Registry;
using Minke.Server.Requests;
using Minke.Server.Services;
using Minke.Server.Streaming;
using Minke.Server.Subresources;
using Minke.Server.Upkeep;
using Minke.Server.Webhooks;
using Minke.Store;

namespace Minke.Server;

/// <summary>
/// The Kubernetes API over a store: HTTPS (HTTP/1.1 and HTTP/2) for everybody, and <see cref="Client"/> for what lives in this process.
/// </summary>
public sealed class ApiServer : IAsyncDisposable
{
    // A request line with a long selector, and the headers of a browser behind a proxy. Go's limit for all headers is 1 MiB.
    private const int MaxRequestLineBytes = 64 * 1024;
    private const int MaxHeaderBytes = 1024 * 1024;
    private static readonly TimeSpan StopWithin = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly WebApplication _host;
    private readonly IServer _kestrel;
    private readonly RequestHandler _handler;
    private readonly EventExpiry _expiry;
    private readonly PolicyReconciler _policy;
    private readonly SystemObjects _system;
    private readonly FlowControl _flow;
    private readonly FlowController _flows;
    private readonly IReadOnlyList<OidcTokens> _providers;
    private readonly DefinitionController _definitions;
    private readonly PolicyStatusController _policyStatus;
    private readonly ResourceCatalog _catalog;
    private readonly ProxyHandler _proxies;
    private readonly LocalApiServices _localApis;
    private readonly RemoteApis _remoteApis;
    private readonly AuthenticationConfig _authenticationConfig;
    private Task _working = Task.CompletedTask;
    private readonly AuditLog? _auditLog;
    private Task _auditing = Task.CompletedTask;
    private Task _restoring = Task.CompletedTask;
    private Task _fetching = Task.CompletedTask;
    private bool _isStarted;

    public ApiServer(ApiServerOptions options, IStateStore store, IdSource ids, TimeProvider clock, ILoggerFactory loggers)
    {
        var catalog = new ResourceCatalog(options.Kinds);
        var policy = new RbacPolicy(store, catalog);
        var authorizer = new Authorizer(new NodeAuthorizer(store, catalog), new RbacAuthorizer(policy));
        var restriction = new NodeRestriction(store, catalog);
        var resolver = new ServiceResolver(store, catalog, ids);
        var (matcher, conditions, calls) = (new WebhookMatcher(new RequestMatcher(store, catalog), catalog), new WebhookConditions(store, catalog, authorizer), new WebhookCalls(ids, clock));
        var hookLogger = loggers.CreateLogger<WebhookCalls>();
        var admission = new AdmissionChain(
            store, catalog, new EscalationCheck(policy, authorizer), restriction,
            new MutatingWebhooks(WebhookSource.OfMutating(store, catalog, resolver), matcher, conditions, calls, hookLogger),
            new ValidatingWebhooks(WebhookSource.OfValidating(store, catalog, resolver), matcher, conditions, calls, hookLogger), authorizer, ids, clock);
        var registry = new ObjectRegistry(store, catalog, admission, new FieldOwnership(catalog, clock), ids, clock)
        {
            HasGarbageCollector = options.HasGarbageCollector,
            Services = catalog.Find(Minke.Api.Core.V1.Service.KindInfo) is { } services ? new ServiceAllocator(options.ServiceNetwork, store, services, ids) : null,
        };
        var tokens = new ServiceAccountTokens(options.ServiceAccountKey, options.OlderServiceAccountKeys, store, catalog, ids, clock);
        _providers = [.. options.Credentials.Oidc.Select(one => new OidcTokens(
            one, options.Credentials.OidcTransport, tokens.DefaultAudiences, clock, loggers.CreateLogger<OidcTokens>()))];
        var bearers = new TokenAuthenticators(
        [
            .. options.Credentials.StaticTokenFile is { } file ? (ReadOnlySpan<ITokenAuthenticator>)[StaticTokens.Read(file, tokens.DefaultAudiences)] : [],
            tokens, new BootstrapTokens(store, catalog, tokens.DefaultAudiences, clock), .. _providers,
        ]);
        var authenticator = new Authenticator(
            new ClientCertificates([options.ClientAuthority], clock), options.Credentials.FrontProxy is { } proxy ? new FrontProxy(proxy, clock) : null, bearers);
        var pods = new PodOperations(registry);
        var tokenRequests = new TokenRequests(registry, tokens, restriction);
        var reviews = new AccessReviews(authorizer, policy, bearers, clock);
        Client = new InProcessClient(registry, pods, tokenRequests, reviews, "minke");

        _policyStatus = new PolicyStatusController(store, catalog, registry, clock, loggers.CreateLogger<PolicyStatusController>());
        _definitions = new DefinitionController(store, catalog, registry, ids, clock, loggers.CreateLogger<DefinitionController>());
        _catalog = catalog;

        var resources = new ResourceHandler(registry, ids);
        var connections = new ConnectAdmission(registry);
        var dialer = new Dialer(options.Dial, clock);
        var reverse = new ReverseProxy(new ProxyHeaders(options.Credentials.FrontProxy));
        _proxies = new ProxyHandler(registry, connections, new ProxyPlaces(registry, ids), options.Nodes, reverse, dialer);
        var streams = new PodStreams(registry, connections, options.Nodes, new StreamingEndpoints(new(), clock));
        _localApis = new LocalApiServices(store, catalog, ids, clock, loggers.CreateLogger<LocalApiServices>());
        _remoteApis = new RemoteApis(store, catalog, registry, resolver, dialer, () => options.FrontProxyIdentity?.Invoke().Client, _localApis, ids, clock, loggers.CreateLogger<RemoteApis>());
        _authenticationConfig = new AuthenticationConfig(store, catalog, options, ids, clock);
        var usage = new UsageMetrics(registry, options.Nodes);
        _auditLog = options.Audit is { } audit ? new AuditLog(audit, clock, loggers.CreateLogger<AuditLog>()) : null;
        var auditor = _auditLog is null ? null : new Auditor(AuditPolicy.Read(options.Audit!.PolicyFile), _auditLog, ids, clock);
        _policy = new PolicyReconciler(store, catalog, ids, clock, loggers.CreateLogger<PolicyReconciler>());
        _system = new SystemObjects(store, catalog, ids, clock);
        _flow = new FlowControl(new WorkEstimate(catalog, store), options.Seats, options.RequestTimeout, clock);
        _flows = new FlowController(store, catalog, registry, _flow, clock, loggers.CreateLogger<FlowController>());
        _expiry = new EventExpiry(store, catalog, clock, loggers.CreateLogger<EventExpiry>());
        var checks = new List<HealthCheck>
        {
            new("ping", () => null),
            new("log", () => null),
            new("etcd", () => store.Trouble),
            new("shutdown", () => _stopping.IsCancellationRequested ? "the server is stopping" : null, IsForReadiness: true),
        };
        checks.AddRange(options.HealthChecks);
        var remotes = new RemoteRequests(_remoteApis, reverse, clock);
        var metrics = new ServerMetrics(store, catalog, _flow);
        var subresources = new SubresourceHandler(resources, pods, streams, tokenRequests, new ScaleHandler(registry), new CustomScale(registry), _proxies);
        _handler = new RequestHandler(
            new ResourceRequests(catalog, resources, subresources, new VirtualResources(registry, pods, reviews, usage), remotes, authorizer, clock),
            new PathRequests(
                new StoreEndpoints(store), remotes, new HealthEndpoints(checks),
                new DiscoveryDocuments(catalog, _remoteApis, tokens, options.GitVersion, () => Endpoints is [var first, ..] ? first.ToString() : ""),
                new OpenApiDocuments(catalog, _remoteApis, options.GitVersion, clock), new FlowDump(_flow, clock), metrics),
            remotes, catalog, authenticator, new Impersonation(authorizer), authorizer, auditor, _flow, metrics, options.RequestTimeout, clock,
            loggers.CreateLogger<ApiServer>(), _stopping.Token);
        _host = CreateHost(options, loggers);
        _kestrel = _host.Services.GetRequiredService<IServer>();
    }

    /// <summary>The API without a socket; works from the start, and after <see cref="DisposeAsync"/> as long as the store does.</summary>
    public IApiClient Client { get; }

    /// <summary>What is served, custom kinds included.</summary>
    public IServedKinds Kinds => _catalog;

    /// <summary>Where it listens, once started.</summary>
    public IReadOnlyList<IPEndPoint> Endpoints { get; private set; } = [];

    /// <summary>Listens.</summary>
    /// <exception cref="IOException">An address is in use.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _isStarted = true;
        if (_auditLog is not null)
            _auditing = _auditLog.RunAsync();
        // Side by side: the first requests are the administrator's, whom no role is asked about.
        var listening = _kestrel.StartAsync(new Application(_handler), cancellationToken);
        await Task.WhenAll(_policy.CreateMissingAsync(cancellationToken), _system.CreateMissingAsync(cancellationToken), _localApis.CreateMissingAsync(cancellationToken));
        _flows.Load();
        await listening;
        _fetching = Task.WhenAll(_providers.Select(provider => provider.RunAsync(_stopping.Token)));
        _restoring = _policy.RestoreAsync(_stopping.Token);
        _working = Task.WhenAll(_expiry.RunAsync(_stopping.Token), _definitions.RunAsync(_stopping.Token), _policyStatus.RunAsync(_stopping.Token), _flows.RunAsync(_stopping.Token),
            _localApis.RunAsync(_stopping.Token), _remoteApis.RunAsync(_stopping.Token), _authenticationConfig.RunAsync(_stopping.Token));
        Endpoints = [.. _kestrel.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses
            .Select(address => IPEndPoint.Parse(new Uri(address).Authority))];
    }

    /// <summary>Ends watches, lets requests finish for a moment, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        if (_isStarted)
        {
            using var deadline = new CancellationTokenSource(StopWithin);
            await _kestrel.StopAsync(deadline.Token);
        }
        await _working;
        await _restoring;
        await _fetching;
        _auditLog?.Complete();
        await _auditing;
        foreach (var provider in _providers)
            provider.Dispose();
        _proxies.Dispose();
        _remoteApis.Dispose();
        await _host.DisposeAsync();
        _flow.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Kestrel alone of what a web host has: its parts need a container, our requests do not.</summary>
    private static WebApplication CreateHost(ApiServerOptions options, ILoggerFactory loggers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => Configure(kestrel, options));
        return builder.Build();
    }

    private static void Configure(KestrelServerOptions kestrel, ApiServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1; // Headers of backends come out of a proxy as they went in.
        kestrel.Limits.MaxRequestBodySize = null; // Bodies are counted as they are read; streams have no limit.
        kestrel.Limits.MaxRequestLineSize = MaxRequestLineBytes;
        kestrel.Limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null; // A watch may be silent for long.
        kestrel.Limits.RequestHeadersTimeout = options.Connections.Headers;
        kestrel.Limits.KeepAliveTimeout = options.Connections.Idle;
        kestrel.Limits.MaxRequestBufferSize = RequestBody.MaxBytes * 2;
        kestrel.Limits.Http2.MaxStreamsPerConnection = 250; // As upstream.
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = MaxHeaderBytes; // One header may take all of it, as over HTTP/1.1.
        // A watcher whose machine has gone says nothing more; upstream asks after it by TCP keep-alive as seldom.
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromMinutes(3);
        kestrel.Limits.Http2.InitialConnectionWindowSize = 1024 * 1024;
        foreach (var endpoint in options.Listen)
        {
            kestrel.Listen(endpoint, listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = options.Connections.Handshake,
                    OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                    {
                        ServerCertificate = options.Certificate(),
                        ClientCertificateRequired = true,
                        // Whether a certificate is believed is authentication's to say: 401 tells more than a broken handshake.
#pragma warning disable CA5359
                        RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    }),
                });
            });
        }
    }

    private sealed class Application(RequestHandler handler) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => handler.HandleAsync(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
