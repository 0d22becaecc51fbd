using System.Globalization;
using Minke.Api.Apiregistration.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>What an APIService does beyond its fields. (kube-aggregator/pkg/registry/apiservice, pkg/apis/apiregistration/validation)</summary>
internal sealed class APIServiceKind : KindBehavior<APIService>
{
    private const int MaxGroupPriority = 20000;
    private const int MaxVersionPriority = 1000;
    private static readonly string[] Statuses = ["True", "False", "Unknown"];

    /// <summary>What this server serves itself needs nobody's confirmation.</summary>
    public override APIService PrepareForCreate(APIService value) => value with
    {
        Status = value.Spec.Service is not null ? new() : new()
        {
            Conditions =
            [
                new APIServiceCondition
                {
                    Type = APIServiceConditionType.Available,
                    Status = "True",
                    LastTransitionTime = value.Metadata.CreationTimestamp,
                    Reason = "Local",
                    Message = "Local APIServices are always available",
                },
            ],
        },
    };

    public override APIService PrepareForUpdate(APIService value, APIService old) => value with { Status = old.Status };

    public override APIService PrepareForStatusUpdate(APIService value, APIService old) => value with
    {
        Spec = old.Spec,
        Metadata = ObjectMetaRules.ForStatus(value.Metadata, old.Metadata),
    };

    public override void Validate(APIService value, APIService? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateGenericUpdate(value.Metadata, old.Metadata, errors);
        var spec = value.Spec;
        ObjectMetaRules.ValidateGeneric(value.Metadata, isNamespaced: false, name => NameRule(name, spec), "metadata", errors);
        if (spec.Group.Length == 0 && spec.Version != "v1")
            errors.Required("spec.group", "only v1 may have an empty group and it better be legacy kube");
        if (spec.Group.Length > 0)
            PodRules.Each(Names.Dns1123Subdomain(spec.Group), "spec.group", spec.Group, errors);
        PodRules.Each(Names.Dns1035Label(spec.Version), "spec.version", spec.Version, errors);
        if (spec.GroupPriorityMinimum is <= 0 or > MaxGroupPriority)
            errors.Invalid("spec.groupPriorityMinimum", spec.GroupPriorityMinimum, "must be positive and less than 20000");
        if (spec.VersionPriority is <= 0 or > MaxVersionPriority)
            errors.Invalid("spec.versionPriority", spec.VersionPriority, "must be positive and less than 1000");
        if (spec.Service is { } service)
            ValidateRemote(spec, service, errors);
        else
            ValidateLocal(spec, errors);
    }

    public override void ValidateStatusMetadata(ObjectMeta metadata, ObjectMeta old, FieldErrors errors) =>
        ObjectMetaRules.ValidateGenericUpdate(metadata, old, errors);

    public override void ValidateStatus(APIService value, APIService old, FieldErrors errors)
    {
        for (var i = 0; i < value.Status.Conditions.Count; i++)
        {
            if (!Statuses.Contains(value.Status.Conditions[i].Status))
                errors.NotSupported(new FieldPath("status.conditions").Index(i).Child("status"), value.Status.Conditions[i].Status, Statuses);
        }
    }

    private static void ValidateLocal(APIServiceSpec spec, FieldErrors errors)
    {
        if (spec.CaBundle is { Length: > 0 } bundle)
            errors.Invalid("spec.caBundle", string.Create(CultureInfo.InvariantCulture, $"{bundle.Length} bytes"), "local APIServices may not have a caBundle");
        if (spec.InsecureSkipTLSVerify)
            errors.Invalid("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify");
    }

    private static void ValidateRemote(APIServiceSpec spec, ServiceReference service, FieldErrors errors)
    {
        if (service.Namespace.Length == 0)
            errors.Required("spec.service.namespace");
        if (service.Name.Length == 0)
            errors.Required("spec.service.name");
        PodRules.Each(Names.PortNumber(service.Port ?? 0).Select(message => "port is not valid: " + message), "spec.service.port", service.Port, errors);
        if (spec.InsecureSkipTLSVerify && spec.CaBundle is { Length: > 0 })
            errors.Invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present");
    }

    private static IEnumerable<string> NameRule(string name, APIServiceSpec spec)
    {
        var wanted = $"{spec.Version}.{spec.Group}";
        return Names.PathSegment(name).Concat(name == wanted || name.AsSpan().ContainsAny('/', '%') ? [] : [$"must be `spec.version+\".\"+spec.group`: {FieldErrors.Quote(wanted)}"]);
    }
}
