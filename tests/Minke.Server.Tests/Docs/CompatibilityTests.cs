using System.Text;
using Minke.Api;
using Minke.Server.Admission;
using Minke.Server.Admission.PodSecurity;
using Minke.Server.Admission.Policies;
using Minke.Server.Admission.Webhooks;
using Minke.Server.Discovery;
using Minke.TestSupport;

namespace Minke.Server.Tests.Docs;

/// <summary>What docs/compatibility.md says of kinds and admission plug-ins is what the code does. MINKE_WRITE_DOCS=1 writes the tables anew.</summary>
public sealed class CompatibilityTests
{
    private static readonly string[] AllVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    // Of 1.32, in the order in which they are asked there; those that are off unless somebody turns them on, with why they are not here.
    private static readonly (string Name, bool IsDefault, Type? Here, string Why)[] Plugins =
    [
        ("AlwaysAdmit", false, null, "deprecated; does nothing"),
        ("NamespaceAutoProvision", false, null, "off by default"),
        ("NamespaceLifecycle", true, typeof(NamespaceLifecycle), ""),
        ("NamespaceExists", false, null, "off by default; NamespaceLifecycle refuses the same"),
        ("LimitPodHardAntiAffinityTopology", false, null, "off by default"),
        ("LimitRanger", true, typeof(LimitRanger), ""),
        ("ServiceAccount", true, typeof(ServiceAccountAdmission), ""),
        ("NodeRestriction", false, typeof(NodeRestriction), "off by default upstream, on wherever nodes have credentials of their own: here always"),
        ("TaintNodesByCondition", true, typeof(TaintNodesByCondition), ""),
        ("AlwaysPullImages", false, null, "off by default"),
        ("ImagePolicyWebhook", false, null, "off by default"),
        ("PodSecurity", true, typeof(PodSecurityAdmission), ""),
        ("PodNodeSelector", false, null, "off by default"),
        ("Priority", true, typeof(PriorityAdmission), ""),
        ("DefaultTolerationSeconds", true, typeof(DefaultTolerationSeconds), ""),
        ("PodTolerationRestriction", false, null, "off by default"),
        ("EventRateLimit", false, null, "off by default"),
        ("ExtendedResourceToleration", false, null, "off by default"),
        ("PersistentVolumeLabel", false, null, "off by default, for clouds"),
        ("DefaultStorageClass", true, typeof(DefaultStorageClass), "of claims made while there is a default class; older ones do not get it later"),
        ("StorageObjectInUseProtection", true, typeof(StorageObjectInUseProtection), ""),
        ("OwnerReferencesPermissionEnforcement", false, null, "off by default"),
        ("PersistentVolumeClaimResize", true, typeof(PersistentVolumeClaimResize), ""),
        ("RuntimeClass", true, typeof(RuntimeClassAdmission), ""),
        ("CertificateApproval", true, typeof(CertificateAdmission), ""),
        ("CertificateSigning", true, typeof(CertificateAdmission), ""),
        ("ClusterTrustBundleAttest", true, null, "its kind is alpha in 1.32 and off"),
        ("CertificateSubjectRestriction", true, typeof(CertificateAdmission), ""),
        ("DefaultIngressClass", true, typeof(DefaultIngressClass), ""),
        ("DenyServiceExternalIPs", false, null, "off by default"),
        ("MutatingAdmissionPolicy", true, null, "its kinds are alpha in 1.32 and off"),
        ("MutatingAdmissionWebhook", true, typeof(MutatingWebhooks), ""),
        ("ValidatingAdmissionPolicy", true, typeof(ValidatingPolicies), ""),
        ("ValidatingAdmissionWebhook", true, typeof(ValidatingWebhooks), ""),
        ("ResourceQuota", true, typeof(ResourceQuotaAdmission), ""),
        ("AlwaysDeny", false, null, "deprecated"),
    ];

    [Fact]
    public void The_document_lists_every_kind()
    {
        var text = new StringBuilder("| Kind | Resource | Verbs | Subresources | Acted on |\n| --- | --- | --- | --- | --- |\n");
        foreach (var kind in Kinds.All.OrderBy(kind => kind.Group, StringComparer.Ordinal).ThenBy(kind => kind.Version, StringComparer.Ordinal).ThenBy(kind => kind.Kind, StringComparer.Ordinal))
            text.Append(Row(kind));
        DocumentTable.Check("compatibility.md", "kinds", text.ToString());
    }

    [Fact]
    public void The_document_lists_every_admission_plug_in()
    {
        var text = new StringBuilder("| Plug-in | Kubernetes 1.32 | Minke | Why |\n| --- | --- | --- | --- |\n");
        foreach (var (name, isDefault, here, why) in Plugins)
            text.Append($"| {name} | {(isDefault ? "on" : "off")} | {(here is null ? "no" : "yes")} | {why} |\n");
        DocumentTable.Check("compatibility.md", "admission plug-ins", text.ToString());
    }

    [Fact]
    public void Every_plug_in_is_one_of_upstreams()
    {
        // What upstream does where an object is validated.
        Type[] others = [typeof(ExpressionValidation)];
        var here = typeof(IAdmission).Assembly.GetTypes().Where(type => type.IsClass && typeof(IAdmission).IsAssignableFrom(type)).Except(others);
        Assert.Empty(here.Except(Plugins.Select(plugin => plugin.Here)));
    }

    private static string Row(KindInfo kind)
    {
        var isServed = ServedKinds.Default.Contains(kind);
        var verbs = kind.Verbs.Order(StringComparer.Ordinal).SequenceEqual(AllVerbs) ? "all" : string.Join(", ", kind.Verbs);
        var served = DiscoveryDocuments.Served(kind).Select(sub => sub.Name).ToList();
        var others = kind.Subresources.Where(sub => !served.Contains(sub.Name)).Select(sub => $"no {sub.Name}{(sub.Gate.Length > 0 ? $" ({sub.Gate} is off)" : "")}");
        var acted = !isServed ? "no: off by default in 1.32, and not served" : KindSupport.Find(kind) is { } gap ? $"no: {gap.Why}" : "yes";
        return $"| {kind.Kind} | `{kind.Plural}`, `{kind.ApiVersion}` | {verbs} | {string.Join(", ", served.Concat(others))} | {acted} |\n";
    }
}
