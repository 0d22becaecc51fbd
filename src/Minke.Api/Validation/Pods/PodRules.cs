using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>A pod's spec, judged as ValidatePodSpec does. (pkg/apis/core/validation)</summary>
internal static partial class PodRules
{
    private const int MaxDnsNameservers = 3;
    private const int MaxDnsSearchPaths = 32;
    private const int MaxDnsSearchListCharacters = 2048;

    private static readonly string[] RestartPolicies = [RestartPolicy.Always, RestartPolicy.OnFailure, RestartPolicy.Never];
    private static readonly string[] DnsPolicies = [DNSPolicy.ClusterFirstWithHostNet, DNSPolicy.ClusterFirst, DNSPolicy.Default, DNSPolicy.None];

    /// <summary>A whole Pod on create.</summary>
    public static void Validate(Pod pod, FieldErrors errors)
    {
        ValidateMetadataAndSpec(pod, errors);
        FieldPath path = "spec";
        if (!pod.Spec.EphemeralContainers.IsEmpty)
            errors.Forbidden(path.Child("ephemeralContainers"), "cannot be set on create");
        if (pod.Spec.NodeName.Length > 0 && !pod.Spec.SchedulingGates.IsEmpty)
            errors.Forbidden(path.Child("nodeName"), "cannot be set until all schedulingGates have been cleared");
        PodAnnotationRules.MatchFields(pod.Metadata.Annotations, pod.Spec, path, errors);
    }

    /// <summary>A template of pods in another object. <paramref name="path"/> is the template's.</summary>
    public static void ValidateTemplate(PodTemplateSpec template, FieldPath path, FieldErrors errors)
    {
        ObjectMetaRules.Labels(template.Metadata.Labels, path.Child("labels"), errors);
        ObjectMetaRules.Annotations(template.Metadata.Annotations, path.Child("annotations"), errors);
        PodAnnotationRules.Validate(template.Metadata.Annotations, template.Spec, path.Child("annotations"), errors);
        ValidateSpec(template.Spec, "", path.Child("spec"), errors, isTemplate: true);
        PodAnnotationRules.MatchFields(template.Metadata.Annotations, template.Spec, path.Child("spec"), errors);
        if (!template.Spec.EphemeralContainers.IsEmpty)
            errors.Forbidden(path.Child("spec").Child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }

    /// <summary>What create and every update have in common. (validatePodMetadataAndSpec)</summary>
    public static void ValidateMetadataAndSpec(Pod pod, FieldErrors errors)
    {
        ObjectMetaRules.Validate(pod.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        PodAnnotationRules.Validate(pod.Metadata.Annotations, pod.Spec, "metadata.annotations", errors);
        FieldPath path = "spec";
        ValidateSpec(pod.Spec, pod.Metadata.Name, path, errors, isTemplate: false);
        if (pod.Spec.ServiceAccountName.Length == 0)
        {
            for (var i = 0; i < pod.Spec.Volumes.Count; i++)
            {
                var sources = pod.Spec.Volumes[i].Projected?.Sources ?? default;
                for (var j = 0; j < sources.Count; j++)
                {
                    if (sources[j].ServiceAccountToken is not null)
                    {
                        errors.Forbidden(path.Child("volumes").Index(i).Child("projected").Child("sources").Index(j).Child("serviceAccountToken"),
                            "must not be specified when serviceAccountName is not set");
                    }
                }
            }
        }
        ContainerRules.ValidateImagesOfPod(pod.Spec.Containers, path.Child("containers"), errors);
        ContainerRules.ValidateImagesOfPod(pod.Spec.InitContainers, path.Child("initContainers"), errors);
    }

    /// <param name="podName">For the claims that ephemeral volumes become; empty in a template.</param>
    private static void ValidateSpec(PodSpec spec, string podName, FieldPath path, FieldErrors errors, bool isTemplate)
    {
        if (spec.TerminationGracePeriodSeconds is null)
            errors.Required(path.Child("terminationGracePeriodSeconds"));

        var volumes = VolumeRules.Validate(spec.Volumes, podName, path.Child("volumes"), errors, isTemplate);
        ValidateResourceClaims(spec.ResourceClaims, path.Child("resourceClaims"), errors);
        ContainerRules.ValidateAll(spec, volumes, path, errors, isTemplate);
        ValidateRestartPolicy(spec.RestartPolicy, path.Child("restartPolicy"), errors);
        if (spec.DnsPolicy.Length == 0)
            errors.Required(path.Child("dnsPolicy"));
        else if (!DnsPolicies.Contains(spec.DnsPolicy))
            errors.NotSupported(path.Child("dnsPolicy"), spec.DnsPolicy, DnsPolicies);
        ObjectMetaRules.Labels(spec.NodeSelector, path.Child("nodeSelector"), errors);
        SecurityRules.ValidatePod(spec, path, errors);
        SchedulingRules.ValidateAffinity(spec.Affinity, path.Child("affinity"), errors);
        ValidateDnsConfig(spec, path.Child("dnsConfig"), errors);
        ValidateReadinessGates(spec.ReadinessGates, path.Child("readinessGates"), errors);
        ValidateSchedulingGates(spec.SchedulingGates, path.Child("schedulingGates"), errors);
        SchedulingRules.ValidateSpread(spec.TopologySpreadConstraints, path.Child("topologySpreadConstraints"), errors);
        WindowsRules.ValidateHostProcess(spec, path, errors);
        ValidateHostUsers(spec, path, errors);
        if (spec.ServiceAccountName.Length > 0)
            Each(Names.Dns1123Subdomain(spec.ServiceAccountName), path.Child("serviceAccountName"), spec.ServiceAccountName, errors);
        if (spec.NodeName.Length > 0)
            Each(Names.Dns1123Subdomain(spec.NodeName), path.Child("nodeName"), spec.NodeName, errors);
        if (spec.ActiveDeadlineSeconds is { } deadline && deadline is < 1 or > int.MaxValue)
            errors.Invalid(path.Child("activeDeadlineSeconds"), deadline, "must be between 1 and 2147483647, inclusive");
        if (spec.Hostname.Length > 0)
            Each(Names.Dns1123Label(spec.Hostname), path.Child("hostname"), spec.Hostname, errors);
        if (spec.Subdomain.Length > 0)
            Each(Names.Dns1123Label(spec.Subdomain), path.Child("subdomain"), spec.Subdomain, errors);
        SchedulingRules.ValidateTolerations(spec.Tolerations, path.Child("tolerations"), errors);
        ValidateHostAliases(spec.HostAliases, path.Child("hostAliases"), errors);
        if (spec.PriorityClassName.Length > 0)
            Each(Names.Dns1123Subdomain(spec.PriorityClassName), path.Child("priorityClassName"), spec.PriorityClassName, errors);
        if (spec.RuntimeClassName is { } runtimeClass)
            Each(Names.Dns1123Subdomain(runtimeClass), path.Child("runtimeClassName"), runtimeClass, errors);
        if (spec.PreemptionPolicy is { Length: 0 })
            errors.Required(path.Child("preemptionPolicy"));
        else if (spec.PreemptionPolicy is { } preemption && preemption is not (PreemptionPolicy.PreemptLowerPriority or PreemptionPolicy.Never))
            errors.NotSupported(path.Child("preemptionPolicy"), preemption, [PreemptionPolicy.PreemptLowerPriority, PreemptionPolicy.Never]);
        if (!spec.Overhead.IsEmpty)
            ResourceRules.Validate(new ResourceRequirements { Limits = spec.Overhead }, [], path.Child("overhead"), errors);
        WindowsRules.ValidateOs(spec, path, errors);
    }

    public static void Each(IEnumerable<string> messages, FieldPath path, object? value, FieldErrors errors)
    {
        foreach (var message in messages)
            errors.Invalid(path, value, message);
    }

    private static void ValidateRestartPolicy(string policy, FieldPath path, FieldErrors errors)
    {
        if (policy.Length == 0)
            errors.Required(path);
        else if (!RestartPolicies.Contains(policy))
            errors.NotSupported(path, policy, RestartPolicies);
    }

    private static void ValidateDnsConfig(PodSpec spec, FieldPath config, FieldErrors errors)
    {
        if (spec.DnsPolicy == DNSPolicy.None)
        {
            if (spec.DnsConfig is null)
            {
                errors.Required(config, $"must provide `dnsConfig` when `dnsPolicy` is {DNSPolicy.None}");
                return;
            }
            if (spec.DnsConfig.Nameservers.IsEmpty)
            {
                errors.Required(config.Child("nameservers"), $"must provide at least one DNS nameserver when `dnsPolicy` is {DNSPolicy.None}");
                return;
            }
        }
        if (spec.DnsConfig is not { } dns)
            return;
        if (dns.Nameservers.Count > MaxDnsNameservers)
            errors.Invalid(config.Child("nameservers"), dns.Nameservers, $"must not have more than {MaxDnsNameservers} nameservers");
        for (var i = 0; i < dns.Nameservers.Count; i++)
            ValidateIp(dns.Nameservers[i], config.Child("nameservers").Index(i), errors);
        if (dns.Searches.Count > MaxDnsSearchPaths)
            errors.Invalid(config.Child("searches"), dns.Searches, $"must not have more than {MaxDnsSearchPaths} search paths");
        if (string.Join(' ', dns.Searches).Length > MaxDnsSearchListCharacters)
            errors.Invalid(config.Child("searches"), dns.Searches, $"must not have more than {MaxDnsSearchListCharacters} characters (including spaces) in the search list");
        for (var i = 0; i < dns.Searches.Count; i++)
        {
            var search = dns.Searches[i].EndsWith('.') ? dns.Searches[i][..^1] : dns.Searches[i];
            Each(Names.Dns1123Subdomain(search), config.Child("searches").Index(i), search, errors);
        }
        for (var i = 0; i < dns.Options.Count; i++)
        {
            if (dns.Options[i].Name.Length == 0)
                errors.Required(config.Child("options").Index(i), "must not be empty");
        }
    }

    public static void ValidateIp(string text, FieldPath path, FieldErrors errors)
    {
        if (!IsIp(text))
            errors.Invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }

    /// <summary>As Go parses addresses: four decimal parts, or IPv6 without a zone.</summary>
    public static bool IsIp(string text) => !text.Contains('%', StringComparison.Ordinal)
        && (text.Contains(':', StringComparison.Ordinal) ? IPAddress.TryParse(text, out _) && !text.Contains('[', StringComparison.Ordinal) : Ipv4Pattern().IsMatch(text));

    private static void ValidateReadinessGates(ApiList<PodReadinessGate> gates, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < gates.Count; i++)
            Each(Names.QualifiedName(gates[i].ConditionType), path.Index(i).Child("conditionType"), gates[i].ConditionType, errors);
    }

    private static void ValidateHostAliases(ApiList<HostAlias> aliases, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < aliases.Count; i++)
        {
            ValidateIp(aliases[i].Ip, path.Index(i).Child("ip"), errors);
            for (var j = 0; j < aliases[i].Hostnames.Count; j++)
                Each(Names.Dns1123Subdomain(aliases[i].Hostnames[j]), path.Index(i).Child("hostnames").Index(j), aliases[i].Hostnames[j], errors);
        }
    }

    private static void ValidateSchedulingGates(ApiList<PodSchedulingGate> all, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < all.Count; i++)
        {
            Each(Names.QualifiedName(all[i].Name), path.Index(i), all[i].Name, errors);
            if (!seen.Add(all[i].Name))
                errors.Duplicate(path.Index(i), all[i].Name);
        }
    }

    private static void ValidateHostUsers(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.HostUsers != false)
            return;
        // The capitals are upstream's.
        const string why = "when `pod.Spec.HostUsers` is false";
        if (spec.HostNetwork)
            errors.Forbidden(path.Child("hostNetwork"), why);
        if (spec.HostPID)
            errors.Forbidden(path.Child("HostPID"), why);
        if (spec.HostIPC)
            errors.Forbidden(path.Child("HostIPC"), why);
    }

    private static void ValidateResourceClaims(ApiList<PodResourceClaim> claims, FieldPath path, FieldErrors errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < claims.Count; i++)
        {
            if (claims[i].Name.Length == 0)
                errors.Required(path.Index(i).Child("name"));
            else if (!names.Add(claims[i].Name))
                errors.Duplicate(path.Index(i).Child("name"), claims[i].Name);
            else
                Each(Names.Dns1123Label(claims[i].Name), path.Index(i).Child("name"), claims[i].Name, errors);
        }
    }

    internal static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(?!\z)|\z)){4}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Ipv4Pattern();
}
