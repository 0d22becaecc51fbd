using Minke.Api;
using Minke.Api.Flowcontrol.V1;

namespace Minke.Server.Flow;

/// <summary>What the FlowSchemas and PriorityLevelConfigurations of one moment make of requests.</summary>
internal sealed class FlowConfiguration
{
    private const string CatchAll = "catch-all";
    private static readonly string[] Mandatory = ["exempt", CatchAll];

    private readonly FlowSchemaMatcher[] _schemas; // in the order they are asked
    private readonly FlowSchemaMatcher _catchAll;

    private FlowConfiguration(IReadOnlyList<PriorityLevel> levels, FlowSchemaMatcher[] schemas)
    {
        (Levels, _schemas) = (levels, schemas);
        _catchAll = Array.Find(schemas, schema => schema.Name == CatchAll)!;
    }

    /// <summary>By name. Those whose object is gone are among them until they are empty.</summary>
    public IReadOnlyList<PriorityLevel> Levels { get; }

    /// <summary>Which schema a request belongs to: the first that matches.</summary>
    public FlowSchemaMatcher Sort(in FlowRequest request)
    {
        foreach (var schema in _schemas)
        {
            if (schema.Matches(request))
                return schema;
        }
        return _catchAll;
    }

    /// <summary>Levels go on with whom they have seated; schemas that name no level are left out, and what must be there is imagined.</summary>
    /// <param name="before">Whose levels are taken over.</param>
    /// <param name="levels">As stored.</param>
    /// <param name="schemas">As stored.</param>
    /// <param name="seats">Of the whole server.</param>
    /// <param name="seriesOf">What is counted of a level and a schema.</param>
    /// <param name="clock">For new levels.</param>
    public static FlowConfiguration Build(
        FlowConfiguration? before, IReadOnlyList<PriorityLevelConfiguration> levels, IReadOnlyList<FlowSchema> schemas, int seats,
        Func<string, string, FlowSeries> seriesOf, TimeProvider clock)
    {
        levels = [.. levels, .. Mandatory.Where(name => levels.All(level => level.Metadata.Name != name)).Select(name => SystemFlows.FindMandatoryLevel(name)!)];
        schemas = [.. schemas, .. Mandatory.Where(name => schemas.All(schema => schema.Metadata.Name != name)).Select(name => SystemFlows.FindMandatorySchema(name)!)];
        var shares = levels.Sum(PriorityLevel.SharesOf);
        var serving = new SortedDictionary<string, PriorityLevel>(StringComparer.Ordinal);
        foreach (var level in levels)
        {
            var name = level.Metadata.Name;
            var state = before?.Levels.FirstOrDefault(one => one.Name == name) ?? new PriorityLevel(name, clock);
            state.Configure(level, seats, shares);
            serving[name] = state;
        }
        var matchers = schemas
            .Where(schema => serving.ContainsKey(schema.Spec.PriorityLevelConfiguration.Name))
            .OrderBy(schema => schema.Spec.MatchingPrecedence).ThenBy(schema => schema.Metadata.Name, StringComparer.Ordinal)
            .Select(schema => new FlowSchemaMatcher(
                schema, serving[schema.Spec.PriorityLevelConfiguration.Name], seriesOf(schema.Spec.PriorityLevelConfiguration.Name, schema.Metadata.Name)))
            .ToArray();
        foreach (var retired in before?.Levels.Where(level => !serving.ContainsKey(level.Name)) ?? [])
        {
            retired.IsRetired = true;
            if (!retired.Look((queues, _) => queues.Executing + queues.Waiting == 0))
                serving[retired.Name] = retired;
        }
        return new([.. serving.Values], matchers);
    }
}
