using Minke.Api.Networking.V1;

namespace Minke.Api;

/// <summary>What a NetworkPolicy does beyond its fields. (pkg/registry/networking/networkpolicy/strategy.go)</summary>
internal sealed class NetworkPolicyKind : KindBehavior<NetworkPolicy>
{
    public override bool CountsGeneration => true;

    public override NetworkPolicy Default(NetworkPolicy policy)
    {
        if (!policy.Spec.PolicyTypes.IsEmpty)
            return policy;
        ApiList<string> types = policy.Spec.Egress.IsEmpty ? [PolicyType.Ingress] : [PolicyType.Ingress, PolicyType.Egress];
        return policy with { Spec = policy.Spec with { PolicyTypes = types } };
    }

    public override void Validate(NetworkPolicy policy, NetworkPolicy? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(policy.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(policy.Metadata, old.Metadata, errors);
        NetworkPolicyRules.ValidateSpec(policy.Spec, "spec", errors);
    }
}
