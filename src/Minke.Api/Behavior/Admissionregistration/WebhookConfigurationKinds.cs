using Minke.Api.Admissionregistration.V1;

namespace Minke.Api;

/// <summary>What a ValidatingWebhookConfiguration does beyond its fields. (pkg/registry/admissionregistration/validatingwebhookconfiguration)</summary>
internal sealed class ValidatingWebhookConfigurationKind : KindBehavior<ValidatingWebhookConfiguration>
{
    public override bool CountsGeneration => true;

    public override ValidatingWebhookConfiguration Default(ValidatingWebhookConfiguration value) => value with
    {
        Webhooks = value.Webhooks.Map(hook => hook with { NamespaceSelector = hook.NamespaceSelector ?? new(), ObjectSelector = hook.ObjectSelector ?? new() }),
    };

    public override void Validate(ValidatingWebhookConfiguration value, ValidatingWebhookConfiguration? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateGenericUpdate(value.Metadata, old.Metadata, errors);
        ObjectMetaRules.ValidateGeneric(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, "metadata", errors);
        AdmissionHookRules.Validate([.. value.Webhooks.Select(AdmissionHook.Of)], old is null ? null : [.. old.Webhooks.Select(AdmissionHook.Of)], errors);
    }
}

/// <summary>What a MutatingWebhookConfiguration does beyond its fields.</summary>
internal sealed class MutatingWebhookConfigurationKind : KindBehavior<MutatingWebhookConfiguration>
{
    public override bool CountsGeneration => true;

    public override MutatingWebhookConfiguration Default(MutatingWebhookConfiguration value) => value with
    {
        Webhooks = value.Webhooks.Map(hook => hook with { NamespaceSelector = hook.NamespaceSelector ?? new(), ObjectSelector = hook.ObjectSelector ?? new() }),
    };

    public override void Validate(MutatingWebhookConfiguration value, MutatingWebhookConfiguration? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateGenericUpdate(value.Metadata, old.Metadata, errors);
        ObjectMetaRules.ValidateGeneric(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, "metadata", errors);
        AdmissionHookRules.Validate([.. value.Webhooks.Select(AdmissionHook.Of)], old is null ? null : [.. old.Webhooks.Select(AdmissionHook.Of)], errors);
    }
}
