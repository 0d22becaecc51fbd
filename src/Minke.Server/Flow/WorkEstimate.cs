using Minke.Api.Meta.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Flow;

/// <summary>How many seats a request takes: one, and lists one for each hundred objects that are looked at. (util/flowcontrol/request)</summary>
/// <remarks>
/// Upstream reads a list once from etcd and once more to answer, and counts twice; here all are in memory. A watch counts as a list when it
/// asks for what is there to begin with.
/// </remarks>
internal sealed class WorkEstimate(ResourceCatalog catalog, IStateStore store)
{
    private const int ObjectsPerSeat = 100;
    private const int MaxSeats = 10;

    /// <param name="request">Sorted already.</param>
    /// <param name="options">Of a list or watch; null when they cannot be read, for it will fail.</param>
    /// <param name="maxSeats">Of its level; 0 for none.</param>
    public int SeatsOf(in FlowRequest request, ListOptions? options, int maxSeats)
    {
        var most = maxSeats is > 0 and < MaxSeats ? maxSeats : MaxSeats;
        if (options is null)
            return most;
        if (request.Verb == "watch" && options.SendInitialEvents != true)
            return 1;
        var target = request.Target;
        if (target.Name.Length > 0 || options.FieldSelector.StartsWith("metadata.name=", StringComparison.Ordinal)
            || catalog.Find(target.Group, target.Version, target.Plural) is not { IsVirtual: false } resource)
            return 1;
        var objects = store.Snapshot().Count(resource.ListPrefix(target.Namespace));
        // Without a selector a page costs what it holds.
        if (options is { Limit: > 0, LabelSelector: "", FieldSelector: "" } && options.Limit < objects)
            objects = (int)options.Limit;
        return Math.Clamp((objects + ObjectsPerSeat - 1) / ObjectsPerSeat, 1, most);
    }
}
