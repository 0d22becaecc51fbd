using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Client;
using ConditionStatus = Minke.Api.Core.V1.ConditionStatus;

namespace Minke.Control.Scheduling;

/// <summary>
/// Binds pods to nodes, one at a time in order of priority and age. What did not fit waits until a node or a bound pod changes;
/// nothing is tried again by the clock but a failed write.
/// </summary>
public sealed partial class Scheduler(
    Informer<Pod> pods, Informer<Node> nodes, IApiClient api, EventRecorder events, TimeProvider time, ILogger<Scheduler> logger)
{
    public const string Name = "default-scheduler";

    /// <summary>Whom the fields belong to that it writes: upstream's program, whatever the profile is called.</summary>
    public const string ManagerName = "kube-scheduler";
    private static readonly TimeSpan WriteRetryDelay = TimeSpan.FromSeconds(1);

    // One wake-up stands for any number: the loop looks at the caches as they are.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    // Owned by RunAsync: bindings written that the cache may not show yet.
    private readonly Dictionary<string, Pod> _assumed = new(StringComparer.Ordinal);

    /// <summary>Listens to the caches; before they run.</summary>
    public void Subscribe()
    {
        pods.OnChange(_ => Wake());
        nodes.OnChange(_ => Wake());
    }

    /// <summary>Schedules until cancelled. Started and awaited by the composition.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(pods.WaitForSyncAsync(cancellationToken), nodes.WaitForSyncAsync(cancellationToken));
            Wake();
            await foreach (var _ in _wake.Reader.ReadAllAsync(cancellationToken))
                await PassAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private void Wake() => _wake.Writer.TryWrite(true);

    private async Task PassAsync(CancellationToken cancellationToken)
    {
        ForgetConfirmed();
        var waiting = pods.All
            .Where(pod => pod.Spec.NodeName.Length == 0 && pod.Spec.SchedulerName == Name && pod.Spec.SchedulingGates.IsEmpty
                && pod.Metadata.DeletionTimestamp is null && pod.Status.Phase is not (PodPhase.Succeeded or PodPhase.Failed)
                && !_assumed.ContainsKey(pod.Metadata.Uid))
            .OrderByDescending(pod => pod.Spec.Priority ?? 0).ThenBy(pod => pod.Metadata.CreationTimestamp).ThenBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
            .ToList();
        if (waiting.Count == 0)
            return;

        var views = Views();
        foreach (var pod in waiting)
        {
            var plan = SchedulingPlan.For(pod, views);
            try
            {
                if (plan.NodeName is null)
                {
                    await ReportUnschedulableAsync(pod, plan.Message, cancellationToken);
                    continue;
                }
                await BindAsync(pod, plan.NodeName, cancellationToken);
                var index = views.FindIndex(view => view.Name == plan.NodeName);
                views[index] = new NodeView(views[index].Node, [.. views[index].Pods, pod]);
            }
            catch (StatusException e) when (e.Code is 404 or 409)
            {
                // Gone, or bound or changed by somebody else: the watch will tell.
            }
            catch (Exception e) when (e is StatusException or HttpRequestException or IOException or TimeoutException)
            {
                LogBindFailed(ObjectKey.Of(pod), e.Message);
                await Task.Delay(WriteRetryDelay, time, cancellationToken);
                Wake();
                return;
            }
        }
    }

    private List<NodeView> Views()
    {
        var byNode = pods.All.Where(pod => pod.Spec.NodeName.Length > 0).Concat(_assumed.Values).ToLookup(pod => pod.Spec.NodeName, StringComparer.Ordinal);
        return [.. nodes.All.Select(node => new NodeView(node, byNode[node.Metadata.Name]))];
    }

    private void ForgetConfirmed()
    {
        foreach (var (uid, assumed) in _assumed.ToList())
        {
            if (pods.Get(ObjectKey.Of(assumed)) is not { } pod || pod.Metadata.Uid != uid || pod.Spec.NodeName.Length > 0)
                _assumed.Remove(uid);
        }
    }

    private async Task BindAsync(Pod pod, string nodeName, CancellationToken cancellationToken)
    {
        await api.CreateSubresourceAsync<Pod>(pod.Metadata.Namespace, pod.Metadata.Name, "binding", new Binding
        {
            Metadata = new ObjectMeta { Namespace = pod.Metadata.Namespace, Name = pod.Metadata.Name, Uid = pod.Metadata.Uid },
            Target = new ObjectReference { Kind = "Node", Name = nodeName },
        }, cancellationToken);
        _assumed[pod.Metadata.Uid] = pod with { Spec = pod.Spec with { NodeName = nodeName } };
        events.Record(pod, "Normal", "Scheduled", $"Successfully assigned {pod.Metadata.Namespace}/{pod.Metadata.Name} to {nodeName}");
        LogBound(ObjectKey.Of(pod), nodeName);
    }

    private async Task ReportUnschedulableAsync(Pod pod, string message, CancellationToken cancellationToken)
    {
        var current = pod.Status.Conditions.FirstOrDefault(condition => condition.Type == PodConditionType.PodScheduled);
        if (current is { Status: ConditionStatus.False, Reason: "Unschedulable" } && current.Message == message)
            return;
        events.Record(pod, "Warning", "FailedScheduling", message);
        var condition = new PodCondition
        {
            Type = PodConditionType.PodScheduled,
            Status = ConditionStatus.False,
            Reason = "Unschedulable",
            Message = message,
            LastTransitionTime = current is { Status: ConditionStatus.False } ? current.LastTransitionTime : Time.From(time.GetUtcNow()),
        };
        await api.UpdateStatusAsync(pod with
        {
            Status = pod.Status with { Conditions = pod.Status.Conditions.Without(other => other.Type == condition.Type).Add(condition) },
        }, cancellationToken);
    }

    [LoggerMessage(LogLevel.Debug, "{Pod} bound to {Node}")]
    private partial void LogBound(ObjectKey pod, string node);

    [LoggerMessage(LogLevel.Warning, "{Pod} could not be bound: {Error}")]
    private partial void LogBindFailed(ObjectKey pod, string error);
}
