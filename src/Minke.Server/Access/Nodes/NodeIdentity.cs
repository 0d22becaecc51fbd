namespace Minke.Server.Access.Nodes;

/// <summary>Which users are nodes: <c>system:node:NAME</c> of the group <c>system:nodes</c>.</summary>
internal static class NodeIdentity
{
    private const string Prefix = "system:node:";
    private const string Group = "system:nodes";

    /// <summary>The node's name; null for who is no node.</summary>
    public static string? Of(UserInfo user) =>
        user.Name.StartsWith(Prefix, StringComparison.Ordinal) && user.IsIn(Group) ? user.Name[Prefix.Length..] : null;
}
