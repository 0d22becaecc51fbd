namespace Minke.Control.Scheduling;

/// <summary>Why a pod may not run on a node.</summary>
/// <param name="Reasons">In kube-scheduler's words.</param>
/// <param name="IsOfPods">Other pods are in the way: without them it might fit. Else it never does.</param>
internal sealed record Objection(IReadOnlyList<string> Reasons, bool IsOfPods)
{
    public static Objection OfNode(string reason) => new([reason], IsOfPods: false);

    public static Objection OfPods(string reason) => new([reason], IsOfPods: true);
}
