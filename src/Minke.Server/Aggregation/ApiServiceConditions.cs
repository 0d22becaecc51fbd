using Minke.Api;
using Minke.Api.Apiregistration.V1;

namespace Minke.Server.Aggregation;

/// <summary>The words for whether an APIService can be asked. (kube-aggregator/pkg/controllers/status)</summary>
internal static class ApiServiceConditions
{
    public static APIServiceCondition Local { get; } = True("Local", "Local APIServices are always available");
    public static APIServiceCondition Passed { get; } = True("Passed", "all checks passed");

    public static APIServiceCondition ServiceNotFound(ServiceReference service) =>
        False("ServiceNotFound", $"service/{service.Name} in {FieldErrors.Quote(service.Namespace)} is not present");

    public static APIServiceCondition ServicePortError(ServiceReference service) =>
        False("ServicePortError", $"service/{service.Name} in {FieldErrors.Quote(service.Namespace)} is not listening on port {service.Port}");

    public static APIServiceCondition EndpointsNotFound(ServiceReference service) =>
        False("EndpointsNotFound", $"cannot find endpoints for service/{service.Name} in {FieldErrors.Quote(service.Namespace)}");

    public static APIServiceCondition MissingEndpoints(ServiceReference service, string port) => False("MissingEndpoints",
        $"endpoints for service/{service.Name} in {FieldErrors.Quote(service.Namespace)} have no addresses with port name {FieldErrors.Quote(port)}");

    public static APIServiceCondition FailedDiscoveryCheck(string why) => False("FailedDiscoveryCheck", why);

    public static bool IsAvailable(this APIService service) =>
        service.Status.Conditions.Any(condition => condition is { Type: APIServiceConditionType.Available, Status: "True" });

    /// <summary>The status with a condition of this kind; the same when it says nothing new. When it came to be so changes only with the status.</summary>
    public static APIServiceStatus With(APIServiceStatus status, APIServiceCondition condition, DateTimeOffset now)
    {
        var before = status.Conditions.FirstOrDefault(one => one.Type == condition.Type);
        if (before is not null && before.Status == condition.Status && before.Reason == condition.Reason && before.Message == condition.Message)
            return status;
        condition = condition with { LastTransitionTime = before?.Status == condition.Status ? before.LastTransitionTime : Time.From(now) };
        return status with
        {
            Conditions = before is null ? [.. status.Conditions, condition] : status.Conditions.Map(one => ReferenceEquals(one, before) ? condition : one),
        };
    }

    private static APIServiceCondition True(string reason, string message) => new() { Type = APIServiceConditionType.Available, Status = "True", Reason = reason, Message = message };

    private static APIServiceCondition False(string reason, string message) => new() { Type = APIServiceConditionType.Available, Status = "False", Reason = reason, Message = message };
}
