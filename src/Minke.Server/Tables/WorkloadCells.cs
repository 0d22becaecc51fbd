using Minke.Api;

namespace Minke.Server.Tables;

/// <summary>What kubectl shows of the kinds that make pods.</summary>
internal static class WorkloadCells
{
    /// <summary><c>daemonset.apps/web</c>: who keeps the object.</summary>
    public static string Controller(IKubeObject value)
    {
        if (value.Metadata.OwnerReferences.FirstOrDefault(owner => owner.Controller == true) is not { } controller)
            return "<none>";
        var slash = controller.ApiVersion.IndexOf('/', StringComparison.Ordinal);
        var group = slash < 0 ? "" : "." + controller.ApiVersion[..slash];
        return $"{(controller.Kind + group).ToLowerInvariant()}/{controller.Name}";
    }
}
