using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Access.Credentials;

/// <summary>Tokens that let a machine join: <c>ID.SECRET</c>, kept as the Secret <c>kube-system/bootstrap-token-ID</c>.</summary>
internal sealed partial class BootstrapTokens(IStateStore store, ResourceCatalog catalog, IReadOnlyList<string> own, TimeProvider clock) : ITokenAuthenticator
{
    private const string Group = "system:bootstrappers";

    private readonly Resource _secrets = catalog.Find(Secret.KindInfo)!;

    public ValueTask<ValidToken?> AuthenticateAsync(string token, IReadOnlyList<string>? audiences, CancellationToken cancellationToken)
    {
        if (Form().Match(token) is not { Success: true } match)
            return default;
        var (id, secret) = (match.Groups[1].Value, match.Groups[2].Value);
        if (store.Snapshot().Get(_secrets.Key("kube-system", "bootstrap-token-" + id)) is not { } entry)
            return default;
        return new(UserOf((Secret)StoredObject.Read(_secrets, entry), id, secret) is { } user ? TokenAuthenticators.ForServer(user, audiences, own) : null);
    }

    private UserInfo? UserOf(Secret kept, string id, string secret)
    {
        if (kept.Metadata.DeletionTimestamp is not null || kept.Type != "bootstrap.kubernetes.io/token" || Text(kept, "token-id") != id
            || !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Text(kept, "token-secret")), Encoding.UTF8.GetBytes(secret))
            || IsExpired(Text(kept, "expiration"), clock.GetUtcNow()) || Text(kept, "usage-bootstrap-authentication") != "true")
            return null;
        var extra = Text(kept, "auth-extra-groups").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        // Nobody becomes an administrator by writing a Secret.
        if (extra.Any(group => !ExtraGroup().IsMatch(group)))
            return null;
        return new("system:bootstrap:" + id, [Group, .. extra.Order(StringComparer.Ordinal), UserInfo.Authenticated]);
    }

    /// <summary>What cannot be read as a time is over.</summary>
    public static bool IsExpired(string expiration, DateTimeOffset now) => expiration.Length > 0
        && (!DateTimeOffset.TryParse(expiration, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var end) || end <= now);

    private static string Text(Secret secret, string key) => secret.Data.TryGetValue(key, out var bytes) ? Encoding.UTF8.GetString(bytes) : "";

    [GeneratedRegex(@"\A([a-z0-9]{6})\.([a-z0-9]{16})\z")]
    private static partial Regex Form();

    [GeneratedRegex(@"\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z")]
    private static partial Regex ExtraGroup();
}
