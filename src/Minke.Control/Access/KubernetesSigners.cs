using Minke.Api;

namespace Minke.Control.Access;

/// <summary>What the signers of Kubernetes itself sign, and whose requests for a node's certificate need nobody's approval.</summary>
internal static class KubernetesSigners
{
    public const string Client = "kubernetes.io/kube-apiserver-client";
    public const string KubeletClient = "kubernetes.io/kube-apiserver-client-kubelet";
    public const string KubeletServing = "kubernetes.io/kubelet-serving";
    private const string Nodes = "system:nodes";
    private const string NodePrefix = "system:node:";

    /// <summary>Why a request does not suit its signer, in upstream's words; null when it does.</summary>
    public static string? Refusal(string signer, SigningRequest request, IReadOnlyList<string> usages) => signer switch
    {
        Client => ClientRefusal(usages),
        KubeletClient => NodeRefusal(request)
            ?? (request.DnsNames.Count > 0 ? "DNS subjectAltNames are not allowed"
                : request.Emails.Count > 0 ? "Email subjectAltNames are not allowed"
                : request.Addresses.Count > 0 ? "IP subjectAltNames are not allowed"
                : request.Uris.Count > 0 ? "URI subjectAltNames are not allowed"
                : NameRefusal(request) ?? UsageRefusal(usages, "client auth")),
        _ => NodeRefusal(request)
            ?? (request.DnsNames.Count == 0 && request.Addresses.Count == 0 ? "DNS or IP subjectAltName is required"
                : request.Emails.Count > 0 ? "Email subjectAltNames are not allowed"
                : request.Uris.Count > 0 ? "URI subjectAltNames are not allowed"
                : UsageRefusal(usages, "server auth") ?? NameRefusal(request)),
    };

    private static string? ClientRefusal(IReadOnlyList<string> usages)
    {
        if (usages.FirstOrDefault(usage => usage is not ("digital signature" or "key encipherment" or "client auth")) is { } wrong)
            return $"invalid usage for client certificate: {wrong}";
        return usages.Contains("client auth") ? null : "missing required usage for client certificate: client auth";
    }

    private static string? NodeRefusal(SigningRequest request) => request.Organizations is [Nodes] ? null : "subject organization is not system:nodes";

    private static string? NameRefusal(SigningRequest request) =>
        request.CommonName.StartsWith(NodePrefix, StringComparison.Ordinal) ? null : "subject common name does not begin with system:node:";

    private static string? UsageRefusal(IReadOnlyList<string> usages, string purpose)
    {
        var set = usages.ToHashSet(StringComparer.Ordinal);
        return set.SetEquals([purpose, "digital signature"]) || set.SetEquals([purpose, "digital signature", "key encipherment"])
            ? null : $"usages did not match [{string.Join(' ', new[] { "digital signature", "key encipherment", purpose }.Order(StringComparer.Ordinal))}]";
    }
}
