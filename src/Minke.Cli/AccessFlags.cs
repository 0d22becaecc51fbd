using System.CommandLine;
using System.CommandLine.Parsing;
using Minke.Api;
using Minke.Cli.Clusters;

namespace Minke.Cli;

/// <summary>The flags of <see cref="AccessOptions"/>, added to a command and read from what was typed.</summary>
internal sealed class AccessFlags
{
    private readonly Option<string?> _tokenFile = new("--token-auth-file") { Description = "Believe the bearer tokens of a file: lines of token,user,uid,\"group1,group2\"", HelpName = "FILE" };
    private readonly Option<string?> _issuer = new("--oidc-issuer-url") { Description = "Believe the ID tokens of an OpenID Connect provider", HelpName = "URL" };
    private readonly Option<string?> _client = new("--oidc-client-id") { Description = "The client that ID tokens must be made for", HelpName = "ID" };
    private readonly Option<string?> _userClaim = new("--oidc-username-claim") { Description = "The claim that names the user; sub when left out", HelpName = "CLAIM" };
    private readonly Option<string?> _userPrefix = new("--oidc-username-prefix") { Description = "Put before user names; the issuer and # when left out, - for nothing", HelpName = "PREFIX" };
    private readonly Option<string?> _groupsClaim = new("--oidc-groups-claim") { Description = "The claim that names the user's groups", HelpName = "CLAIM" };
    private readonly Option<string?> _groupsPrefix = new("--oidc-groups-prefix") { Description = "Put before group names", HelpName = "PREFIX" };
    private readonly Option<string[]> _required = new("--oidc-required-claim") { Description = "A claim that must have a value; may be given more than once", HelpName = "CLAIM=VALUE" };
    private readonly Option<string?> _algorithms = new("--oidc-signing-algs") { Description = "Signatures taken, separated by commas; RS256 when left out", HelpName = "ALGS" };
    private readonly Option<string?> _issuerAuthority = new("--oidc-ca-file") { Description = "Whose certificate the provider shows; those the system trusts when left out", HelpName = "FILE" };
    private readonly Option<string?> _proxyAuthority = new("--requestheader-client-ca-file") { Description = "Believe the X-Remote-… headers of a proxy with a certificate of this authority", HelpName = "FILE" };
    private readonly Option<string?> _proxyNames = new("--requestheader-allowed-names") { Description = "Common names of such a proxy, separated by commas; any when left out", HelpName = "NAMES" };
    private readonly Option<string?> _auditPolicy = new("--audit-policy-file") { Description = "Record requests as this Policy of audit.k8s.io/v1 says", HelpName = "FILE" };
    private readonly Option<string?> _auditLog = new("--audit-log-path") { Description = "Where requests are recorded, an event a line", HelpName = "FILE" };
    private readonly Option<int?> _auditSize = new("--audit-log-maxsize") { Description = "Megabytes after which the record is renamed and a new one begun; 100 when left out", HelpName = "MB" };
    private readonly Option<int?> _auditBackups = new("--audit-log-maxbackup") { Description = "Renamed records that are kept; all when left out", HelpName = "COUNT" };
    private readonly Option<TimeSpan?> _timeout = new("--request-timeout")
    {
        Description = "How long a request may take that is no watch or stream; 1m0s when left out",
        HelpName = "DURATION",
        CustomParser = DurationOf,
    };
    private readonly Option<int?> _reads = new("--max-requests-inflight") { Description = "Seats for requests: with the next one what priority levels share; 400 when left out", HelpName = "COUNT" };
    private readonly Option<int?> _writes = new("--max-mutating-requests-inflight") { Description = "Seats for requests, beside those; 200 when left out", HelpName = "COUNT" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_tokenFile, _issuer, _client, _userClaim, _userPrefix, _groupsClaim, _groupsPrefix, _required, _algorithms, _issuerAuthority,
            _proxyAuthority, _proxyNames, _auditPolicy, _auditLog, _auditSize, _auditBackups, _timeout, _reads, _writes])
            command.Add(option);
        command.Validators.Add(result =>
        {
            foreach (var seats in (Option<int?>[])[_reads, _writes])
            {
                if (result.GetValue(seats) < 0)
                    result.AddError($"{seats.Name} can not be negative value");
            }
            if (result.GetValue(_reads) == 0 && result.GetValue(_writes) == 0)
                result.AddError("--max-requests-inflight and --max-mutating-requests-inflight are not both 0: nobody would be served");
            if (result.GetValue(_issuer) is null != result.GetValue(_client) is null)
                result.AddError("--oidc-issuer-url and --oidc-client-id are given together");
            if (result.GetValue(_auditPolicy) is null != result.GetValue(_auditLog) is null)
                result.AddError("--audit-policy-file and --audit-log-path are given together");
            if (result.GetValue(_required)?.FirstOrDefault(claim => !claim.Contains('=', StringComparison.Ordinal)) is { } bad)
                result.AddError($"--oidc-required-claim {bad}: write it as CLAIM=VALUE");
        });
    }

    public AccessOptions Read(ParseResult parsed) => new()
    {
        TokenAuthFile = parsed.GetValue(_tokenFile),
        OidcIssuerUrl = parsed.GetValue(_issuer),
        OidcClientId = parsed.GetValue(_client),
        OidcUsernameClaim = parsed.GetValue(_userClaim),
        OidcUsernamePrefix = parsed.GetValue(_userPrefix),
        OidcGroupsClaim = parsed.GetValue(_groupsClaim),
        OidcGroupsPrefix = parsed.GetValue(_groupsPrefix),
        OidcRequiredClaims = parsed.GetValue(_required) ?? [],
        OidcSigningAlgs = parsed.GetValue(_algorithms),
        OidcCaFile = parsed.GetValue(_issuerAuthority),
        RequestHeaderClientCaFile = parsed.GetValue(_proxyAuthority),
        RequestHeaderAllowedNames = parsed.GetValue(_proxyNames),
        AuditPolicyFile = parsed.GetValue(_auditPolicy),
        AuditLogPath = parsed.GetValue(_auditLog),
        AuditLogMaxSizeMegabytes = parsed.GetValue(_auditSize),
        AuditLogMaxBackups = parsed.GetValue(_auditBackups),
        RequestTimeout = parsed.GetValue(_timeout),
        MaxRequestsInFlight = parsed.GetValue(_reads),
        MaxMutatingRequestsInFlight = parsed.GetValue(_writes),
    };

    private static TimeSpan? DurationOf(ArgumentResult result)
    {
        try
        {
            if (Duration.Parse(result.Tokens[0].Value) is { Nanoseconds: > 0 } duration)
                return duration.ToTimeSpan();
            result.AddError("--request-timeout must be more than nothing");
        }
        catch (FormatException exception)
        {
            result.AddError($"--request-timeout {result.Tokens[0].Value}: {exception.Message}");
        }
        return null;
    }
}
