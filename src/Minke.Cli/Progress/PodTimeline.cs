using System.Text.Json.Nodes;

namespace Minke.Cli.Progress;

/// <summary>One step of a pod's start: what was reached, and how long after the beginning.</summary>
internal readonly record struct PodStep(string Name, TimeSpan After)
{
    public override string ToString() => $"{Name} {After.TotalMilliseconds:0} ms";
}

/// <summary>
/// How far one pod has come, read from what the API shows of it. Steps are remembered in the order they were first seen; times are
/// the watcher's, since those in the API have seconds.
/// </summary>
internal sealed class PodTimeline(string @namespace, string name, TimeSpan beganAt)
{
    private readonly List<PodStep> _steps = [];
    private bool _isNotePull;

    public string Namespace { get; } = @namespace;
    public string Name { get; } = name;
    public string FullName => Namespace + "/" + Name;
    public IReadOnlyList<PodStep> Steps => _steps;

    /// <summary>What goes on or what is wrong; empty when there is nothing to say.</summary>
    public string Note { get; private set; } = "";
    public Readiness Readiness { get; private set; } = new(ReadyState.Waiting, "Pending");
    public string Address { get; private set; } = "";

    /// <summary>Where its containers say they listen: <c>10.42.0.2:5432</c>, or a URL where the port is named http.</summary>
    public IReadOnlyList<string> Endpoints { get; private set; } = [];

    /// <summary>Takes in a new state of the pod; gives the steps it had not reached before.</summary>
    public IReadOnlyList<PodStep> See(JsonObject pod, TimeSpan now)
    {
        var reached = _steps.Count;
        if (Readiness.IsTrue(pod, "PodScheduled"))
            Reach("scheduled", now);
        if (Readiness.IsTrue(pod, "PodReadyToStartContainers"))
            Reach("sandbox", now);
        foreach (var container in Readiness.Items(pod["status"]?["initContainerStatuses"]))
        {
            if (container["state"]?["terminated"] is not null && Readiness.Text(container["state"]!["terminated"], "exitCode") == "0")
                Reach($"{Readiness.Text(container, "name")} done", now);
        }
        if (Readiness.Items(pod["status"]?["containerStatuses"]).Any(container => container["state"]?["running"] is not null))
            Reach("started", now);

        Readiness = Readiness.Of(pod);
        Address = Readiness.Text(pod["status"], "podIP");
        Endpoints = [.. Readiness.Items(pod["spec"]?["containers"]).SelectMany(container => Readiness.Items(container["ports"])).Select(Endpoint)];
        if (Readiness.State == ReadyState.Ready)
            Reach(Readiness.Text(pod["status"], "phase") == "Succeeded" ? "succeeded" : "ready", now);
        else if (Readiness.State == ReadyState.Failed)
            Reach("failed", now);
        var trouble = Readiness.State == ReadyState.Ready ? "" : Readiness.Trouble(pod);
        if (trouble.Length > 0 || Readiness.State == ReadyState.Ready)
            Note = trouble;
        else if (Readiness.Pull(pod) is { Length: > 0 } pull)
            (Note, _isNotePull) = (pull, true);
        else if (_isNotePull)
            (Note, _isNotePull) = ("", false);
        return [.. _steps.Skip(reached)];
    }

    /// <summary>Takes in an event about the pod: pulls are seen nowhere else.</summary>
    public IReadOnlyList<PodStep> SeeEvent(string reason, string message, TimeSpan now)
    {
        var reached = _steps.Count;
        switch (reason)
        {
            case "Pulling":
                Note = message;
                break;
            case "Pulled":
                Note = "";
                Reach("image", now);
                break;
            case "Failed" or "BackOff" or "FailedScheduling" or "FailedMount" or "FailedCreatePodSandBox" or "Unhealthy" or "InspectFailed" or "ErrImageNeverPull"
                when Readiness.State != ReadyState.Ready:
                Note = message;
                break;
        }
        return [.. _steps.Skip(reached)];
    }

    private string Endpoint(JsonObject port)
    {
        var place = $"{Address}:{Readiness.Text(port, "containerPort")}";
        return Readiness.Text(port, "name") is "http" or "web" ? $"http://{place}/" : place;
    }

    private void Reach(string step, TimeSpan now)
    {
        if (!_steps.Any(known => known.Name == step))
            _steps.Add(new PodStep(step, now - beganAt));
    }
}
