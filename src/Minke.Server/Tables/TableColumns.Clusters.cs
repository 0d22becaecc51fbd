using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Api.Apiregistration.V1;
using Minke.Api.Certificates.V1;
using Minke.Api.Flowcontrol.V1;
using Minke.Api.Meta.V1;
using Minke.Api.Networking.V1;
using Minke.Api.Rbac.V1;
using Minke.Api.Storage.V1;
using Subject = Minke.Api.Rbac.V1.Subject;
using IPAddress = Minke.Api.Networking.V1beta1.IPAddress;
using ServiceCIDR = Minke.Api.Networking.V1beta1.ServiceCIDR;

namespace Minke.Server.Tables;

/// <summary>Of the kinds that say how a cluster is set up: access, networks, volumes, extensions.</summary>
internal static partial class TableColumns
{
    private static readonly Dictionary<KindInfo, TableColumn[]> OfClusters = new()
    {
        [RoleBinding.KindInfo] =
        [
            Name,
            Text<RoleBinding>("Role", one => $"{one.RoleRef.Kind}/{one.RoleRef.Name}"),
            Age,
            Text<RoleBinding>("Users", one => Subjects(one.Subjects, "User"), 1),
            Text<RoleBinding>("Groups", one => Subjects(one.Subjects, "Group"), 1),
            Text<RoleBinding>("ServiceAccounts", one => Subjects(one.Subjects, "ServiceAccount"), 1),
        ],
        [CertificateSigningRequest.KindInfo] =
        [
            Name,
            Age,
            Text<CertificateSigningRequest>("SignerName", one => one.Spec.SignerName.Length > 0 ? one.Spec.SignerName : "<none>"),
            Text<CertificateSigningRequest>("Requestor", one => one.Spec.Username),
            Text<CertificateSigningRequest>("RequestedDuration", one => one.Spec.ExpirationSeconds is { } seconds ? Ages.Text(TimeSpan.FromSeconds(seconds)) : "<none>"),
            Text<CertificateSigningRequest>("Condition", StateOf),
        ],
        [ClusterRoleBinding.KindInfo] =
        [
            Name,
            Text<ClusterRoleBinding>("Role", one => $"{one.RoleRef.Kind}/{one.RoleRef.Name}"),
            Age,
            Text<ClusterRoleBinding>("Users", one => Subjects(one.Subjects, "User"), 1),
            Text<ClusterRoleBinding>("Groups", one => Subjects(one.Subjects, "Group"), 1),
            Text<ClusterRoleBinding>("ServiceAccounts", one => Subjects(one.Subjects, "ServiceAccount"), 1),
        ],
        [Ingress.KindInfo] =
        [
            Name,
            Text<Ingress>("Class", one => Or(one.Spec.IngressClassName, None)),
            Text<Ingress>("Hosts", one => Or(Some(one.Spec.Rules.Select(rule => rule.Host).Where(host => host.Length > 0)), "*")),
            Text<Ingress>("Address", one => string.Join(',', one.Status.LoadBalancer.Ingress.Select(ingress => Or(ingress.Ip, ingress.Hostname)))),
            Text<Ingress>("Ports", one => one.Spec.Tls.IsEmpty ? "80" : "80, 443"),
            Age,
        ],
        [IngressClass.KindInfo] =
        [
            Name,
            Text<IngressClass>("Controller", one => one.Spec.Controller),
            Text<IngressClass>("Parameters", one => one.Spec.Parameters is { } parameters
                ? $"{parameters.Kind}{(string.IsNullOrEmpty(parameters.ApiGroup) ? "" : "." + parameters.ApiGroup)}/{parameters.Name}" : None),
            Age,
        ],
        [NetworkPolicy.KindInfo] = [Name, Text<NetworkPolicy>("Pod-Selector", one => Selector(one.Spec.PodSelector)), Age],
        [IPAddress.KindInfo] =
        [
            Name,
            Text<IPAddress>("ParentRef", one => one.Spec.ParentRef is { } parent
                ? string.Join('/', new[] { Qualified(parent.Resource, parent.Group), parent.Namespace, parent.Name }.Where(part => part.Length > 0)) : None),
        ],
        [ServiceCIDR.KindInfo] = [Name, Text<ServiceCIDR>("CIDRs", one => string.Join(',', one.Spec.Cidrs)), Age],
        [Minke.Api.Storage.V1.StorageClass.KindInfo] =
        [
            Name with { Cell = (value, _) => value.Metadata.Name + (IsDefault(value.Metadata) ? " (default)" : "") },
            Text<Minke.Api.Storage.V1.StorageClass>("Provisioner", one => one.Provisioner),
            Text<Minke.Api.Storage.V1.StorageClass>("ReclaimPolicy", one => Or(one.ReclaimPolicy, "Delete")),
            Text<Minke.Api.Storage.V1.StorageClass>("VolumeBindingMode", one => Or(one.VolumeBindingMode, "Immediate")),
            Text<Minke.Api.Storage.V1.StorageClass>("AllowVolumeExpansion", one => one.AllowVolumeExpansion ?? false),
            Age,
        ],
        [VolumeAttachment.KindInfo] =
        [
            Name,
            Text<VolumeAttachment>("Attacher", one => one.Spec.Attacher) with { Format = "name" },
            Text<VolumeAttachment>("PV", one => one.Spec.Source.PersistentVolumeName ?? ""),
            Text<VolumeAttachment>("Node", one => one.Spec.NodeName),
            Flag<VolumeAttachment>("Attached", one => one.Status.Attached),
            Age,
        ],
        [CSINode.KindInfo] = [Name, Number<CSINode>("Drivers", one => (long)one.Spec.Drivers.Count), Age],
        [CSIDriver.KindInfo] =
        [
            Name,
            Flag<CSIDriver>("AttachRequired", one => one.Spec.AttachRequired ?? true),
            Flag<CSIDriver>("PodInfoOnMount", one => one.Spec.PodInfoOnMount ?? false),
            Flag<CSIDriver>("StorageCapacity", one => one.Spec.StorageCapacity ?? false),
            Text<CSIDriver>("TokenRequests", one => Or(string.Join(',', one.Spec.TokenRequests.Select(request => request.Audience)), Unset)),
            Flag<CSIDriver>("RequiresRepublish", one => one.Spec.RequiresRepublish ?? false),
            Text<CSIDriver>("Modes", one => Or(string.Join(',', one.Spec.VolumeLifecycleModes), None)),
            Age,
        ],
        [CSIStorageCapacity.KindInfo] =
        [
            Name,
            Text<CSIStorageCapacity>("StorageClassName", one => one.StorageClassName),
            Text<CSIStorageCapacity>("Capacity", one => one.Capacity?.ToString() ?? Unset),
        ],
        [FlowSchema.KindInfo] =
        [
            Name,
            Text<FlowSchema>("PriorityLevel", one => one.Spec.PriorityLevelConfiguration.Name),
            Text<FlowSchema>("MatchingPrecedence", one => (long)one.Spec.MatchingPrecedence),
            Text<FlowSchema>("DistinguisherMethod", one => Or(one.Spec.DistinguisherMethod?.Type, None)),
            Age,
            Text<FlowSchema>("MissingPL", one => Or(one.Status.Conditions.FirstOrDefault(condition => condition.Type == FlowSchemaConditionType.Dangling)?.Status, "?")),
        ],
        [PriorityLevelConfiguration.KindInfo] =
        [
            Name,
            Text<PriorityLevelConfiguration>("Type", one => one.Spec.Type),
            Text<PriorityLevelConfiguration>("NominalConcurrencyShares", one => NumberOrNone(one.Spec.Limited?.NominalConcurrencyShares)),
            Text<PriorityLevelConfiguration>("Queues", one => NumberOrNone(one.Spec.Limited?.LimitResponse.Queuing?.Queues)),
            Text<PriorityLevelConfiguration>("HandSize", one => NumberOrNone(one.Spec.Limited?.LimitResponse.Queuing?.HandSize)),
            Text<PriorityLevelConfiguration>("QueueLengthLimit", one => NumberOrNone(one.Spec.Limited?.LimitResponse.Queuing?.QueueLengthLimit)),
            Age,
        ],
        [MutatingWebhookConfiguration.KindInfo] = [Name, Number<MutatingWebhookConfiguration>("Webhooks", one => (long)one.Webhooks.Count), Age],
        [ValidatingWebhookConfiguration.KindInfo] = [Name, Number<ValidatingWebhookConfiguration>("Webhooks", one => (long)one.Webhooks.Count), Age],
        [ValidatingAdmissionPolicy.KindInfo] =
        [
            Name,
            Number<ValidatingAdmissionPolicy>("Validations", one => (long)one.Spec.Validations.Count),
            Text<ValidatingAdmissionPolicy>("ParamKind", one => one.Spec.ParamKind is { } kind ? $"{kind.ApiVersion}/{kind.Kind}" : Unset),
            Age,
        ],
        [ValidatingAdmissionPolicyBinding.KindInfo] =
        [
            Name,
            Text<ValidatingAdmissionPolicyBinding>("PolicyName", one => one.Spec.PolicyName),
            Text<ValidatingAdmissionPolicyBinding>("ParamRef", one => one.Spec.ParamRef switch
            {
                null => Unset,
                { Name.Length: > 0 } named => $"{Or(named.Namespace, "*")}/{named.Name}",
                var selected => Selector(selected.Selector),
            }),
            Age,
        ],
        [APIService.KindInfo] =
        [
            Name,
            Text<APIService>("Service", one => one.Spec.Service is { } service ? $"{service.Namespace}/{service.Name}" : "Local"),
            Text<APIService>("Available", Availability),
            Age,
        ],
    };

    private static string Availability(APIService service) => service.Status.Conditions.FirstOrDefault(condition => condition.Type == APIServiceConditionType.Available) switch
    {
        null => "Unknown",
        { Status: "True" } => "True",
        var condition => $"{condition.Status} ({condition.Reason})",
    };

    private static object NumberOrNone(int? number) => number is { } value ? (long)value : None;

    private static bool IsDefault(ObjectMeta metadata) => metadata.Annotations.GetValueOrDefault("storageclass.kubernetes.io/is-default-class") == "true";

    private static string Qualified(string resource, string group) => (group.Length == 0 ? resource : $"{resource}.{group}").ToLowerInvariant();

    /// <summary>The first three, and how many more there are.</summary>
    private static string Some(IEnumerable<string> all)
    {
        var texts = all.ToList();
        return string.Join(',', texts.Take(3)) + (texts.Count > 3 ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $" + {texts.Count - 3} more...") : "");
    }

    private static string StateOf(CertificateSigningRequest request)
    {
        bool Has(string type) => request.Status.Conditions.Any(condition => condition.Type == type);
        var state = Has("Denied") ? "Denied" : Has("Approved") ? "Approved" : "Pending";
        if (Has("Failed"))
            state += ",Failed";
        return request.Status.Certificate is { Length: > 0 } ? state + ",Issued" : state;
    }

    private static string Subjects(ApiList<Subject> subjects, string kind) => string.Join(", ", subjects
        .Where(subject => subject.Kind == kind)
        .Select(subject => kind == "ServiceAccount" ? $"{subject.Namespace}/{subject.Name}" : subject.Name));
}
