using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Apply;

/// <summary>managedFields as they are read and written.</summary>
internal static class Managers
{
    /// <exception cref="FormatException">An entry cannot be read.</exception>
    public static List<Manager> Decode(ApiList<ManagedFieldsEntry> entries, FieldSetCache sets)
    {
        var managers = new List<Manager>(entries.Count);
        for (var i = 0; i < entries.Count; i++)
        {
            var manager = Manager.Decode(entries[i], i, sets);
            // Of two entries for one manager the last holds.
            managers.RemoveAll(other => other.IsSameAs(manager));
            managers.Add(manager);
        }
        return managers;
    }

    /// <summary>Null when they cannot be read: ownership that makes no sense is dropped, never refused.</summary>
    public static List<Manager>? TryDecode(ApiList<ManagedFieldsEntry> entries, FieldSetCache sets)
    {
        try
        {
            var managers = Decode(entries, sets);
            foreach (var manager in managers)
                _ = manager.Fields;
            return managers;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>In upstream's order: appliers first, then by time, name, version and subresource.</summary>
    public static ApiList<ManagedFieldsEntry> Encode(List<Manager> managers, FieldSetCache sets)
    {
        if (managers.Count == 0)
            return default;
        managers.Sort(static (a, b) =>
        {
            var order = string.CompareOrdinal(a.Operation, b.Operation);
            if (order == 0)
                order = (a.Time?.UnixSeconds ?? 0).CompareTo(b.Time?.UnixSeconds ?? 0);
            if (order == 0)
                order = string.CompareOrdinal(a.Name, b.Name);
            if (order == 0)
                order = string.CompareOrdinal(a.ApiVersion, b.ApiVersion);
            return order == 0 ? string.CompareOrdinal(a.Subresource, b.Subresource) : order;
        });
        var entries = new ManagedFieldsEntry[managers.Count];
        for (var i = 0; i < entries.Length; i++)
            entries[i] = managers[i].Encode(sets);
        return entries;
    }

    /// <summary>How a client asks for ownership to be forgotten: an empty list, or one empty entry.</summary>
    public static bool IsReset(ApiList<ManagedFieldsEntry> entries) => entries.Count switch
    {
        0 => !entries.IsNull,
        1 => entries[0] is { Manager: "", Operation: "", ApiVersion: "", Time: null, FieldsType: "", FieldsV1: null, Subresource: "" },
        _ => false,
    };

    /// <summary>Equal but for the times.</summary>
    public static bool SameButForTime(ApiList<ManagedFieldsEntry> a, ApiList<ManagedFieldsEntry> b)
    {
        if (a.Count != b.Count)
            return false;
        for (var i = 0; i < a.Count; i++)
        {
            var (x, y) = (a[i], b[i]);
            if (x.Manager != y.Manager || x.Operation != y.Operation || x.ApiVersion != y.ApiVersion || x.Subresource != y.Subresource
                || x.FieldsType != y.FieldsType || x.FieldsV1 != y.FieldsV1)
                return false;
        }
        return true;
    }
}
