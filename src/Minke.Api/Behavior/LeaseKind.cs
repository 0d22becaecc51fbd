using Minke.Api.Coordination.V1;

namespace Minke.Api;

/// <summary>What a Lease does beyond its fields. (pkg/apis/coordination/validation)</summary>
internal sealed class LeaseKind : KindBehavior<Lease>
{
    public override Lease PrepareForCreate(Lease lease) => Drop(lease);

    public override Lease PrepareForUpdate(Lease lease, Lease old) => Drop(lease);

    public override IEnumerable<string> Dropped(Lease lease) => lease.Spec is { Strategy: null, PreferredHolder: null }
        ? [] : ["spec.strategy: dropped, feature gate CoordinatedLeaderElection is off"];

    public override void Validate(Lease lease, Lease? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(lease.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(lease.Metadata, old.Metadata, errors);
        if (lease.Spec.LeaseDurationSeconds is <= 0)
            errors.Invalid("spec.leaseDurationSeconds", lease.Spec.LeaseDurationSeconds, "must be greater than 0");
        if (lease.Spec.LeaseTransitions is < 0)
            errors.Invalid("spec.leaseTransitions", lease.Spec.LeaseTransitions, "must be greater than or equal to 0");
    }

    private static Lease Drop(Lease lease) => lease.Spec is { Strategy: null, PreferredHolder: null }
        ? lease : lease with { Spec = lease.Spec with { Strategy = null, PreferredHolder = null } };
}
