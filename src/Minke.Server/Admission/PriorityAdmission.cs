using System.Globalization;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Scheduling.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission;

/// <summary>The number behind a pod's priority class, and what the classes must not become.</summary>
internal sealed class PriorityAdmission(IStateStore store, ResourceCatalog catalog) : IAdmission
{
    private const string Default = "PreemptLowerPriority";

    private readonly Resource? _classes = catalog.Find(PriorityClass.KindInfo);

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            request.Object = WithPriority(request, pod);
        else if (request is { IsDelete: true, Old: PriorityClass, Subresource: "" } && SystemPriorityClasses.Find(request.Name) is not null)
            throw request.Forbidden("this is a system priority class and cannot be deleted");
        return default;
    }

    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request is { Object: PriorityClass { GlobalDefault: true } value, IsDelete: false } && GlobalDefault() is { } other
            && (request.Old is null || other.Metadata.Name != value.Metadata.Name))
            throw request.Forbidden($"PriorityClass {other.Metadata.Name} is already marked as default. Only one default can exist");
        return default;
    }

    private Pod WithPriority(AdmissionRequest request, Pod pod)
    {
        var (name, priority, preemption) = (pod.Spec.PriorityClassName, 0, Default);
        if (name.Length == 0)
        {
            if (GlobalDefault() is { } byDefault)
                (name, priority, preemption) = (byDefault.Metadata.Name, byDefault.Value, byDefault.PreemptionPolicy ?? Default);
        }
        else if (Find(name) is { } found)
        {
            (priority, preemption) = found;
        }
        else
        {
            throw request.Forbidden($"no PriorityClass with name {name} was found");
        }

        if (pod.Spec.Priority is { } given && given != priority)
        {
            throw request.Forbidden(string.Create(CultureInfo.InvariantCulture,
                $"the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"));
        }
        if (pod.Spec.PreemptionPolicy is { } policy && policy != preemption)
        {
            throw request.Forbidden($"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; "
                + $"priority admission controller computed {preemption} from the given PriorityClass name");
        }
        return pod with { Spec = pod.Spec with { PriorityClassName = name, Priority = priority, PreemptionPolicy = preemption } };
    }

    private (int Priority, string Preemption)? Find(string name)
    {
        if (_classes is not null && store.Snapshot().Get(_classes.Key("", name)) is { } entry)
        {
            var found = (PriorityClass)StoredObject.Read(_classes, entry);
            return (found.Value, found.PreemptionPolicy ?? Default);
        }
        // Known even before they are written.
        return SystemPriorityClasses.Find(name) is { } known ? (known.Value, Default) : null;
    }

    // Of several the lowest holds, as upstream.
    private PriorityClass? GlobalDefault() => _classes is null ? null : store.Snapshot().Range(_classes.Prefix)
        .Select(entry => (PriorityClass)StoredObject.Read(_classes, entry))
        .Where(one => one.GlobalDefault)
        .MinBy(one => one.Value);
}
