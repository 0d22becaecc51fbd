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
        ObjectMetaRules.Validate(pod.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        PodAnnotationRules.Validate(pod, errors);
        ValidateSpec(pod.Spec, pod.Metadata, "spec", errors, isTemplate: false);
    }

    public static void ValidateSpec(PodSpec spec, Meta.V1.ObjectMeta metadata, FieldPath path, FieldErrors errors, bool isTemplate)
    {
        if (spec.TerminationGracePeriodSeconds is null)
            errors.Required(path.Child("terminationGracePeriodSeconds"));

        var volumes = VolumeRules.Validate(spec.Volumes, path.Child("volumes"), errors);
        var grace = spec.TerminationGracePeriodSeconds ?? 0;
        ContainerRules.ValidateAll(spec, volumes, grace, path, errors);
        ValidateRestartPolicy(spec.RestartPolicy, path.Child("restartPolicy"), errors);
        ValidateDns(spec, path, errors);
        LabelsOnly(spec.NodeSelector, path.Child("nodeSelector"), errors);
        SecurityRules.ValidatePod(spec, path, errors);
        ValidateImagePullSecrets(spec, path.Child("imagePullSecrets"), errors);
        SchedulingRules.Validate(spec, path, errors);
        ValidateReadinessGates(spec.ReadinessGates, path.Child("readinessGates"), errors);
        ValidateHostAliases(spec.HostAliases, path.Child("hostAliases"), errors);

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
        if (spec.PriorityClassName.Length > 0)
            Each(Names.Dns1123Subdomain(spec.PriorityClassName), path.Child("priorityClassName"), spec.PriorityClassName, errors);
        if (spec.RuntimeClassName is { } runtimeClass)
            Each(Names.Dns1123Subdomain(runtimeClass), path.Child("runtimeClassName"), runtimeClass, errors);
        if (spec.PreemptionPolicy is { } preemption && preemption is not (PreemptionPolicy.PreemptLowerPriority or PreemptionPolicy.Never))
            errors.NotSupported(path.Child("preemptionPolicy"), preemption, [PreemptionPolicy.PreemptLowerPriority, PreemptionPolicy.Never]);
        ResourceRules.ValidateList(spec.Overhead, path.Child("overhead"), errors);
        ValidateOs(spec, path, errors);
        ValidateSchedulingGates(spec, path, errors, isTemplate);
        _ = metadata;
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

    private static void ValidateDns(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.DnsPolicy.Length == 0)
            errors.Required(path.Child("dnsPolicy"));
        else if (!DnsPolicies.Contains(spec.DnsPolicy))
            errors.NotSupported(path.Child("dnsPolicy"), spec.DnsPolicy, DnsPolicies);

        var config = path.Child("dnsConfig");
        if (spec.DnsPolicy == DNSPolicy.None)
        {
            if (spec.DnsConfig is null)
                errors.Required(config, $"must provide `dnsConfig` when `dnsPolicy` is {DNSPolicy.None}");
            else if (spec.DnsConfig.Nameservers.IsEmpty)
                errors.Required(config.Child("nameservers"), $"must provide at least one DNS nameserver when `dnsPolicy` is {DNSPolicy.None}");
        }
        if (spec.DnsConfig is not { } dns)
            return;
        if (dns.Nameservers.Count > MaxDnsNameservers)
            errors.Invalid(config.Child("nameservers"), Show(dns.Nameservers), $"must not have more than {MaxDnsNameservers} nameservers");
        for (var i = 0; i < dns.Nameservers.Count; i++)
            ValidateIp(dns.Nameservers[i], config.Child("nameservers").Index(i), errors);
        if (dns.Searches.Count > MaxDnsSearchPaths)
            errors.Invalid(config.Child("searches"), Show(dns.Searches), $"must not have more than {MaxDnsSearchPaths} search paths");
        if (string.Join(' ', dns.Searches).Length > MaxDnsSearchListCharacters)
            errors.Invalid(config.Child("searches"), Show(dns.Searches), $"must not have more than {MaxDnsSearchListCharacters} characters (including spaces) in the search list");
        for (var i = 0; i < dns.Searches.Count; i++)
        {
            var search = dns.Searches[i].EndsWith('.') ? dns.Searches[i][..^1] : dns.Searches[i];
            if (search.Length > 0)
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

    private static void LabelsOnly(ApiMap<string> labels, FieldPath path, FieldErrors errors) => ObjectMetaRules.Labels(labels, path, errors);

    private static void ValidateImagePullSecrets(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < spec.ImagePullSecrets.Count; i++)
        {
            if (spec.ImagePullSecrets[i].Name.Length == 0)
                errors.Required(path.Index(i).Child("name"));
        }
    }

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
            foreach (var name in aliases[i].Hostnames)
                Each(Names.Dns1123Subdomain(name), path.Index(i).Child("hostnames"), name, errors);
        }
    }

    private static void ValidateSchedulingGates(PodSpec spec, FieldPath path, FieldErrors errors, bool isTemplate)
    {
        var gates = path.Child("schedulingGates");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < spec.SchedulingGates.Count; i++)
        {
            Each(Names.QualifiedName(spec.SchedulingGates[i].Name), gates.Index(i), spec.SchedulingGates[i].Name, errors);
            if (!seen.Add(spec.SchedulingGates[i].Name))
                errors.Duplicate(gates.Index(i), spec.SchedulingGates[i].Name);
        }
        if (!isTemplate && !spec.SchedulingGates.IsEmpty && spec.NodeName.Length > 0)
            errors.Forbidden(path.Child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }

    private static void ValidateOs(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.Os is not { } os)
            return;
        if (os.Name.Length == 0)
        {
            errors.Required(path.Child("os").Child("name"), "cannot be empty");
            return;
        }
        if (os.Name is not (OSName.Linux or OSName.Windows))
        {
            errors.NotSupported(path.Child("os"), os.Name, [OSName.Linux, OSName.Windows]);
            return;
        }
        if (os.Name == OSName.Linux)
        {
            const string why = "windows options cannot be set for a linux pod";
            if (spec.SecurityContext?.WindowsOptions is not null)
                errors.Forbidden(path.Child("securityContext").Child("windowsOptions"), why);
            foreach (var (container, at) in ContainerRules.Every(spec, path))
            {
                if (container.SecurityContext?.WindowsOptions is not null)
                    errors.Forbidden(at.Child("securityContext").Child("windowsOptions"), why);
            }
            return;
        }
        ValidateWindows(spec, path, errors);
    }

    private static void ValidateWindows(PodSpec spec, FieldPath path, FieldErrors errors)
    {
        const string why = "cannot be set for a windows pod";
        void Refuse(bool isSet, FieldPath at)
        {
            if (isSet)
                errors.Forbidden(at, why);
        }
        var context = path.Child("securityContext");
        Refuse(spec.HostPID, context.Child("hostPID"));
        Refuse(spec.HostIPC, context.Child("hostIPC"));
        Refuse(spec.ShareProcessNamespace is not null, path.Child("shareProcessNamespace"));
        if (spec.SecurityContext is { } security)
        {
            Refuse(security.AppArmorProfile is not null, context.Child("appArmorProfile"));
            Refuse(security.SeLinuxOptions is not null, context.Child("seLinuxOptions"));
            Refuse(security.SeccompProfile is not null, context.Child("seccompProfile"));
            Refuse(security.FsGroup is not null, context.Child("fsGroup"));
            Refuse(security.FsGroupChangePolicy is not null, context.Child("fsGroupChangePolicy"));
            Refuse(!security.Sysctls.IsEmpty, context.Child("sysctls"));
            Refuse(security.RunAsUser is not null, context.Child("runAsUser"));
            Refuse(security.RunAsGroup is not null, context.Child("runAsGroup"));
            Refuse(!security.SupplementalGroups.IsEmpty, context.Child("supplementalGroups"));
        }
        foreach (var (container, at) in ContainerRules.Every(spec, path))
        {
            if (container.SecurityContext is not { } own)
                continue;
            var of = at.Child("securityContext");
            Refuse(own.AppArmorProfile is not null, of.Child("appArmorProfile"));
            Refuse(own.SeLinuxOptions is not null, of.Child("seLinuxOptions"));
            Refuse(own.SeccompProfile is not null, of.Child("seccompProfile"));
            Refuse(own.Capabilities is not null, of.Child("capabilities"));
            Refuse(own.ReadOnlyRootFilesystem is not null, of.Child("readOnlyRootFilesystem"));
            Refuse(own.Privileged is not null, of.Child("privileged"));
            Refuse(own.AllowPrivilegeEscalation is not null, of.Child("allowPrivilegeEscalation"));
            Refuse(own.ProcMount is not null, of.Child("procMount"));
            Refuse(own.RunAsUser is not null, of.Child("runAsUser"));
            Refuse(own.RunAsGroup is not null, of.Child("runAsGroup"));
        }
    }

    /// <summary>A list as Go prints one of strings.</summary>
    public static string[] Show(ApiList<string> items) => [.. items];

    internal static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(?!\z)|\z)){4}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Ipv4Pattern();
}
