using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What <c>defaults.tsv</c> fills in under a condition, for pods and pod templates. (pkg/apis/core/v1/defaults.go)</summary>
internal static class PodDefaults
{
    /// <summary>Of a Pod, not of a template: requests follow limits, host network ports, service links.</summary>
    public static Pod Of(Pod pod)
    {
        var spec = OfSpec(pod.Spec);
        return pod with
        {
            Spec = spec with
            {
                EnableServiceLinks = spec.EnableServiceLinks ?? true,
                Containers = spec.Containers.Map(container => OfPodContainer(container, spec.HostNetwork)),
                InitContainers = spec.InitContainers.Map(container => OfPodContainer(container, spec.HostNetwork)),
            },
        };
    }

    /// <summary>Of any pod spec.</summary>
    public static PodSpec OfSpec(PodSpec spec)
    {
        // The two names of one field always agree; the newer one wins.
        var account = spec.ServiceAccountName.Length > 0 ? spec.ServiceAccountName : spec.ServiceAccount;
        return spec with
        {
            ServiceAccountName = account,
            ServiceAccount = account,
            Containers = spec.Containers.Map(OfContainer),
            InitContainers = spec.InitContainers.Map(OfContainer),
            EphemeralContainers = spec.EphemeralContainers.Map(container =>
                container.ImagePullPolicy.Length > 0 ? container : container with { ImagePullPolicy = PullPolicyFor(container.Image) }),
            Volumes = spec.Volumes.Map(OfVolume),
        };
    }

    private static Volume OfVolume(Volume volume) => volume switch
    {
        { Image: { PullPolicy.Length: 0 } image } => volume with { Image = image with { PullPolicy = PullPolicyFor(image.Reference) } },
        _ => HasSource(volume) ? volume : volume with { EmptyDir = new() },
    };

    public static ApiMap<Quantity> Rounded(ApiMap<Quantity> amounts) => amounts.Map(amount => amount.RoundedUpToMillis());

    private static Container OfContainer(Container container)
    {
        var limits = Rounded(container.Resources.Limits);
        var requests = Rounded(container.Resources.Requests);
        return container with
        {
            ImagePullPolicy = container.ImagePullPolicy.Length > 0 ? container.ImagePullPolicy : PullPolicyFor(container.Image),
            Resources = container.Resources with { Limits = limits, Requests = requests },
        };
    }

    private static Container OfPodContainer(Container container, bool hostNetwork)
    {
        var requests = container.Resources.Requests;
        foreach (var (name, limit) in container.Resources.Limits)
        {
            if (!requests.ContainsKey(name))
                requests = requests.With(name, limit);
        }
        return container with
        {
            Resources = container.Resources with { Requests = requests },
            Ports = hostNetwork
                ? container.Ports.Map(port => port.HostPort == 0 ? port with { HostPort = port.ContainerPortValue } : port)
                : container.Ports,
        };
    }

    /// <summary>Latest, said or unsaid, may have moved on: ask the registry.</summary>
    private static string PullPolicyFor(string image)
    {
        if (image.Contains('@', StringComparison.Ordinal))
            return PullPolicy.IfNotPresent;
        var colon = image.LastIndexOf(':');
        var tag = colon > image.LastIndexOf('/') ? image[(colon + 1)..] : "";
        return tag is "" or "latest" ? PullPolicy.Always : PullPolicy.IfNotPresent;
    }

    private static bool HasSource(Volume volume) => !Json.Same(volume, new Volume { Name = volume.Name });
}
