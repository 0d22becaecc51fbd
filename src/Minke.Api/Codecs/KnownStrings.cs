using System.Text.Json;

namespace Minke.Api;

/// <summary>Texts that recur in nearly every object are kept once: a thousand pods share one "kube-api-access" and one "Always".</summary>
internal static class KnownStrings
{
    private const int MaxLength = 32;

    private static readonly Dictionary<int, List<(byte[] Utf8, string Text)>> ByHash = Build(
        "", "default", "Always", "IfNotPresent", "Never", "OnFailure", "ClusterFirst", "default-scheduler", "File", "TCP", "UDP",
        "/dev/termination-log", "Running", "Pending", "Succeeded", "Failed", "True", "False", "Unknown", "Ready", "Initialized",
        "ContainersReady", "PodScheduled", "PodReadyToStartContainers", "BestEffort", "Burstable", "Guaranteed", "cpu", "memory",
        "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "Exists", "Equal", "NoExecute", "NoSchedule",
        "PreemptLowerPriority", "kube-root-ca.crt", "ca.crt", "token", "namespace", "metadata.namespace", "v1", "apps/v1", "Pod",
        "ReplicaSet", "Deployment", "Node", "app", "name", "kubernetes", "kube-system", "Update", "Apply", "FieldsV1",
        "/var/run/secrets/kubernetes.io/serviceaccount", "Opaque", "Normal", "Warning", "HTTP", "/", "status");

    public static string Get(ref Utf8JsonReader reader)
    {
        if (!reader.HasValueSequence && !reader.ValueIsEscaped && reader.ValueSpan.Length <= MaxLength
            && ByHash.TryGetValue(Hash(reader.ValueSpan), out var candidates))
        {
            foreach (var (utf8, text) in candidates)
            {
                if (reader.ValueSpan.SequenceEqual(utf8))
                    return text;
            }
        }
        return reader.GetString()!;
    }

    private static Dictionary<int, List<(byte[], string)>> Build(params string[] texts)
    {
        var byHash = new Dictionary<int, List<(byte[], string)>>();
        foreach (var text in texts)
        {
            var utf8 = System.Text.Encoding.UTF8.GetBytes(text);
            if (utf8.Length > MaxLength)
                continue;
            if (!byHash.TryGetValue(Hash(utf8), out var list))
                byHash[Hash(utf8)] = list = [];
            list.Add((utf8, text));
        }
        return byHash;
    }

    private static int Hash(ReadOnlySpan<byte> utf8) =>
        utf8.IsEmpty ? 0 : utf8.Length | (utf8[0] << 8) | (utf8[^1] << 16) | (utf8[utf8.Length / 2] << 24);
}
