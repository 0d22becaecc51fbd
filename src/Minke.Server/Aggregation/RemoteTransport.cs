using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Minke.Api;
using Minke.Api.Apiregistration.V1;
using Minke.Server.Proxying;
using Minke.Server.Webhooks;

namespace Minke.Server.Aggregation;

/// <summary>Connections to the server behind an APIService, which learns by our certificate that it may believe who we say asks.</summary>
internal sealed class RemoteTransport : IDisposable
{
    private readonly ServiceReference _service;
    private readonly ServiceResolver _services;

    public RemoteTransport(APIServiceSpec spec, ServiceResolver services, Dialer dialer, X509Certificate2? identity, IdSource ids)
    {
        Repeated = new RepeatedHeaders(ids.NewUid() + ids.NewUid());
        (_service, _services) = (spec.Service!, services);
        Authority = $"{_service.Name}.{_service.Namespace}.svc:{Port}";
        Unverified = BackendTransport.Create(dialer, ServerTrust.Blind, _ => Resolve(), identity, Repeated);
        if (spec.InsecureSkipTLSVerify)
        {
            Verified = Unverified;
            return;
        }
        try
        {
            Verified = BackendTransport.Create(dialer, ServerTrust.Of(spec.CaBundle), _ => Resolve(), identity, Repeated);
        }
        catch (CryptographicException)
        {
            Verified = Unverified;
            Trouble = "unable to load root certificates: unable to parse bytes as PEM block";
        }
    }

    /// <summary>Host and port, as its certificate names it.</summary>
    public string Authority { get; }

    /// <summary>How its requests repeat headers.</summary>
    public RepeatedHeaders Repeated { get; }

    /// <summary>For requests of users.</summary>
    public HttpMessageInvoker Verified { get; }

    /// <summary>For asking whether anybody is there at all.</summary>
    public HttpMessageInvoker Unverified { get; }

    /// <summary>Why no request can be sent; empty when nothing is the matter.</summary>
    public string Trouble { get; } = "";

    private int Port => _service.Port ?? 443;

    /// <exception cref="WebhookException">There is no such Service, port or endpoint.</exception>
    public System.Net.EndPoint Resolve() => _services.Resolve(_service.Namespace, _service.Name, Port);

    /// <summary>Requests under way come to their end.</summary>
    public void Dispose()
    {
        Verified.Dispose();
        Unverified.Dispose();
    }
}
