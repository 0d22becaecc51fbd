using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

public enum RegistryAuth { None, Basic, Bearer }

/// <summary>A registry in this process, on loopback, that can be as unpleasant as real ones.</summary>
internal sealed class FakeRegistry : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, (byte[] Content, string Type)> _manifests = new();
    private readonly ConcurrentDictionary<string, byte[]> _blobs = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private int _tokens;

    private FakeRegistry(WebApplication app) => _app = app;

    /// <summary>Host and port.</summary>
    public string Host { get; private set; } = "";
    public RegistryAuth Auth { get; set; }
    public string Username { get; set; } = "user";
    public string Password { get; set; } = "secret";
    public string IdentityToken { get; set; } = "refresh-me";

    /// <summary>Tokens are good but for nothing.</summary>
    public bool IsScopeInsufficient { get; set; }

    /// <summary>Asked first; true when it has answered.</summary>
    public Func<HttpContext, Task<bool>> Fault { get; set; } = _ => Task.FromResult(false);

    /// <summary>Method, path and, where there was one, Range of all requests.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    public int Count(string start) => Requests.Count(request => request.StartsWith(start, StringComparison.Ordinal));

    public static async Task<FakeRegistry> StartAsync(X509Certificate2? certificate = null, bool requiresClientCertificate = false)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options => options.Listen(System.Net.IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
                listen.UseHttps(certificate, https =>
                {
                    https.ClientCertificateMode = requiresClientCertificate ? ClientCertificateMode.RequireCertificate : ClientCertificateMode.NoCertificate;
                    https.ClientCertificateValidation = (_, _, _) => true;
                });
        }));
        if (certificate is not null)
            builder.WebHost.UseKestrelHttpsConfiguration();
        var registry = new FakeRegistry(builder.Build());
        registry._app.Run(registry.AnswerAsync);
        await registry._app.StartAsync();
        var address = registry._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        registry.Host = new Uri(address).Authority;
        return registry;
    }

    public BuiltImage Push(string repository, string tag, BuiltImage image)
    {
        foreach (var (digest, content) in image.Blobs)
            _blobs[digest] = content;
        PushManifest(repository, tag, image.Manifest, image.ManifestMediaType);
        return image;
    }

    public string PushManifest(string repository, string tag, byte[] content, string type)
    {
        var digest = TestImage.DigestOf(content);
        _manifests[$"{repository}:{tag}"] = (content, type);
        _manifests[$"{repository}:{digest}"] = (content, type);
        return digest;
    }

    /// <summary>An index over images that were pushed to the same repository.</summary>
    public string PushIndex(string repository, string tag, params (BuiltImage Image, string Os, string Architecture, string? Variant)[] images)
    {
        var manifests = new JsonArray();
        foreach (var (image, os, architecture, variant) in images)
        {
            Push(repository, image.ManifestDigest, image);
            var platform = new JsonObject { ["os"] = os, ["architecture"] = architecture };
            if (variant is not null)
                platform["variant"] = variant;
            manifests.Add((JsonNode)new JsonObject
            {
                ["mediaType"] = image.ManifestMediaType,
                ["digest"] = image.ManifestDigest,
                ["size"] = image.Manifest.Length,
                ["platform"] = platform,
            });
        }
        var index = new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = "application/vnd.oci.image.index.v1+json", ["manifests"] = manifests };
        return PushManifest(repository, tag, Encoding.UTF8.GetBytes(index.ToJsonString()), "application/vnd.oci.image.index.v1+json");
    }

    /// <summary>Puts other bytes where a blob was.</summary>
    public void Corrupt(string digest, byte[] content) => _blobs[digest] = content;

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _app.StopAsync(deadline.Token);
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        var range = context.Request.Headers.Range.ToString();
        _requests.Enqueue($"{context.Request.Method} {path}{(range.Length > 0 ? $" {range}" : "")}");
        if (await Fault(context))
            return;
        if (path == "/token")
        {
            await TokenAsync(context);
            return;
        }
        if (!await IsAllowedAsync(context))
            return;
        var parts = path.Split('/');
        var kind = Array.FindLastIndex(parts, part => part is "manifests" or "blobs");
        if (parts[1] != "v2" || kind < 0)
        {
            context.Response.StatusCode = 404;
            return;
        }
        var repository = string.Join('/', parts[2..kind]);
        var target = string.Join('/', parts[(kind + 1)..]);
        if (parts[kind] == "manifests" && _manifests.TryGetValue($"{repository}:{target}", out var manifest))
        {
            context.Response.Headers["Docker-Content-Digest"] = target.StartsWith("sha256:", StringComparison.Ordinal) ? target : TestImage.DigestOf(manifest.Content);
            context.Response.ContentType = manifest.Type;
            context.Response.ContentLength = manifest.Content.Length;
            if (context.Request.Method == "GET")
                await context.Response.Body.WriteAsync(manifest.Content);
        }
        else if (parts[kind] == "blobs" && _blobs.TryGetValue(target, out var blob))
        {
            var from = 0;
            if (range.StartsWith("bytes=", StringComparison.Ordinal))
            {
                from = int.Parse(range["bytes=".Length..].TrimEnd('-'), System.Globalization.CultureInfo.InvariantCulture);
                context.Response.StatusCode = 206;
                context.Response.Headers.ContentRange = $"bytes {from}-{blob.Length - 1}/{blob.Length}";
            }
            context.Response.ContentLength = blob.Length - from;
            await context.Response.Body.WriteAsync(blob.AsMemory(from));
        }
        else
            context.Response.StatusCode = 404;
    }

    private async Task<bool> IsAllowedAsync(HttpContext context)
    {
        var given = context.Request.Headers.Authorization.ToString();
        var basic = $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Username}:{Password}"))}";
        if (Auth == RegistryAuth.None || (Auth == RegistryAuth.Basic && given == basic) || (Auth == RegistryAuth.Bearer && !IsScopeInsufficient && given == $"Bearer token-{_tokens}"))
            return true;
        context.Response.StatusCode = 401;
        context.Response.Headers.WWWAuthenticate = Auth == RegistryAuth.Basic
            ? "Basic realm=\"fake\""
            : $"Bearer realm=\"http://{Host}/token\",service=\"fake\",scope=\"repository:x:pull\"{(given.Length > 0 ? ",error=\"insufficient_scope\"" : "")}";
        await context.Response.WriteAsync("{}");
        return false;
    }

    private async Task TokenAsync(HttpContext context)
    {
        var given = context.Request.Headers.Authorization.ToString();
        var isKnown = context.Request.Method == "POST"
            ? await context.Request.ReadFormAsync() is var form && form["grant_type"] == "refresh_token" && form["refresh_token"] == IdentityToken
            : given == $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Username}:{Password}"))}" || (Username.Length == 0 && given.Length == 0);
        if (!isKnown)
        {
            context.Response.StatusCode = 401;
            return;
        }
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(context.Request.Method == "POST"
            ? $$"""{"access_token":"token-{{++_tokens}}"}""" : $$"""{"token":"token-{{++_tokens}}","expires_in":60}""");
    }
}
