using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Flowcontrol.V1;
using Minke.Client;
using Minke.Server.Access;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Flow;

/// <summary>
/// Follows FlowSchemas and PriorityLevelConfigurations: requests are sorted by them as they are now, those that every cluster has stay what
/// they should be, and each schema says whether its level is there. A schema that says so is in force already.
/// </summary>
internal sealed class FlowController : IReconciler
{
    // What upstream's two halves call themselves in managedFields.
    private const string Producer = "api-priority-and-fairness-config-producer-v1";
    private const string Consumer = "api-priority-and-fairness-config-consumer-v1";
    private static readonly ObjectKey Everything = new("", "configuration");

    private readonly IStateStore _store;
    private readonly ObjectRegistry _registry;
    private readonly FlowControl _flow;
    private readonly TimeProvider _clock;
    private readonly ReconcileLoop _loop;
    private readonly Resource? _levels;
    private readonly Resource? _schemas;
    private Revision _loaded;

    public FlowController(IStateStore store, ResourceCatalog catalog, ObjectRegistry registry, FlowControl flow, TimeProvider clock, ILogger logger)
    {
        (_store, _registry, _flow, _clock) = (store, registry, flow, clock);
        (_levels, _schemas) = (catalog.Find(PriorityLevelConfiguration.KindInfo), catalog.Find(FlowSchema.KindInfo));
        _loop = new ReconcileLoop("priority-and-fairness", this, clock, logger);
        _loop.Enqueue(Everything);
    }

    /// <summary>Takes on what is stored.</summary>
    public void Load()
    {
        if (_levels is null || _schemas is null)
            return;
        var snapshot = _store.Snapshot();
        _loaded = snapshot.Revision;
        _flow.Configure(Read<PriorityLevelConfiguration>(snapshot, _levels), Read<FlowSchema>(snapshot, _schemas));
    }

    /// <summary>Follows them until cancelled. <see cref="Load"/> comes first.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_levels is not null && _schemas is not null)
            await Task.WhenAll(_loop.RunAsync(cancellationToken), FollowAsync(_levels), FollowAsync(_schemas));

        Task FollowAsync(Resource resource) => _store.FollowAsync(resource.Prefix, _loaded, _ => _loop.Enqueue(Everything), cancellationToken);
    }

    public async Task<Requeue> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var snapshot = _store.Snapshot();
        var (levels, schemas) = (Read<PriorityLevelConfiguration>(snapshot, _levels!), Read<FlowSchema>(snapshot, _schemas!));
        _flow.Configure(levels, schemas);
        // Whatever is written brings the next round.
        await KeepAsync(_levels!, levels, SystemFlows.Levels, cancellationToken);
        await KeepAsync(_schemas!, schemas, SystemFlows.Schemas, cancellationToken);
        foreach (var schema in schemas)
        {
            var condition = Dangling(schema, levels.Any(level => level.Metadata.Name == schema.Spec.PriorityLevelConfiguration.Name));
            if (condition is not null)
                await WriteAsync(_schemas!, "status", schema, Consumer, current => With((FlowSchema)current, condition), cancellationToken);
        }
        return Requeue.Never;
    }

    private async Task KeepAsync(Resource resource, IReadOnlyList<IKubeObject> stored, IEnumerable<IKubeObject> system, CancellationToken cancellationToken)
    {
        var wanted = system.ToDictionary(one => one.Metadata.Name, one => one.WithConstantDefaults(), StringComparer.Ordinal);
        var there = stored.ToDictionary(one => one.Metadata.Name, StringComparer.Ordinal);
        foreach (var (name, should) in wanted.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            if (!there.TryGetValue(name, out var now))
                await CreateAsync(resource, should, cancellationToken);
            else if (!ReferenceEquals(FlowUpkeep.Kept(now, should), now))
                await WriteAsync(resource, "", now, Producer, current => FlowUpkeep.Kept(current, should), cancellationToken);
        }
        foreach (var leftover in stored.Where(one => !wanted.ContainsKey(one.Metadata.Name) && FlowUpkeep.IsLeftover(one)))
            await DeleteAsync(resource, leftover, cancellationToken);
    }

    private async Task CreateAsync(Resource resource, IKubeObject value, CancellationToken cancellationToken)
    {
        try
        {
            await _registry.CreateAsync(resource, "", value, Context(Producer), cancellationToken);
        }
        catch (StatusException e) when (e.Code == 409)
        {
            // Somebody was first.
        }
    }

    private async Task WriteAsync(Resource resource, string subresource, IKubeObject seen, string manager, Func<IKubeObject, IKubeObject> change, CancellationToken cancellationToken)
    {
        try
        {
            await _registry.UpdateAsync(resource, subresource, "", seen.Metadata.Name,
                current => current!.Metadata.Generation == seen.Metadata.Generation ? change(current) : current, isPatch: true, Context(manager), cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone, or changed meanwhile: the watch brings it again.
        }
    }

    private async Task DeleteAsync(Resource resource, IKubeObject value, CancellationToken cancellationToken)
    {
        try
        {
            var options = new Minke.Api.Meta.V1.DeleteOptions { Preconditions = new() { Uid = value.Metadata.Uid, ResourceVersion = value.Metadata.ResourceVersion } };
            await _registry.DeleteAsync(resource, "", value.Metadata.Name, options, Context(Producer), cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
        }
    }

    /// <summary>What a schema should say and does not.</summary>
    private FlowSchemaCondition? Dangling(FlowSchema schema, bool isFound)
    {
        var level = FieldErrors.Quote(schema.Spec.PriorityLevelConfiguration.Name);
        var should = new FlowSchemaCondition
        {
            Type = FlowSchemaConditionType.Dangling,
            Status = isFound ? ConditionStatus.False : ConditionStatus.True,
            LastTransitionTime = Time.From(_clock.GetUtcNow()),
            Reason = isFound ? "Found" : "NotFound",
            Message = isFound
                ? $"This FlowSchema references the PriorityLevelConfiguration object named {level} and it exists"
                : $"This FlowSchema references the PriorityLevelConfiguration object named {level} but there is no such object",
        };
        var says = schema.Status.Conditions.FirstOrDefault(condition => condition.Type == FlowSchemaConditionType.Dangling);
        return says is not null && (says.Status, says.Reason, says.Message) == (should.Status, should.Reason, should.Message) ? null : should;
    }

    private static FlowSchema With(FlowSchema schema, FlowSchemaCondition condition) => schema with
    {
        Status = schema.Status with { Conditions = [.. schema.Status.Conditions.Where(one => one.Type != condition.Type), condition] },
    };

    private static WriteContext Context(string manager) => new() { User = UserInfo.InProcess, FieldManager = manager };

    private static List<T> Read<T>(Snapshot snapshot, Resource resource) where T : IKubeObject =>
        [.. snapshot.Range(resource.Prefix).Select(entry => (T)StoredObject.Read(resource, entry))];
}
