using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>The LimitRanges of a namespace: default requests and limits of containers, and the bounds that they, their pods and claims must keep.</summary>
internal sealed class LimitRanger(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string Annotation = "kubernetes.io/limit-ranger";

    private readonly Resource _ranges = catalog.Find(LimitRange.KindInfo)!;

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            request.Object = WithDefaults(pod);
        return default;
    }

    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            Validate(request, pod);
        else if (request is { Object: PersistentVolumeClaim claim, Subresource: "" })
            Validate(request, claim);
        return default;
    }

    private Pod WithDefaults(Pod pod)
    {
        var requests = ApiMap.From<Quantity>([]);
        var limits = ApiMap.From<Quantity>([]);
        foreach (var item in Items(pod.Metadata.Namespace).Where(item => item.Type == "Container"))
        {
            // Of several ranges the first that says something of a resource decides.
            foreach (var (name, value) in item.DefaultRequest.Where(pair => !requests.ContainsKey(pair.Key)))
                requests = requests.With(name, value);
            foreach (var (name, value) in item.Default.Where(pair => !limits.ContainsKey(pair.Key)))
                limits = limits.With(name, value);
        }
        if (requests.IsEmpty && limits.IsEmpty)
            return pod;

        var notes = new List<string>();
        Container WithDefaults(Container container, string what)
        {
            var resources = container.Resources;
            var (newRequests, newLimits) = (resources.Requests, resources.Limits);
            var (setRequests, setLimits) = (new List<string>(), new List<string>());
            foreach (var (name, value) in limits)
            {
                if (!newLimits.ContainsKey(name))
                {
                    newLimits = newLimits.With(name, value);
                    setLimits.Add(name);
                }
            }
            foreach (var (name, value) in requests)
            {
                if (!newRequests.ContainsKey(name))
                {
                    newRequests = newRequests.With(name, value);
                    setRequests.Add(name);
                }
            }
            if (setRequests.Count > 0)
                notes.Add($"{string.Join(", ", setRequests)} request for {what} {container.Name}");
            if (setLimits.Count > 0)
                notes.Add($"{string.Join(", ", setLimits)} limit for {what} {container.Name}");
            return container with { Resources = resources with { Requests = newRequests, Limits = newLimits } };
        }
        var spec = pod.Spec with
        {
            Containers = pod.Spec.Containers.Map(container => WithDefaults(container, "container")),
            InitContainers = pod.Spec.InitContainers.Map(container => WithDefaults(container, "init container")),
        };
        if (notes.Count == 0)
            return pod;
        return pod with
        {
            Metadata = pod.Metadata with { Annotations = pod.Metadata.Annotations.With(Annotation, "LimitRanger plugin set: " + string.Join("; ", notes)) },
            Spec = spec,
        };
    }

    private void Validate(AdmissionRequest request, Pod pod)
    {
        var errors = new List<string>();
        foreach (var item in Items(pod.Metadata.Namespace).Where(item => item.Type is "Container" or "Pod"))
        {
            if (item.Type == "Container")
            {
                foreach (var container in pod.Spec.Containers.Concat(pod.Spec.InitContainers))
                    Check(item, container.Resources.Requests, container.Resources.Limits, errors);
            }
            else
            {
                Check(item, Total(pod, resources => resources.Requests), Total(pod, resources => resources.Limits), errors);
            }
        }
        ThrowIfAny(request, errors);
    }

    private void Validate(AdmissionRequest request, PersistentVolumeClaim claim)
    {
        var errors = new List<string>();
        var requests = claim.Spec.Resources.Requests;
        foreach (var item in Items(claim.Metadata.Namespace).Where(item => item.Type == "PersistentVolumeClaim"))
        {
            Check(item with { Max = default, MaxLimitRequestRatio = default }, requests, default, errors);
            // A claim has no limit, so its request is what is held against the maximum.
            foreach (var (name, maximum) in item.Max)
            {
                if (!requests.TryGetValue(name, out var asked))
                    errors.Add($"maximum {name} usage per {item.Type} is {maximum}.  No request is specified");
                else if (asked > maximum)
                    errors.Add($"maximum {name} usage per {item.Type} is {maximum}, but request is {asked}");
            }
        }
        ThrowIfAny(request, errors);
    }

    private static void ThrowIfAny(AdmissionRequest request, List<string> errors)
    {
        var told = errors.Distinct(StringComparer.Ordinal).ToList();
        if (told.Count > 0)
            throw request.Forbidden(told.Count == 1 ? told[0] : $"[{string.Join(", ", told)}]");
    }

    private static void Check(LimitRangeItem item, ApiMap<Quantity> requests, ApiMap<Quantity> limits, List<string> errors)
    {
        foreach (var (name, minimum) in item.Min)
        {
            if (!requests.TryGetValue(name, out var request))
                errors.Add($"minimum {name} usage per {item.Type} is {minimum}.  No request is specified");
            else if (request < minimum)
                errors.Add($"minimum {name} usage per {item.Type} is {minimum}, but request is {request}");
            else if (limits.TryGetValue(name, out var limit) && limit < minimum)
                errors.Add($"minimum {name} usage per {item.Type} is {minimum}, but limit is {limit}");
        }
        foreach (var (name, maximum) in item.Max)
        {
            if (!limits.TryGetValue(name, out var limit))
                errors.Add($"maximum {name} usage per {item.Type} is {maximum}.  No limit is specified");
            else if (limit > maximum)
                errors.Add($"maximum {name} usage per {item.Type} is {maximum}, but limit is {limit}");
            else if (requests.TryGetValue(name, out var request) && request > maximum)
                errors.Add($"maximum {name} usage per {item.Type} is {maximum}, but request is {request}");
        }
        foreach (var (name, ratio) in item.MaxLimitRequestRatio)
        {
            if (!requests.TryGetValue(name, out var request) || request.IsZero)
                errors.Add($"{name} max limit to request ratio per {item.Type} is {ratio}, but no request is specified or request is 0");
            else if (!limits.TryGetValue(name, out var limit) || limit.IsZero)
                errors.Add($"{name} max limit to request ratio per {item.Type} is {ratio}, but no limit is specified or limit is 0");
            else if (limit.Value / request.Value > ratio.Value)
            {
                errors.Add(FormattableString.Invariant(
                    $"{name} max limit to request ratio per {item.Type} is {ratio}, but provided ratio is {limit.Value / request.Value:F6}"));
            }
        }
    }

    /// <summary>What the pod takes at most at one moment: all its containers and sidecars, or an init container beside the sidecars before it.</summary>
    private static ApiMap<Quantity> Total(Pod pod, Func<ResourceRequirements, ApiMap<Quantity>> read)
    {
        var running = new SortedDictionary<string, Quantity>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.Containers)
            Add(running, read(container.Resources));
        var sidecars = new SortedDictionary<string, Quantity>(StringComparer.Ordinal);
        var starting = new SortedDictionary<string, Quantity>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.InitContainers)
        {
            var now = container.RestartPolicy == "Always" ? sidecars : new SortedDictionary<string, Quantity>(sidecars, StringComparer.Ordinal);
            if (container.RestartPolicy == "Always")
                Add(running, read(container.Resources));
            Add(now, read(container.Resources));
            Raise(starting, now);
        }
        Raise(running, starting);
        return ApiMap.From(running);
    }

    private static void Add(SortedDictionary<string, Quantity> sum, ApiMap<Quantity> more)
    {
        foreach (var (name, value) in more)
            sum[name] = sum.TryGetValue(name, out var before) ? before + value : value;
    }

    private static void Raise(SortedDictionary<string, Quantity> highest, SortedDictionary<string, Quantity> other)
    {
        foreach (var (name, value) in other)
            highest[name] = highest.TryGetValue(name, out var before) && before > value ? before : value;
    }

    private IEnumerable<LimitRangeItem> Items(string @namespace) => store.Snapshot().Range(_ranges.ListPrefix(@namespace))
        .SelectMany(entry => ((LimitRange)StoredObject.Read(_ranges, entry)).Spec.Limits);
}
