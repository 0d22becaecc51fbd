using Minke.Api;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Tables;

/// <summary>Of the kinds that say how a cluster is set up: access, networks, volumes, extensions.</summary>
internal static partial class TableColumns
{
    private static readonly Dictionary<KindInfo, TableColumn[]> OfClusters = new()
    {
        [RoleBinding.KindInfo] =
        [
            Name,
            Text<RoleBinding>("Role", one => $"{one.RoleRef.Kind}/{one.RoleRef.Name}"),
            Age,
            Text<RoleBinding>("Users", one => Subjects(one.Subjects, "User"), 1),
            Text<RoleBinding>("Groups", one => Subjects(one.Subjects, "Group"), 1),
            Text<RoleBinding>("ServiceAccounts", one => Subjects(one.Subjects, "ServiceAccount"), 1),
        ],
        [ClusterRoleBinding.KindInfo] =
        [
            Name,
            Text<ClusterRoleBinding>("Role", one => $"{one.RoleRef.Kind}/{one.RoleRef.Name}"),
            Age,
            Text<ClusterRoleBinding>("Users", one => Subjects(one.Subjects, "User"), 1),
            Text<ClusterRoleBinding>("Groups", one => Subjects(one.Subjects, "Group"), 1),
            Text<ClusterRoleBinding>("ServiceAccounts", one => Subjects(one.Subjects, "ServiceAccount"), 1),
        ],
    };

    private static string Subjects(ApiList<Subject> subjects, string kind) => string.Join(", ", subjects
        .Where(subject => subject.Kind == kind)
        .Select(subject => kind == "ServiceAccount" ? $"{subject.Namespace}/{subject.Name}" : subject.Name));
}
