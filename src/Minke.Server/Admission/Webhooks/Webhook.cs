using System.Security.Cryptography;
using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Admission.Policies;
using Minke.Server.Webhooks;

namespace Minke.Server.Admission.Webhooks;

/// <summary>One webhook of a configuration, mutating or validating, with its client. It lives as long as the configuration is as it is.</summary>
internal sealed class Webhook(WebhookAddress address, ServiceResolver services)
{
    // What upstream's defaulting fills in.
    private const int DefaultSeconds = 10;
    private const int DefaultPort = 443;

    private readonly Lock _lock = new();
    // All guarded by _lock: the client is made by the first call, and disposed of by the last one after the retirement.
    private WebhookClient? _client;
    private int _calls;
    private bool _isRetired;

    public required string Configuration { get; init; }
    public required string Name { get; init; }

    /// <summary>Tells it from others, even from those of the same name.</summary>
    public required string Id { get; init; }
    public required ApiList<RuleWithOperations> Rules { get; init; }

    /// <summary>Of <see cref="MatchPolicyType"/>; null means Equivalent.</summary>
    public required string? MatchPolicy { get; init; }
    public required LabelSelector? NamespaceSelector { get; init; }
    public required LabelSelector? ObjectSelector { get; init; }
    public required string? FailurePolicy { get; init; }
    public required string? SideEffects { get; init; }
    public required TimeSpan Timeout { get; init; }
    public required ApiList<MatchCondition> MatchConditions { get; init; }

    /// <summary>Compiled when they are first asked.</summary>
    public MatchConditions Conditions => field ??= Policies.MatchConditions.Compile(MatchConditions);
    public bool IsReinvocable { get; init; }

    /// <summary>The first version of AdmissionReview that both sides know; null for none.</summary>
    public required string? ReviewVersion { get; init; }

    public bool IgnoresFailures => FailurePolicy == FailurePolicyType.Ignore;

    /// <summary>Whether it may be called for a request that must change nothing.</summary>
    public bool IsFitForDryRun => SideEffects is SideEffectClass.None or SideEffectClass.NoneOnDryRun;

    public static Webhook Of(string configuration, int number, MutatingWebhook hook, ServiceResolver services) => new(AddressOf(hook.ClientConfig), services)
    {
        Configuration = configuration,
        Name = hook.Name,
        Id = $"{configuration}/{hook.Name}/{number}",
        Rules = hook.Rules,
        MatchPolicy = hook.MatchPolicy,
        NamespaceSelector = hook.NamespaceSelector,
        ObjectSelector = hook.ObjectSelector,
        FailurePolicy = hook.FailurePolicy,
        SideEffects = hook.SideEffects,
        Timeout = TimeSpan.FromSeconds(hook.TimeoutSeconds ?? DefaultSeconds),
        MatchConditions = hook.MatchConditions,
        IsReinvocable = hook.ReinvocationPolicy == ReinvocationPolicyType.IfNeeded,
        ReviewVersion = VersionOf(hook.AdmissionReviewVersions),
    };

    public static Webhook Of(string configuration, int number, ValidatingWebhook hook, ServiceResolver services) => new(AddressOf(hook.ClientConfig), services)
    {
        Configuration = configuration,
        Name = hook.Name,
        Id = $"{configuration}/{hook.Name}/{number}",
        Rules = hook.Rules,
        MatchPolicy = hook.MatchPolicy,
        NamespaceSelector = hook.NamespaceSelector,
        ObjectSelector = hook.ObjectSelector,
        FailurePolicy = hook.FailurePolicy,
        SideEffects = hook.SideEffects,
        Timeout = TimeSpan.FromSeconds(hook.TimeoutSeconds ?? DefaultSeconds),
        MatchConditions = hook.MatchConditions,
        ReviewVersion = VersionOf(hook.AdmissionReviewVersions),
    };

    /// <summary>Sends a review; the answer's JSON.</summary>
    /// <exception cref="WebhookException">Whatever kept the hook from answering.</exception>
    public async Task<byte[]> PostAsync(byte[] review, TimeProvider clock, CancellationToken cancellationToken)
    {
        var client = Enter();
        try
        {
            return await client.PostAsync(review, Timeout, clock, cancellationToken);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Its configuration has changed or is gone: calls under way end, and with the last of them the connections.</summary>
    public void Retire()
    {
        lock (_lock)
        {
            _isRetired = true;
            DisposeIfUnused();
        }
    }

    private WebhookClient Enter()
    {
        lock (_lock)
        {
            try
            {
                _client ??= new WebhookClient(address, services);
            }
            catch (CryptographicException)
            {
                throw new WebhookException("unable to load root certificates: unable to parse bytes as PEM block");
            }
            _calls++;
            return _client;
        }
    }

    private void Leave()
    {
        lock (_lock)
        {
            _calls--;
            DisposeIfUnused();
        }
    }

    private void DisposeIfUnused()
    {
        if (!_isRetired || _calls > 0)
            return;
        _client?.Dispose();
        _client = null;
    }

    private static string? VersionOf(ApiList<string> accepted) => accepted.FirstOrDefault(version => version is "v1" or "v1beta1");

    private static WebhookAddress AddressOf(WebhookClientConfig config) => new(
        config.Url ?? "", config.Service?.Namespace ?? "", config.Service?.Name ?? "", config.Service?.Path ?? "", config.Service?.Port ?? DefaultPort, config.CaBundle ?? []);
}
