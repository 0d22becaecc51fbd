using System.Globalization;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Apply;

/// <summary>Fields that an apply would change and others own.</summary>
internal sealed class ApplyConflicts(IReadOnlyList<(Manager Manager, FieldSet Fields)> conflicts)
{
    public FieldSet Fields => conflicts.Aggregate(FieldSet.Empty, (all, conflict) => all.Union(conflict.Fields));

    public ApplyConflicts Without(FieldSet allowed) => new([.. conflicts
        .Select(conflict => (conflict.Manager, Fields: conflict.Fields.Difference(allowed)))
        .Where(conflict => !conflict.Fields.IsEmpty)]);

    public StatusException ToException()
    {
        var sorted = conflicts.OrderBy(conflict => conflict.Manager.ToIdentifier(), StringComparer.Ordinal)
            .Select(conflict => (Manager: conflict.Manager.ToText(), Paths: conflict.Fields.Paths().Select(path => PathElement.ToText(path)).ToList()))
            .ToList();
        var count = sorted.Sum(conflict => conflict.Paths.Count);
        var message = count == 1
            ? $"Apply failed with 1 conflict: conflict with {sorted[0].Manager}: {sorted[0].Paths[0]}"
            : string.Create(CultureInfo.InvariantCulture, $"Apply failed with {count} conflicts: ")
                + string.Join('\n', sorted.Select(conflict => $"conflicts with {conflict.Manager}:\n- {string.Join("\n- ", conflict.Paths)}"));
        var causes = sorted.SelectMany(conflict => conflict.Paths.Select(path => new StatusCause
        {
            Reason = "FieldManagerConflict",
            Message = $"conflict with {conflict.Manager}",
            Field = path,
        }));
        return StatusException.Of(409, StatusReason.Conflict, message, new() { Causes = causes.ToApiList() });
    }
}
