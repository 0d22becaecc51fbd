using Minke.Api;
using Minke.Api.Flowcontrol.V1;
using Minke.Api.Meta.V1;

namespace Minke.Server.Flow;

/// <summary>
/// What becomes of the objects that every cluster has when somebody changes them: the mandatory ones are put right, the others as long as
/// <c>apf.kubernetes.io/autoupdate-spec</c> does not say false. (pkg/registry/flowcontrol/ensurer)
/// </summary>
internal static class FlowUpkeep
{
    /// <summary>The object as it should be; itself when it is.</summary>
    public static IKubeObject Kept(IKubeObject now, IKubeObject should)
    {
        if (now.Metadata.DeletionTimestamp is not null)
            return now;
        var follows = IsMandatory(should) || Follows(now.Metadata);
        var kept = follows ? WithSpec(now, should) : now;
        return Says(now.Metadata) == follows ? kept : kept.WithMetadata(kept.Metadata with
        {
            Annotations = ApiMap.From([.. kept.Metadata.Annotations.Where(one => one.Key != SystemFlows.AutoUpdate), KeyValuePair.Create(SystemFlows.AutoUpdate, follows ? "true" : "false")]),
        });
    }

    /// <summary>One of an older version's, which nobody took for his own.</summary>
    public static bool IsLeftover(IKubeObject one) => one.Metadata.DeletionTimestamp is null && Says(one.Metadata) == true;

    private static bool IsMandatory(IKubeObject one) =>
        (one is FlowSchema ? (object?)SystemFlows.FindMandatorySchema(one.Metadata.Name) : SystemFlows.FindMandatoryLevel(one.Metadata.Name)) is not null;

    /// <summary>Without a word about it: as long as nobody has changed the spec.</summary>
    private static bool Follows(ObjectMeta metadata) => Says(metadata) ?? metadata.Generation == 1;

    // strconv.ParseBool.
    private static bool? Says(ObjectMeta metadata) => metadata.Annotations.GetValueOrDefault(SystemFlows.AutoUpdate) switch
    {
        "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        _ => null,
    };

    private static IKubeObject WithSpec(IKubeObject now, IKubeObject should) => (now, should) switch
    {
        (FlowSchema schema, FlowSchema wanted) => Json.Same(schema.Spec, wanted.Spec) ? schema : schema with { Spec = wanted.Spec },
        // Of the exempt level its shares are the operator's.
        (PriorityLevelConfiguration { Spec.Exempt: { } exempt } level, PriorityLevelConfiguration { Spec.Exempt: not null } wanted) =>
            WithSpec(level, wanted.Spec with { Exempt = exempt }),
        (PriorityLevelConfiguration level, PriorityLevelConfiguration wanted) => WithSpec(level, wanted.Spec),
        _ => now,
    };

    private static PriorityLevelConfiguration WithSpec(PriorityLevelConfiguration level, PriorityLevelConfigurationSpec spec) =>
        Json.Same(level.Spec, spec) ? level : level with { Spec = spec };
}
