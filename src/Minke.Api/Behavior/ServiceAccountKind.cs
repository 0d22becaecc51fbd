using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a ServiceAccount does beyond its fields. (pkg/registry/core/serviceaccount/strategy.go)</summary>
internal sealed class ServiceAccountKind : KindBehavior<ServiceAccount>
{
    private const string MountableSecrets = "kubernetes.io/enforce-mountable-secrets";

    public override ServiceAccount PrepareForCreate(ServiceAccount account) => WithNamedSecrets(account);

    public override ServiceAccount PrepareForUpdate(ServiceAccount account, ServiceAccount old) => WithNamedSecrets(account);

    public override void Validate(ServiceAccount account, ServiceAccount? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(account.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(account.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
    }

    public override IEnumerable<string> Warnings(ServiceAccount account, ServiceAccount? old) =>
        account.Metadata.Annotations.ContainsKey(MountableSecrets) && old?.Metadata.Annotations.ContainsKey(MountableSecrets) != true
            ? [$"metadata.annotations[{MountableSecrets}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"] : [];

    /// <summary>They are in its own namespace, so a name is all there is to say of them.</summary>
    private static ServiceAccount WithNamedSecrets(ServiceAccount account) => account.Secrets.IsEmpty
        ? account : account with { Secrets = account.Secrets.Map(secret => new ObjectReference { Name = secret.Name }) };
}
