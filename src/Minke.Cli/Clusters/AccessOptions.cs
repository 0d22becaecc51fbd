using System.Globalization;
using Minke.Api;

namespace Minke.Cli.Clusters;

/// <summary>Whom the cluster believes beside its own certificates, what it records, and how much it takes on: kube-apiserver's flags of the same names.</summary>
public sealed record AccessOptions
{
    public string? TokenAuthFile { get; init; }
    public string? OidcIssuerUrl { get; init; }
    public string? OidcClientId { get; init; }
    public string? OidcUsernameClaim { get; init; }
    public string? OidcUsernamePrefix { get; init; }
    public string? OidcGroupsClaim { get; init; }
    public string? OidcGroupsPrefix { get; init; }

    /// <summary><c>claim=value</c>.</summary>
    public IReadOnlyList<string> OidcRequiredClaims { get; init; } = [];
    public string? OidcSigningAlgs { get; init; }
    public string? OidcCaFile { get; init; }
    public string? RequestHeaderClientCaFile { get; init; }
    public string? RequestHeaderAllowedNames { get; init; }
    public string? AuditPolicyFile { get; init; }
    public string? AuditLogPath { get; init; }
    public int? AuditLogMaxSizeMegabytes { get; init; }
    public int? AuditLogMaxBackups { get; init; }
    public TimeSpan? RequestTimeout { get; init; }
    public int? MaxRequestsInFlight { get; init; }
    public int? MaxMutatingRequestsInFlight { get; init; }

    /// <summary>As they are typed, paths in full: another process has another working directory.</summary>
    public IEnumerable<string> ToArguments()
    {
        var flags = new List<(string Flag, string? Value)>
        {
            ("--token-auth-file", Full(TokenAuthFile)), ("--oidc-issuer-url", OidcIssuerUrl), ("--oidc-client-id", OidcClientId),
            ("--oidc-username-claim", OidcUsernameClaim), ("--oidc-username-prefix", OidcUsernamePrefix), ("--oidc-groups-claim", OidcGroupsClaim),
            ("--oidc-groups-prefix", OidcGroupsPrefix), ("--oidc-signing-algs", OidcSigningAlgs), ("--oidc-ca-file", Full(OidcCaFile)),
            ("--requestheader-client-ca-file", Full(RequestHeaderClientCaFile)), ("--requestheader-allowed-names", RequestHeaderAllowedNames),
            ("--audit-policy-file", Full(AuditPolicyFile)), ("--audit-log-path", Full(AuditLogPath)),
            ("--audit-log-maxsize", Number(AuditLogMaxSizeMegabytes)), ("--audit-log-maxbackup", Number(AuditLogMaxBackups)),
            ("--request-timeout", RequestTimeout is { } timeout ? Duration.From(timeout).ToString() : null),
            ("--max-requests-inflight", Number(MaxRequestsInFlight)), ("--max-mutating-requests-inflight", Number(MaxMutatingRequestsInFlight)),
        };
        flags.AddRange(OidcRequiredClaims.Select(claim => ("--oidc-required-claim", (string?)claim)));
        return flags.Where(one => one.Value is not null).SelectMany(one => (string[])[one.Flag, one.Value!]);
    }

    private static string? Number(int? value) => value?.ToString(CultureInfo.InvariantCulture);

    private static string? Full(string? path) => path is null ? null : Path.GetFullPath(path);
}
