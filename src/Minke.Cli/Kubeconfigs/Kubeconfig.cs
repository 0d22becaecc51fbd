using System.Security.Cryptography.X509Certificates;
using System.Text;
using YamlDotNet.Core;

namespace Minke.Cli.Kubeconfigs;

/// <summary>How to reach a cluster as its administrator: one cluster, one user, one context, all of the same name.</summary>
/// <param name="Name">Of the context.</param>
/// <param name="Server">Where the API answers: <c>https://127.0.0.1:6443</c>.</param>
/// <param name="AuthorityPem">Certificate to trust.</param>
/// <param name="ClientCertificatePem">Who we are.</param>
/// <param name="ClientKeyPem">Proof of it.</param>
public sealed record Kubeconfig(string Name, Uri Server, string AuthorityPem, string ClientCertificatePem, string ClientKeyPem)
{
    /// <summary>The file kubectl reads.</summary>
    public override string ToString() => $"""
        apiVersion: v1
        kind: Config
        clusters:
        {ClusterItem("")}
        contexts:
        {ContextItem("")}
        users:
        {UserItem("")}
        current-context: {Name}

        """;

    /// <summary>Reads back what <see cref="ToString"/> wrote.</summary>
    /// <exception cref="KubeconfigException">It is something else.</exception>
    public static Kubeconfig Parse(string text)
    {
        try
        {
            if (YamlTree.Parse(text) is YamlTree.Mapping root
                && First(root, "clusters", "cluster") is { } cluster && First(root, "users", "user") is { } user
                && root["current-context"] is YamlTree.Scalar name && cluster["server"] is YamlTree.Scalar server)
            {
                return new Kubeconfig(name.Value, new Uri(server.Value), Pem(cluster, "certificate-authority-data"),
                    Pem(user, "client-certificate-data"), Pem(user, "client-key-data"));
            }
        }
        catch (Exception exception) when (exception is YamlException or FormatException)
        {
            throw new KubeconfigException("not a kubeconfig: " + exception.Message, exception);
        }
        throw new KubeconfigException("not a kubeconfig of Minke: it has no server, user or current-context");

        static YamlTree.Mapping? First(YamlTree.Mapping root, string list, string part) =>
            root[list] is YamlTree.Sequence { Items: [YamlTree.Mapping item, ..] } ? item[part] as YamlTree.Mapping : null;

        static string Pem(YamlTree.Mapping holder, string key) =>
            holder[key] is YamlTree.Scalar data ? Encoding.UTF8.GetString(Convert.FromBase64String(data.Value)) : throw new FormatException($"no {key}");
    }

    public X509Certificate2 ClientCertificate() => X509Certificate2.CreateFromPem(ClientCertificatePem, ClientKeyPem);

    public X509Certificate2 Authority() => X509Certificate2.CreateFromPem(AuthorityPem);

    internal string ClusterItem(string indent) => Lines(indent,
        $"- cluster:", $"    certificate-authority-data: {Base64(AuthorityPem)}", $"    server: {ServerText}", $"  name: {Name}");

    internal string ContextItem(string indent) => Lines(indent,
        "- context:", $"    cluster: {Name}", $"    user: {Name}", $"  name: {Name}");

    internal string UserItem(string indent) => Lines(indent,
        $"- name: {Name}", "  user:", $"    client-certificate-data: {Base64(ClientCertificatePem)}", $"    client-key-data: {Base64(ClientKeyPem)}");

    private string ServerText => Server.GetLeftPart(UriPartial.Authority);

    private static string Lines(string indent, params ReadOnlySpan<string> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines)
            text.Append(text.Length == 0 ? "" : "\n").Append(indent).Append(line);
        return text.ToString();
    }

    private static string Base64(string pem) => Convert.ToBase64String(Encoding.UTF8.GetBytes(pem));
}

/// <summary>A kubeconfig that cannot be read, merged or written; the message says which and what to do.</summary>
public sealed class KubeconfigException : Exception
{
    public KubeconfigException(string message) : base(message) { }
    public KubeconfigException(string message, Exception inner) : base(message, inner) { }
}
