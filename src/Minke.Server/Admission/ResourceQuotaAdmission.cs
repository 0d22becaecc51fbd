using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>
/// Charges what is created to the quotas of its namespace, and refuses what none of them has room for. The last plug-in: what is charged
/// is as good as written, and given back when it was not. The quota controller, which counts, is kept from overlooking what is on its way.
/// </summary>
internal sealed class ResourceQuotaAdmission(IStateStore store, ResourceCatalog catalog, TimeProvider clock) : IAdmission
{
    private const int Attempts = 100; // Each loss of a race means that another write has got through.

    private readonly Resource _quotas = catalog.Find(ResourceQuota.KindInfo)!;
    private readonly QuotaLedger _ledger = new();

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request is { Subresource: "status", Object: ResourceQuota quota, Old: ResourceQuota old } && IsLess(quota.Status.Used, old.Status.Used)
            && _ledger.MayHaveMissed(_quotas.Key(request.Namespace, request.Name)))
            throw StatusException.Conflict(_quotas.Kind, request.Name, "something was charged to it that may not have been counted; count again");
        return default;
    }

    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (!request.Resource.IsNamespaced || request is not { Object: { } value, Subresource: "", IsDelete: false } || !IsCharged(request))
            return;
        var prefix = _quotas.ListPrefix(request.Namespace);
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            var snapshot = store.Snapshot();
            var quotas = snapshot.Range(prefix);
            if (!quotas.Any())
                return;
            // What is refused as a duplicate right after this costs nothing.
            if (request.IsCreate && snapshot.Get(request.Resource.Key(request.Namespace, value.Metadata.Name)) is not null)
                return;
            if (await TryChargeAsync(request, value, quotas, cancellationToken))
                return;
        }
        throw StatusException.Modified(_quotas.Kind, "");
    }

    private static bool IsCharged(AdmissionRequest request) => request.IsCreate || request.Object is Service or PersistentVolumeClaim;

    /// <summary>False when a quota changed meanwhile.</summary>
    private async ValueTask<bool> TryChargeAsync(AdmissionRequest request, IKubeObject value, IEnumerable<Entry> quotas, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var delta = QuotaUsage.Of(value, now);
        if (request.Old is { } old)
        {
            foreach (var (name, amount) in QuotaUsage.Of(old, now))
                delta[name] = delta.TryGetValue(name, out var after) ? after - amount : new Quantity(0) - amount;
        }
        var charges = new List<(Entry Entry, ResourceQuota Quota)>();
        foreach (var entry in quotas)
        {
            var quota = (ResourceQuota)StoredObject.Read(_quotas, entry);
            if (QuotaUsage.IsInScope(quota, value) && Charged(request, value, quota, delta) is { } withCharge)
                charges.Add((entry, withCharge));
        }
        if (request.Context.IsDryRun)
            return true;
        var charged = new List<string>();
        foreach (var (entry, quota) in charges)
        {
            _ledger.Begin(entry.Key);
            charged.Add(entry.Key);
            var result = await store.PutAsync(entry.Key, StoredObject.Encode(quota), entry.Modified, cancellationToken);
            if (result.Outcome == WriteOutcome.Committed)
                continue;
            _ledger.End(entry.Key);
            charged.Remove(entry.Key);
            await EndAsync(charged, delta, isWritten: false);
            return false;
        }
        request.Ended = isWritten => EndAsync(charged, delta, isWritten);
        return true;
    }

    private async ValueTask EndAsync(IReadOnlyList<string> charged, Dictionary<string, Quantity> delta, bool isWritten)
    {
        foreach (var key in charged)
        {
            if (!isWritten)
                await GiveBackAsync(key, delta);
            _ledger.End(key);
        }
    }

    /// <summary>Has no deadline but the store's: a request that was given up is given back all the same.</summary>
    private async ValueTask GiveBackAsync(string key, Dictionary<string, Quantity> delta)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            if (store.Snapshot().Get(key) is not { } entry)
                return;
            var quota = (ResourceQuota)StoredObject.Read(_quotas, entry);
            var used = quota.Status.Used;
            foreach (var (name, amount) in delta.Where(pair => quota.Status.Hard.ContainsKey(pair.Key) && used.ContainsKey(pair.Key)))
                used = used.With(name, AtLeastZero(used[name] - amount));
            var result = await store.PutAsync(key, StoredObject.Encode(quota with { Status = quota.Status with { Used = used } }), entry.Modified, CancellationToken.None);
            if (result.Outcome == WriteOutcome.Committed)
                return;
        }
    }

    private static bool IsLess(ApiMap<Quantity> now, ApiMap<Quantity> before) => now.Any(pair => before.TryGetValue(pair.Key, out var amount) && pair.Value < amount);

    private static Quantity AtLeastZero(Quantity amount) => amount.Value < 0 ? new Quantity(0) : amount;

    /// <summary>The quota with the charge on it; null when it is not concerned.</summary>
    private static ResourceQuota? Charged(AdmissionRequest request, IKubeObject value, ResourceQuota quota, Dictionary<string, Quantity> delta)
    {
        var (hard, used) = (quota.Status.Hard, quota.Status.Used);
        if (request.IsCreate && value is Pod pod && QuotaUsage.Unsaid(hard.Keys, pod) is { Length: > 0 } unsaid)
            throw request.Forbidden($"failed quota: {quota.Metadata.Name}: {unsaid}");
        var asked = delta.Where(pair => pair.Value.Value != 0 && hard.ContainsKey(pair.Key)).ToDictionary(StringComparer.Ordinal);
        if (asked.Count == 0)
            return null;
        var unknown = asked.Keys.Where(name => !used.ContainsKey(name)).Order(StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
            throw request.Forbidden($"status unknown for quota: {quota.Metadata.Name}, resources: {string.Join(',', unknown)}");
        var exceeded = asked.Where(pair => pair.Value.Value > 0 && used[pair.Key] + pair.Value > hard[pair.Key]).Select(pair => pair.Key)
            .Order(StringComparer.Ordinal).ToList();
        if (exceeded.Count > 0)
        {
            throw request.Forbidden($"exceeded quota: {quota.Metadata.Name}, requested: {Told(exceeded, name => asked[name])}, "
                + $"used: {Told(exceeded, name => used[name])}, limited: {Told(exceeded, name => hard[name])}");
        }
        foreach (var (name, amount) in asked)
            used = used.With(name, AtLeastZero(used[name] + amount));
        return quota with { Status = quota.Status with { Used = used } };
    }

    private static string Told(IEnumerable<string> names, Func<string, Quantity> amount) => string.Join(',', names.Select(name => $"{name}={amount(name)}"));
}
