using Minke.Api.Core.V1;

namespace Minke.Server.Admission;

/// <summary>A new node takes no pods until the control plane has seen that it is ready, and has taken this taint away.</summary>
internal sealed class TaintNodesByCondition : IAdmission
{
    private static readonly Taint NotReady = new() { Key = "node.kubernetes.io/not-ready", Effect = TaintEffect.NoSchedule };

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Node>(out var node) && !node.Spec.Taints.Any(taint => taint.Key == NotReady.Key && taint.Effect == NotReady.Effect))
            request.Object = node with { Spec = node.Spec with { Taints = node.Spec.Taints.Add(NotReady) } };
        return default;
    }
}
