using System.Text;

namespace Minke.Bench.Api;

/// <summary>Requests as bytes.</summary>
internal static class Requests
{
    public const string Json = "application/json", Protobuf = "application/vnd.kubernetes.protobuf";

    public static byte[] Get(string path, string accept = Json) => Encoding.ASCII.GetBytes(
        $"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:6443\r\nAccept: {accept}\r\n\r\n");

    public static byte[] Send(string method, string path, string body, string contentType = Json) => Encoding.UTF8.GetBytes(
        $"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:6443\r\nAccept: {Json}\r\nContent-Type: {contentType}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");

    /// <summary>A ConfigMap of 1 KB, most of it one value.</summary>
    public static string ConfigMap(string name, string more = "") => $$$"""
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{{name}}}"},"data":{ {{{more}}}"filling":"{{{Filling}}}"} }
        """;

    /// <summary>A pod as a Deployment makes them, that no scheduler looks at.</summary>
    public static string Pod(string name) => $$$"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{{name}}}","labels":{"app":"web","pod-template-hash":"5d4f8c7b9"} },
        "spec":{"schedulerName":"nobody","containers":[{"name":"main","image":"registry.example.com/shop/web:1.2.3","command":["/bin/web","--port=8080"],
        "env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"} } },{"name":"LEVEL","value":"info"}],"ports":[{"containerPort":8080}],
        "resources":{"requests":{"cpu":"10m","memory":"32Mi"},"limits":{"memory":"64Mi"} },"readinessProbe":{"httpGet":{"path":"/healthz","port":8080} } }]} }
        """;

    private static string Filling { get; } = new('x', 900);
}
