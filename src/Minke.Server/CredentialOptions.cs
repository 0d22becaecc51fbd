using System.Security.Cryptography.X509Certificates;

namespace Minke.Server;

/// <summary>Whom a server believes beside its own certificates and service account tokens.</summary>
public sealed record CredentialOptions
{
    /// <summary>A file of lines <c>token,user,uid,"group1,group2"</c>; null for none.</summary>
    public string? StaticTokenFile { get; init; }

    /// <summary>OpenID Connect providers whose ID tokens are believed.</summary>
    public IReadOnlyList<OidcOptions> Oidc { get; init; } = [];

    /// <summary>A proxy that authenticates; null for none.</summary>
    public FrontProxyOptions? FrontProxy { get; init; }

    /// <summary>How providers are reached instead of over the network; a test puts its own here.</summary>
    public HttpMessageHandler? OidcTransport { get; init; }
}

/// <summary>One OpenID Connect provider, as upstream's <c>--oidc-…</c> flags.</summary>
public sealed record OidcOptions
{
    /// <summary>An https URL: the <c>iss</c> of tokens, below which its discovery document lies.</summary>
    public required Uri Issuer { get; init; }

    /// <summary>The <c>aud</c> that tokens must have.</summary>
    public required string ClientId { get; init; }
    public string UserNameClaim { get; init; } = "sub";

    /// <summary>Before each name; null for the default: the issuer and <c>#</c>, but nothing before an email. <c>-</c> for nothing.</summary>
    public string? UserNamePrefix { get; init; }

    /// <summary>A claim with one group or a list of them; null for no groups.</summary>
    public string? GroupsClaim { get; init; }
    public string GroupsPrefix { get; init; } = "";

    /// <summary>Claims that must have a value.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> RequiredClaims { get; init; } = [];
    public IReadOnlyList<string> SigningAlgorithms { get; init; } = ["RS256"];

    /// <summary>Whose certificates the provider may show; null for those the system trusts.</summary>
    public X509Certificate2Collection? Authorities { get; init; }
}

/// <summary>A proxy in front, as upstream's <c>--requestheader-…</c> flags.</summary>
public sealed record FrontProxyOptions
{
    /// <summary>Whose certificate it shows. Not the clients' authority: who holds one of its certificates may be anybody.</summary>
    public required X509Certificate2Collection Authorities { get; init; }

    /// <summary>Common names of its certificate; empty for any.</summary>
    public IReadOnlyList<string> AllowedNames { get; init; } = [];
    public IReadOnlyList<string> UserHeaders { get; init; } = ["X-Remote-User"];
    public IReadOnlyList<string> UidHeaders { get; init; } = ["X-Remote-Uid"];
    public IReadOnlyList<string> GroupHeaders { get; init; } = ["X-Remote-Group"];
    public IReadOnlyList<string> ExtraHeaderPrefixes { get; init; } = ["X-Remote-Extra-"];
}
