using Minke.Cel;
using Minke.Cel.Libraries;
using Minke.Cel.Types;

namespace Minke.Server.Admission.Policies;

/// <summary>The variables that expressions about a request see: <c>object</c>, <c>request</c>, <c>namespaceObject</c>, ….</summary>
internal static class AdmissionEnvironment
{
    public const string Object = "object", OldObject = "oldObject", Params = "params", Request = "request", Namespace = "namespaceObject";
    public const string Authorizer = "authorizer", RequestResource = "authorizer.requestResource", Variables = "variables";

    private static readonly CelType Texts = CelType.List(CelType.String), Labels = CelType.Map(CelType.String, CelType.String);

    private static readonly CelObjectType KindType = Type("kubernetes.GroupVersionKind", ("group", CelType.String), ("version", CelType.String), ("kind", CelType.String));

    private static readonly CelObjectType ResourceType =
        Type("kubernetes.GroupVersionResource", ("group", CelType.String), ("version", CelType.String), ("resource", CelType.String));

    // Uid, object and oldObject are left out: the first means nothing here, the others are variables.
    private static readonly CelObjectType RequestType = Type("kubernetes.AdmissionRequest",
        ("kind", KindType), ("resource", ResourceType), ("subResource", CelType.String), ("requestKind", KindType), ("requestResource", ResourceType),
        ("requestSubResource", CelType.String), ("name", CelType.String), ("namespace", CelType.String), ("operation", CelType.String),
        ("userInfo", Type("kubernetes.UserInfo", ("username", CelType.String), ("uid", CelType.String), ("groups", Texts), ("extra", CelType.Map(CelType.String, Texts)))),
        ("dryRun", CelType.Bool), ("options", CelType.Dyn));

    private static readonly CelObjectType NamespaceType = Type("kubernetes.Namespace",
        ("metadata", Type("kubernetes.NamespaceMetadata",
            ("name", CelType.String), ("generateName", CelType.String), ("namespace", CelType.String), ("labels", Labels), ("annotations", Labels), ("UID", CelType.String),
            ("creationTimestamp", CelType.Timestamp), ("deletionGracePeriodSeconds", CelType.Int), ("deletionTimestamp", CelType.Timestamp),
            ("generation", CelType.Int), ("resourceVersion", CelType.String), ("finalizers", Texts))),
        ("spec", Type("kubernetes.NamespaceSpec", ("finalizers", Texts))),
        ("status", Type("kubernetes.NamespaceStatus",
            ("conditions", CelType.List(Type("kubernetes.NamespaceCondition",
                ("status", CelType.String), ("type", CelType.String), ("lastTransitionTime", CelType.Timestamp), ("message", CelType.String), ("reason", CelType.String)))),
            ("phase", CelType.String))));

    /// <param name="language">New expressions may use less than those that are stored already.</param>
    /// <param name="hasParams">Whether there is <c>params</c>.</param>
    /// <param name="objectType">Of <c>object</c> and <c>oldObject</c>; null when it can be anything.</param>
    public static CelEnvironment Create(CelLanguage language, bool hasParams, CelType? objectType = null)
    {
        var environment = CelEnvironment.Create(language).With(
            (Object, objectType ?? CelType.Dyn), (OldObject, objectType ?? CelType.Dyn), (Request, RequestType), (Namespace, NamespaceType),
            (Authorizer, AuthorizerLibrary.AuthorizerType), (RequestResource, AuthorizerLibrary.ResourceCheckType));
        return hasParams ? environment.With((Params, CelType.Dyn)) : environment;
    }

    private static CelObjectType Type(string name, params (string Name, CelType Type)[] fields) =>
        new(name, fields.ToDictionary(field => field.Name, field => field.Type, StringComparer.Ordinal));
}
