using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Minke.Cli.Clusters;
using Minke.Server;

namespace Minke;

/// <summary>What was typed about access, as the server wants it.</summary>
internal static class AccessSettings
{
    /// <exception cref="FormatException">Something typed cannot be meant.</exception>
    public static CredentialOptions Credentials(AccessOptions typed) => new()
    {
        StaticTokenFile = typed.TokenAuthFile,
        Oidc = typed.OidcIssuerUrl is { } issuer ? [Provider(typed, issuer)] : [],
        FrontProxy = typed.RequestHeaderClientCaFile is { } authority
            ? new() { Authorities = Certificates(authority), AllowedNames = List(typed.RequestHeaderAllowedNames) }
            : null,
    };

    public static AuditOptions? Audit(AccessOptions typed) => typed is { AuditPolicyFile: { } policy, AuditLogPath: { } path }
        ? new()
        {
            PolicyFile = policy,
            LogPath = path,
            MaxBytes = (typed.AuditLogMaxSizeMegabytes ?? 100) * (1L << 20),
            MaxBackups = typed.AuditLogMaxBackups ?? 0,
        }
        : null;

    private static OidcOptions Provider(AccessOptions typed, string issuer) => new()
    {
        Issuer = Uri.TryCreate(issuer, UriKind.Absolute, out var uri) ? uri : throw new FormatException($"--oidc-issuer-url {issuer} is not a URL"),
        ClientId = typed.OidcClientId!,
        UserNameClaim = typed.OidcUsernameClaim ?? "sub",
        UserNamePrefix = typed.OidcUsernamePrefix,
        GroupsClaim = typed.OidcGroupsClaim,
        GroupsPrefix = typed.OidcGroupsPrefix ?? "",
        RequiredClaims = [.. typed.OidcRequiredClaims.Select(claim => claim.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], pair[1]))],
        SigningAlgorithms = typed.OidcSigningAlgs is { } algorithms ? List(algorithms) : ["RS256"],
        Authorities = typed.OidcCaFile is { } file ? Certificates(file) : null,
    };

    private static string[] List(string? text) => text?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    private static X509Certificate2Collection Certificates(string file)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPemFile(file);
        }
        catch (CryptographicException exception)
        {
            throw new FormatException($"{file} holds no certificates in PEM form: {exception.Message}", exception);
        }
        return certificates.Count > 0 ? certificates : throw new FormatException($"{file} holds no certificates in PEM form");
    }
}
