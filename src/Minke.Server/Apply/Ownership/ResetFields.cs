using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>
/// Fields that a write through the object itself or through a subresource leaves as they were, and that it therefore cannot come to own:
/// status through the object, everything else through status. (GetResetFields of upstream's strategies)
/// </summary>
internal static class ResetFields
{
    private static readonly FieldSet Status = FieldSet.OfPaths(["status"]);
    private static readonly FieldSet Spec = FieldSet.OfPaths(["spec"]);
    private static readonly FieldSet PodStatus = FieldSet.OfPaths(["spec"], ["metadata", "deletionTimestamp"], ["metadata", "ownerReferences"]);
    private static readonly FieldSet DeploymentStatus = FieldSet.OfPaths(["spec"], ["metadata", "labels"]);
    private static readonly FieldSet SpecAndMetadata = FieldSet.OfPaths(["spec"], ["metadata"]);
    private static readonly FieldSet SigningApproval = FieldSet.OfPaths(["spec"], ["status", "certificate"]);

    public static FieldSet Of(KindInfo kind, string subresource) => subresource switch
    {
        "" => HasStatus(kind) ? Status : FieldSet.Empty,
        "status" => kind.Kind switch
        {
            "Pod" => PodStatus,
            "Deployment" => DeploymentStatus,
            "CustomResourceDefinition" or "APIService" or "FlowSchema" or "PriorityLevelConfiguration" or "ValidatingAdmissionPolicy" => SpecAndMetadata,
            _ => Kinds.Find(kind.ApiVersion, kind.Kind) is null ? SpecAndMetadata : Spec,
        },
        "finalize" or "ephemeralcontainers" or "resize" => Status,
        "approval" => SigningApproval,
        _ => FieldSet.Empty,
    };

    private static bool HasStatus(KindInfo kind)
    {
        foreach (var subresource in kind.Subresources)
        {
            if (subresource.Name == "status")
                return true;
        }
        return false;
    }
}
