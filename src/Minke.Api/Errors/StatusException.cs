using System.Globalization;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>A failure as the API tells it. Thrown anywhere, rendered in one place. The texts are upstream's (apimachinery/api/errors).</summary>
public sealed class StatusException(Status status) : Exception(status.Message)
{
    public Status Status { get; } = status;
    public string Reason => Status.Reason;
    public int Code => Status.Code;

    /// <summary>Seconds for the <c>Retry-After</c> header; 0 for none.</summary>
    public int RetryAfterSeconds => Status.Details?.RetryAfterSeconds ?? 0;

    public static StatusException NotFound(KindInfo kind, string name) => NotFound(kind.Group, kind.Plural, name);

    public static StatusException NotFound(string group, string resource, string name) =>
        Of(404, StatusReason.NotFound, $"{Qualified(group, resource)} \"{name}\" not found", new() { Name = name, Group = group, Kind = resource });

    /// <summary>No such path or resource type.</summary>
    public static StatusException NoResource() =>
        Of(404, StatusReason.NotFound, "the server could not find the requested resource", StatusDetails.Empty);

    /// <summary>409: another object has the name.</summary>
    public static StatusException AlreadyExists(KindInfo kind, string name) => Of(
        409, StatusReason.AlreadyExists, $"{Qualified(kind.Group, kind.Plural)} \"{name}\" already exists", Details(kind, name));

    /// <summary>409: the object is not as the request takes it to be.</summary>
    public static StatusException Conflict(KindInfo kind, string name, string why) => Of(
        409, StatusReason.Conflict, $"Operation cannot be fulfilled on {Qualified(kind.Group, kind.Plural)} \"{name}\": {why}", Details(kind, name));

    /// <summary>409: somebody else wrote first; the caller reads again and repeats.</summary>
    public static StatusException Modified(KindInfo kind, string name) =>
        Conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");

    /// <summary>422: what validation found, each as a cause.</summary>
    public static StatusException Invalid(KindInfo kind, string name, FieldErrors errors) => Invalid(kind.Group, kind.Kind, name, errors);

    public static StatusException Invalid(string group, string kind, string name, FieldErrors errors) => Of(
        422, StatusReason.Invalid, $"{kind}{(group.Length == 0 ? "" : "." + group)} \"{name}\" is invalid: {errors.ToAggregate()}",
        new()
        {
            Name = name,
            Group = group,
            Kind = kind,
            Causes = errors.Select(error => new StatusCause { Reason = error.CauseType, Message = error.Body, Field = error.Path }).ToApiList(),
        });

    public static StatusException BadRequest(string message) => Of(400, StatusReason.BadRequest, message, null);

    public static StatusException Unauthorized() => Of(401, StatusReason.Unauthorized, "Unauthorized", null);

    public static StatusException Forbidden(KindInfo kind, string name, string why) => Of(
        403, StatusReason.Forbidden,
        name.Length == 0 ? $"{Qualified(kind.Group, kind.Plural)} is forbidden: {why}" : $"{Qualified(kind.Group, kind.Plural)} \"{name}\" is forbidden: {why}",
        Details(kind, name));

    public static StatusException MethodNotAllowed(KindInfo kind, string action) => Of(
        405, StatusReason.MethodNotAllowed, $"{action} is not supported on resources of kind \"{Qualified(kind.Group, kind.Plural)}\"",
        new() { Group = kind.Group, Kind = kind.Plural });

    public static StatusException NotAcceptable(string message) => Of(406, StatusReason.NotAcceptable, message, null);

    /// <summary>The revision is compacted: list again.</summary>
    public static StatusException Expired(string message) => Of(410, StatusReason.Expired, message, null);

    public static StatusException TooLarge(string message) => Of(413, StatusReason.RequestEntityTooLarge, message, null);

    public static StatusException UnsupportedMediaType(string message) => Of(415, StatusReason.UnsupportedMediaType, message, null);

    /// <summary>429, with a <c>Retry-After</c> in seconds.</summary>
    public static StatusException TooManyRequests(string message, int retryAfterSeconds) =>
        Of(429, StatusReason.TooManyRequests, message, new() { RetryAfterSeconds = retryAfterSeconds });

    /// <summary>500. The message is shown to the client.</summary>
    public static StatusException InternalError(string message) => Of(
        500, StatusReason.InternalError, $"Internal error occurred: {message}", new() { Causes = [new StatusCause { Message = message }] });

    public static StatusException ServiceUnavailable(string message) => Of(503, StatusReason.ServiceUnavailable, message, null);

    public static StatusException Timeout(string message, int retryAfterSeconds = 0) => Of(
        504, StatusReason.Timeout, $"Timeout: {message}", new() { RetryAfterSeconds = retryAfterSeconds });

    /// <summary>For what has no method of its own; <paramref name="message"/> is shown as it is.</summary>
    public static StatusException Of(int code, string reason, string message, StatusDetails? details) => new(new Status
    {
        StatusValue = "Failure",
        Message = message,
        Reason = reason,
        Details = details,
        Code = code,
    });

    /// <summary><c>pods</c>, <c>deployments.apps</c>.</summary>
    private static string Qualified(string group, string resource) => group.Length == 0 ? resource : string.Create(CultureInfo.InvariantCulture, $"{resource}.{group}");

    private static StatusDetails Details(KindInfo kind, string name) => new() { Name = name, Group = kind.Group, Kind = kind.Plural };
}
