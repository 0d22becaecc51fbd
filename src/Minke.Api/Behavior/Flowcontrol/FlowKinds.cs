using Minke.Api.Flowcontrol.V1;

namespace Minke.Api;

/// <summary>What a FlowSchema does beyond its fields. (pkg/registry/flowcontrol/flowschema)</summary>
internal sealed class FlowSchemaKind : KindBehavior<FlowSchema>
{
    public override bool CountsGeneration => true;

    public override FlowSchema PrepareForCreate(FlowSchema value) => value with { Status = new() };

    public override FlowSchema PrepareForUpdate(FlowSchema value, FlowSchema old) => value with { Status = old.Status };

    public override FlowSchema PrepareForStatusUpdate(FlowSchema value, FlowSchema old) =>
        value with { Spec = old.Spec, Metadata = ObjectMetaRules.ForStatus(value.Metadata, old.Metadata) };

    public override void Validate(FlowSchema value, FlowSchema? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        FlowRules.ValidateSchema(value.Metadata.Name, value.Spec, "spec", errors);
        if (SystemFlows.FindMandatorySchema(value.Metadata.Name) is { } mandatory && !Json.Same(value.Spec, mandatory.Spec))
            errors.Invalid("spec", new GoText("flowcontrol.FlowSchemaSpec{...}"), $"spec of '{value.Metadata.Name}' must equal the fixed value");
        ValidateStatus(value, value, errors);
    }

    public override void ValidateStatus(FlowSchema value, FlowSchema old, FieldErrors errors) =>
        FlowRules.ValidateConditions(value.Status.Conditions.Select(condition => condition.Type), errors);
}

/// <summary>What a PriorityLevelConfiguration does beyond its fields.</summary>
internal sealed class PriorityLevelConfigurationKind : KindBehavior<PriorityLevelConfiguration>
{
    private const int DefaultShares = 30;
    private const string Exempt = "exempt";

    public override bool CountsGeneration => true;

    public override PriorityLevelConfiguration Default(PriorityLevelConfiguration value) => value.Spec.Limited is { NominalConcurrencyShares: null } limited
        ? value with { Spec = value.Spec with { Limited = limited with { NominalConcurrencyShares = DefaultShares } } } : value;

    public override PriorityLevelConfiguration PrepareForCreate(PriorityLevelConfiguration value) => value with { Status = new() };

    public override PriorityLevelConfiguration PrepareForUpdate(PriorityLevelConfiguration value, PriorityLevelConfiguration old) => value with { Status = old.Status };

    public override PriorityLevelConfiguration PrepareForStatusUpdate(PriorityLevelConfiguration value, PriorityLevelConfiguration old) =>
        value with { Spec = old.Spec, Metadata = ObjectMetaRules.ForStatus(value.Metadata, old.Metadata) };

    public override void Validate(PriorityLevelConfiguration value, PriorityLevelConfiguration? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        var name = value.Metadata.Name;
        FlowRules.ValidateLevel(name, value.Spec, "spec", errors);
        if (SystemFlows.FindMandatoryLevel(name) is { } mandatory)
        {
            var spec = name == Exempt ? value.Spec with { Exempt = mandatory.Spec.Exempt } : value.Spec;
            if (!Json.Same(spec, mandatory.Spec))
            {
                errors.Invalid("spec", new GoText("flowcontrol.PriorityLevelConfigurationSpec{...}"),
                    name == Exempt ? $"spec of '{name}' except the 'spec.exempt' field must equal the fixed value" : $"spec of '{name}' must equal the fixed value");
            }
        }
        ValidateStatus(value, value, errors);
    }

    public override void ValidateStatus(PriorityLevelConfiguration value, PriorityLevelConfiguration old, FieldErrors errors) =>
        FlowRules.ValidateConditions(value.Status.Conditions.Select(condition => condition.Type), errors);
}
