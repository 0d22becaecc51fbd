using Minke.Api.Apps.V1;

namespace Minke.Api;

/// <summary>What a ControllerRevision does beyond its fields: its data never changes. (ValidateControllerRevision)</summary>
internal sealed class ControllerRevisionKind : KindBehavior<ControllerRevision>
{
    public override void Validate(ControllerRevision revision, ControllerRevision? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(revision.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(revision.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        if (revision.Data.IsNull)
            errors.Required("data", "data is mandatory");
        WorkloadRules.NotNegative(revision.Revision, "revision", errors);
        if (old is not null && revision.Data != old.Data)
            errors.Invalid("data", new GoText(revision.Data.ToString()), "field is immutable");
    }
}
