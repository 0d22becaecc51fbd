using Minke.Api;
using Minke.Api.Autoscaling.V1;
using Minke.Api.Meta.V1;

namespace Minke.Server.Apply;

/// <summary>Who owns the replicas of an object, as a Scale shows it and as the object keeps it.</summary>
internal sealed class ScaleOwnership(ApiList<ManagedFieldsEntry> parent, string parentVersion, FieldSet replicas, FieldSetCache sets)
{
    private static readonly FieldSet ScaleReplicas = FieldSet.OfPaths(["spec", "replicas"]);

    private readonly List<Manager> _parent = Managers.TryDecode(parent, sets) ?? [];

    /// <summary>Those of the object's managers that own its replicas.</summary>
    public ApiList<ManagedFieldsEntry> OfScale() => Managers.Encode(
        [.. _parent.Where(OwnsReplicas).Select(manager => manager with { ApiVersion = Scale.KindInfo.ApiVersion, Fields = ScaleReplicas })], sets);

    /// <summary>The object's managers once the Scale's are these: who no longer has the replicas there has lost them here too.</summary>
    public ApiList<ManagedFieldsEntry> OfParent(ApiList<ManagedFieldsEntry> scale)
    {
        var owners = Managers.TryDecode(scale, sets) ?? [];
        owners.RemoveAll(owner => owner.Fields.Intersection(ScaleReplicas).IsEmpty);
        var managers = new List<Manager>();
        foreach (var manager in _parent)
        {
            var index = owners.FindIndex(owner => owner.IsSameAs(manager with { ApiVersion = owner.ApiVersion }));
            if (!OwnsReplicas(manager))
            {
                managers.Add(manager);
            }
            else if (index >= 0)
            {
                managers.Add(manager with { Time = owners[index].Time });
                owners.RemoveAt(index);
            }
            else if (manager.Fields.Difference(replicas) is { IsEmpty: false } rest)
            {
                managers.Add(manager.WithFields(rest));
            }
        }
        managers.AddRange(owners.Select(owner => owner with { ApiVersion = parentVersion, Fields = replicas }));
        return Managers.Encode(managers, sets);
    }

    private bool OwnsReplicas(Manager manager) => manager.ApiVersion == parentVersion && !manager.Fields.Intersection(replicas).IsEmpty;
}
