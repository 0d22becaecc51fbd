using System.Globalization;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Registry;

namespace Minke.Server.Audit;

/// <summary>What is gathered of one request on its way; a feature of its HTTP context, so that whoever reads the body or answers can add to it.</summary>
internal sealed class AuditRecord
{
    public required string Id { get; init; }
    public required AuditDecision Decision { get; init; }
    public required AccessQuery Query { get; init; }
    public required DateTimeOffset Received { get; init; }
    public required Resource? Resource { get; init; }

    /// <summary>As whom the user acts, when as somebody else.</summary>
    public UserInfo? Impersonated { get; set; }

    /// <summary>As it was sent; only kept when the level asks for it.</summary>
    public byte[]? RequestBody { get; private set; }

    /// <summary>The answer when it is a Status.</summary>
    public Status? Status { get; set; }

    /// <summary>The answer's bytes; only kept when the level asks for it.</summary>
    public ResponseCopy? Response { get; init; }

    /// <summary>What authorisation said.</summary>
    public Decision? Authorized { get; set; }

    /// <summary>What admission had to say, sorted; null for nothing.</summary>
    public SortedDictionary<string, string>? Annotations { get; private set; }

    /// <summary>The first value of a key stays. Below the level it is of, nothing is said.</summary>
    public void Annotate(string key, string value, AuditLevel from = AuditLevel.Metadata)
    {
        if (Decision.Level >= from)
            (Annotations ??= new(StringComparer.Ordinal)).TryAdd(key, value);
    }

    public void Keep(byte[] body)
    {
        if (Decision.Level >= AuditLevel.Request)
            RequestBody = body;
    }

    public bool Writes(AuditStages stage) => (Decision.Omitted & stage) == 0;

    public static string Timestamp(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
