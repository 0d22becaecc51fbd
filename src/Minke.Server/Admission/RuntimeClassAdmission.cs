using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Node.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>What a pod's RuntimeClass adds to it: its overhead, and the nodes that have it. A class nobody made is refused.</summary>
internal sealed class RuntimeClassAdmission(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private readonly Resource? _classes = catalog.Find(RuntimeClass.KindInfo);

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            request.Object = WithClass(request, pod);
        return default;
    }

    /// <summary>Once more when everybody has had their say: overhead is the class's alone.</summary>
    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            Validate(request, pod);
        return default;
    }

    private Pod WithClass(AdmissionRequest request, Pod pod)
    {
        if (Find(request, pod) is not { } found)
            return pod;
        if (found.Overhead is { } overhead)
        {
            if (!pod.Spec.Overhead.IsEmpty && !AreSame(overhead.PodFixed, pod.Spec.Overhead))
                throw Mismatch(request);
            pod = pod with { Spec = pod.Spec with { Overhead = overhead.PodFixed } };
        }
        if (found.Scheduling is not { } scheduling)
            return pod;
        return pod with
        {
            Spec = pod.Spec with
            {
                NodeSelector = Selector(request, pod, scheduling),
                Tolerations = Merge(pod.Spec.Tolerations, scheduling.Tolerations),
            },
        };
    }

    private void Validate(AdmissionRequest request, Pod pod)
    {
        // The usual pod has neither, and costs no look-up.
        if (pod.Spec.RuntimeClassName is null && pod.Spec.Overhead.IsEmpty)
            return;
        if (Find(request, pod)?.Overhead is { } overhead)
        {
            if (!AreSame(overhead.PodFixed, pod.Spec.Overhead))
                throw Mismatch(request);
        }
        else if (!pod.Spec.Overhead.IsEmpty)
        {
            throw request.Forbidden("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
        }
    }

    private RuntimeClass? Find(AdmissionRequest request, Pod pod)
    {
        if (pod.Spec.RuntimeClassName is not { } name)
            return null;
        if (_classes is not null && store.Snapshot().Get(_classes.Key("", name)) is { } entry)
            return (RuntimeClass)StoredObject.Read(_classes, entry);
        throw request.Forbidden($"pod rejected: RuntimeClass \"{name}\" not found");
    }

    private static ApiMap<string> Selector(AdmissionRequest request, Pod pod, Scheduling scheduling)
    {
        var selector = pod.Spec.NodeSelector;
        foreach (var (key, value) in scheduling.NodeSelector)
        {
            if (selector.TryGetValue(key, out var own) && own != value)
            {
                throw request.Forbidden(
                    $"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {own}");
            }
            selector = selector.With(key, value);
        }
        return selector;
    }

    /// <summary>Both lists in order, without what another of them covers (upstream: util/tolerations).</summary>
    private static ApiList<Toleration> Merge(ApiList<Toleration> first, ApiList<Toleration> second)
    {
        Toleration[] all = [.. first, .. second];
        var merged = new List<Toleration>();
        for (var i = 0; i < all.Length; i++)
        {
            var toleration = all[i];
            var isCovered = merged.Any(kept => Covers(kept, toleration))
                || all.Skip(i + 1).Any(later => later != toleration && Covers(later, toleration));
            if (!isCovered)
                merged.Add(toleration);
        }
        return merged.ToApiList();
    }

    private static bool Covers(Toleration wide, Toleration narrow)
    {
        if (wide == narrow)
            return true;
        var coversKey = wide.Key == narrow.Key || (wide.Key.Length == 0 && wide.Operator == TolerationOperator.Exists);
        var coversEffect = wide.Effect == narrow.Effect || wide.Effect.Length == 0;
        var endsEarlier = wide.Effect == TaintEffect.NoExecute && wide.TolerationSeconds is { } seconds
            && (narrow.TolerationSeconds is null || narrow.TolerationSeconds > seconds);
        if (!coversKey || !coversEffect || endsEarlier)
            return false;
        return wide.Operator switch
        {
            "" or TolerationOperator.Equal => narrow.Operator == TolerationOperator.Equal && narrow.Value == wide.Value,
            TolerationOperator.Exists => true,
            _ => false,
        };
    }

    private static bool AreSame(ApiMap<Quantity> one, ApiMap<Quantity> other) =>
        one.Count == other.Count && one.All(pair => other.TryGetValue(pair.Key, out var quantity) && pair.Value.CompareTo(quantity) == 0);

    private static StatusException Mismatch(AdmissionRequest request) => request.Forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
}
