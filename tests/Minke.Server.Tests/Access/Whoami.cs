using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;

namespace Minke.Server.Tests;

/// <summary>Asks the server whom it takes a client for.</summary>
internal static class Whoami
{
    private const string Path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

    public static async Task<Reply> WhoAsync(TestServer server, string? token, X509Certificate2? certificate = null, params (string Name, string Value)[] headers)
    {
        using var client = server.ClientOf(certificate);
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        foreach (var (name, value) in headers)
            client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        return await server.SendAsync(HttpMethod.Post, Path, "{}", client: client);
    }

    /// <summary>The name and the groups.</summary>
    public static string UserIn(Reply reply)
    {
        var user = reply.Expect(201).Json["status"]!["userInfo"]!;
        return $"{user["username"]} {string.Join(',', user["groups"]!.AsArray())}";
    }
}
