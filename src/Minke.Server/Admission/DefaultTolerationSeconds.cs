using Minke.Api.Core.V1;

namespace Minke.Server.Admission;

/// <summary>A pod that says nothing of lost nodes stays five minutes on one.</summary>
internal sealed class DefaultTolerationSeconds : IAdmission
{
    private const long Seconds = 300;

    public ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Creates<Pod>(out var pod))
            request.Object = Tolerant(pod);
        return default;
    }

    private static Pod Tolerant(Pod pod)
    {
        var tolerations = pod.Spec.Tolerations;
        foreach (var taint in (ReadOnlySpan<string>)["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])
        {
            if (!tolerations.Any(one => (one.Key == taint || one.Key.Length == 0) && one.Effect is TaintEffect.NoExecute or ""))
            {
                tolerations = tolerations.Add(new()
                {
                    Key = taint,
                    Operator = TolerationOperator.Exists,
                    Effect = TaintEffect.NoExecute,
                    TolerationSeconds = Seconds,
                });
            }
        }
        return tolerations.Count == pod.Spec.Tolerations.Count ? pod : pod with { Spec = pod.Spec with { Tolerations = tolerations } };
    }
}
