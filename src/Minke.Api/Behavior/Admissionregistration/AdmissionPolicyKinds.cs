using Minke.Api.Admissionregistration.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What a ValidatingAdmissionPolicy does beyond its fields. (pkg/registry/admissionregistration/validatingadmissionpolicy)</summary>
internal sealed class ValidatingAdmissionPolicyKind : KindBehavior<ValidatingAdmissionPolicy>
{
    public override bool CountsGeneration => true;

    public override ValidatingAdmissionPolicy Default(ValidatingAdmissionPolicy value) =>
        value with { Spec = value.Spec with { MatchConstraints = AdmissionPolicyRules.Default(value.Spec.MatchConstraints) } };

    public override ValidatingAdmissionPolicy PrepareForCreate(ValidatingAdmissionPolicy value) => value with { Status = new() };

    public override ValidatingAdmissionPolicy PrepareForUpdate(ValidatingAdmissionPolicy value, ValidatingAdmissionPolicy old) => value with { Status = old.Status };

    public override ValidatingAdmissionPolicy PrepareForStatusUpdate(ValidatingAdmissionPolicy value, ValidatingAdmissionPolicy old) =>
        value with { Spec = old.Spec, Metadata = ObjectMetaRules.ForStatus(value.Metadata, old.Metadata) };

    public override void Validate(ValidatingAdmissionPolicy value, ValidatingAdmissionPolicy? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateGenericUpdate(value.Metadata, old.Metadata, errors);
        ObjectMetaRules.ValidateGeneric(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, "metadata", errors);
        AdmissionPolicyRules.ValidatePolicy(value, old, "spec", errors);
    }

    public override void ValidateStatusMetadata(ObjectMeta metadata, ObjectMeta old, FieldErrors errors) =>
        ObjectMetaRules.ValidateGenericUpdate(metadata, old, errors);

    public override void ValidateStatus(ValidatingAdmissionPolicy value, ValidatingAdmissionPolicy old, FieldErrors errors)
    {
        var warnings = value.Status.TypeChecking?.ExpressionWarnings ?? default;
        for (var i = 0; i < warnings.Count; i++)
        {
            var at = new FieldPath("status.typeChecking.expressionWarnings").Index(i);
            if (warnings[i].Warning.Length == 0)
                errors.Required(at.Child("warning"));
            if (string.IsNullOrWhiteSpace(warnings[i].FieldRef))
                errors.Required(at.Child("fieldRef"));
        }
    }
}

/// <summary>What a ValidatingAdmissionPolicyBinding does beyond its fields.</summary>
internal sealed class ValidatingAdmissionPolicyBindingKind : KindBehavior<ValidatingAdmissionPolicyBinding>
{
    public override bool CountsGeneration => true;

    public override ValidatingAdmissionPolicyBinding Default(ValidatingAdmissionPolicyBinding value) =>
        value with { Spec = value.Spec with { MatchResources = AdmissionPolicyRules.Default(value.Spec.MatchResources) } };

    public override void Validate(ValidatingAdmissionPolicyBinding value, ValidatingAdmissionPolicyBinding? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateGenericUpdate(value.Metadata, old.Metadata, errors);
        ObjectMetaRules.ValidateGeneric(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, "metadata", errors);
        AdmissionPolicyRules.ValidateBinding(value.Spec, "spec", errors);
    }
}
