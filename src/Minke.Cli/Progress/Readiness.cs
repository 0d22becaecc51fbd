using System.Text.Json.Nodes;

namespace Minke.Cli.Progress;

internal enum ReadyState { Waiting, Ready, Failed }

/// <summary>Whether an applied object has come to what it asks for, and if not, what is in the way.</summary>
/// <param name="State">Failed only when it cannot become ready any more by itself.</param>
/// <param name="Why">For a person; empty when ready.</param>
internal readonly record struct Readiness(ReadyState State, string Why)
{
    private static readonly Readiness Ready = new(ReadyState.Ready, "");

    /// <summary>Kinds without pods behind them are ready once they are there.</summary>
    public static Readiness Of(JsonObject live) => (live["kind"]?.GetValue<string>(), live["spec"], live["status"]) switch
    {
        ("Pod", _, _) => OfPod(live),
        ("Deployment" or "ReplicaSet" or "ReplicationController" or "StatefulSet", var spec, var status) =>
            Count(live, "readyReplicas", Number(status, "readyReplicas"), Number(spec, "replicas", 1)),
        ("DaemonSet", _, var status) => Count(live, "numberReady", Number(status, "numberReady"), Number(status, "desiredNumberScheduled")),
        ("Job", _, _) => OfJob(live),
        _ => Ready,
    };

    private static Readiness Count(JsonObject live, string what, long ready, long wanted)
    {
        var hasLatest = Number(live["status"], "observedGeneration") >= Number(live["metadata"], "generation");
        return hasLatest && ready >= wanted ? Ready : new Readiness(ReadyState.Waiting, $"{what} {ready}/{wanted}");
    }

    private static Readiness OfJob(JsonObject job)
    {
        foreach (var condition in Items(job["status"]?["conditions"]).Where(condition => Text(condition, "status") == "True"))
        {
            if (Text(condition, "type") == "Complete")
                return Ready;
            if (Text(condition, "type") == "Failed")
                return new Readiness(ReadyState.Failed, $"{Text(condition, "reason")}: {Text(condition, "message")}");
        }
        return new Readiness(ReadyState.Waiting, $"succeeded {Number(job["status"], "succeeded")}/{Number(job["spec"], "completions", 1)}");
    }

    private static Readiness OfPod(JsonObject pod)
    {
        var phase = Text(pod["status"], "phase");
        if (phase == "Succeeded" || phase == "Running" && IsTrue(pod, "Ready"))
            return Ready;
        var why = Trouble(pod);
        if (phase == "Failed")
            return new Readiness(ReadyState.Failed, why.Length > 0 ? why : "Failed");
        return new Readiness(ReadyState.Waiting, why.Length > 0 ? why : phase.Length > 0 ? phase : "Pending");
    }

    /// <summary>The most telling reason a pod does not run: of a container, of its scheduling, or of the pod as a whole.</summary>
    public static string Trouble(JsonObject pod)
    {
        var status = pod["status"];
        foreach (var container in Items(status?["initContainerStatuses"]).Concat(Items(status?["containerStatuses"])))
        {
            var name = Text(container, "name");
            if (container["state"]?["waiting"] is JsonObject waiting && Text(waiting, "reason") is not ("" or "ContainerCreating" or "PodInitializing"))
                return Join($"container {name}: {Text(waiting, "reason")}", Text(waiting, "message"));
            if (container["state"]?["terminated"] is JsonObject ended && Number(ended, "exitCode") != 0)
                return Join($"container {name}: {Text(ended, "reason")}, exit code {Number(ended, "exitCode")}", Text(ended, "message"));
        }
        if (Text(status, "reason") is { Length: > 0 } reason)
            return Join(reason, Text(status, "message"));
        foreach (var condition in Items(status?["conditions"]))
        {
            if (Text(condition, "type") == "PodScheduled" && Text(condition, "status") == "False")
                return Join(Text(condition, "reason"), Text(condition, "message"));
        }
        return "";
    }

    /// <summary>How far the pull of an image is that a container waits for; empty when the node says nothing of one.</summary>
    public static string Pull(JsonObject pod) =>
        Items(pod["status"]?["initContainerStatuses"]).Concat(Items(pod["status"]?["containerStatuses"]))
            .Select(container => container["state"]?["waiting"])
            .Where(waiting => Text(waiting, "reason") is "ContainerCreating" or "PodInitializing")
            .Select(waiting => Text(waiting, "message")).FirstOrDefault(message => message.Length > 0) ?? "";

    public static bool IsTrue(JsonObject live, string condition) =>
        Items(live["status"]?["conditions"]).Any(item => Text(item, "type") == condition && Text(item, "status") == "True");

    public static IEnumerable<JsonObject> Items(JsonNode? list) => (list as JsonArray)?.OfType<JsonObject>() ?? [];

    public static string Text(JsonNode? holder, string key) => (holder as JsonObject)?[key]?.ToString() ?? "";

    private static long Number(JsonNode? holder, string key, long absent = 0) =>
        (holder as JsonObject)?[key] is JsonValue value && value.TryGetValue<long>(out var number) ? number : absent;

    private static string Join(string reason, string message) => message.Length == 0 ? reason : $"{reason}: {message}";
}
