namespace Minke.Server.Access.Rbac;

/// <summary>Allows what a role grants that a binding gives to the user, one of their groups, or their service account.</summary>
internal sealed class RbacAuthorizer(RbacPolicy policy)
{
    public Decision Decide(in AccessQuery query)
    {
        var table = policy.Current().RulesOf(query.User, query.Namespace);
        if (table.Find(query) is { } granted)
            return new(true, $"RBAC: allowed by {granted.Source}");
        return Decision.NoOpinion(table.Errors.Count == 0 ? "" : $"RBAC: {Aggregate(table.Errors)}");
    }

    /// <summary>Several errors as upstream's aggregate prints them.</summary>
    public static string Aggregate(IReadOnlyList<string> errors)
    {
        var distinct = errors.Distinct(StringComparer.Ordinal).ToList();
        return distinct.Count == 1 ? distinct[0] : $"[{string.Join(", ", distinct)}]";
    }
}
