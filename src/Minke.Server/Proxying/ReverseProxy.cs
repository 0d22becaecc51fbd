using System.IO.Compression;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Api;
using Minke.Server.Audit;
using Minke.Server.Requests;
using Minke.Server.Streaming;

namespace Minke.Server.Proxying;

/// <summary>
/// Passes a request on and brings the answer back, both as they come: bodies are not held, a watch is a watch, a connection that leaves
/// HTTP is carried on as bytes. A client that goes takes its request to the backend with it; a backend that goes cuts the answer.
/// </summary>
internal sealed class ReverseProxy(ProxyHeaders headers)
{
    // Pages above this are sent with their links as they are.
    private const int MaxPageBytes = 16 * 1024 * 1024;

    /// <exception cref="StatusException">Nothing has been answered: the backend cannot be reached, or will not leave HTTP.</exception>
    public async Task ForwardAsync(HttpContext http, Backend backend, CancellationToken cancellationToken)
    {
        var path = backend.IsPartOfApi ? backend.Path : PathOf(http);
        var asked = backend.Path;
        if (path.EndsWith('/') && !asked.EndsWith('/'))
            asked += "/";
        var isUpgrade = ProxyHeaders.AsksForUpgrade(http.Request);
        if (!isUpgrade && TryLeadToSlash(http, asked))
            return;
        var prefix = path.EndsWith(asked, StringComparison.Ordinal) ? path[..^asked.Length] : path;
        using var request = RequestOf(http, backend, asked, prefix, isUpgrade);
        using var answer = await SendAsync(backend, request, isUpgrade, cancellationToken);
        if (isUpgrade && answer.StatusCode != HttpStatusCode.SwitchingProtocols && (int)answer.StatusCode < 400)
            throw StatusException.Of(500, "", $"invalid upgrade response: status code {(int)answer.StatusCode}", null);
        var location = answer.Headers.NonValidated.TryGetValues("Location", out var given) ? given.ToString() : "";
        if (backend.IsPartOfApi && location.Length > 0 && (int)answer.StatusCode is >= 300 and < 400)
        {
            await Responses.TextAsync(http, StatusCodes.Status502BadGateway, "the backend attempted to redirect this request, which is not permitted");
            return;
        }
        var links = new LinkRewriter(prefix, backend.Authority, http.Request.Host.Value ?? "");
        Begin(http, answer);
        if (location.Length > 0 && !backend.IsPartOfApi)
            http.Response.Headers.Location = links.Rewrite(location);
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            if (answer.StatusCode == HttpStatusCode.SwitchingProtocols)
                await TunnelAsync(http, body, cancellationToken);
            else if (location.Length == 0 && !backend.IsPartOfApi && IsPage(answer))
                await PageAsync(http, body, answer, links, cancellationToken);
            else
                await BodyAsync(http, body, answer, cancellationToken);
        }
        catch (Exception e) when (e is IOException or HttpRequestException or InvalidDataException)
        {
            http.Abort(); // Half an answer must not look like a whole one.
        }
    }

    /// <summary>The path of a request with every escape resolved: Kestrel leaves that of the slash.</summary>
    public static string PathOf(HttpContext http)
    {
        var target = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        return target.StartsWith('/') ? Uri.UnescapeDataString(target.AsSpan(0, target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var end ? end : target.Length)) : http.Request.Path.Value ?? "/";
    }

    /// <summary>The root of a backend ends with a slash, or relative links on its first page would go astray.</summary>
    public static bool TryLeadToSlash(HttpContext http, string path)
    {
        if (path.Length > 0 || !(HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method)))
            return false;
        http.Response.StatusCode = StatusCodes.Status301MovedPermanently;
        http.Response.Headers.Location = $"{GoPath.Escape(PathOf(http))}/{http.Request.QueryString}";
        return true;
    }

    private HttpRequestMessage RequestOf(HttpContext http, Backend backend, string path, string prefix, bool isUpgrade)
    {
        var address = $"{backend.Scheme}://{backend.Authority}{(path.StartsWith('/') ? "" : "/")}{GoPath.Escape(path)}{backend.Query}";
        var request = new HttpRequestMessage(new HttpMethod(http.Request.Method), new Uri(address, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }))
        {
            Version = isUpgrade || backend.IsPartOfApi ? HttpVersion.Version11 : HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        if (!isUpgrade && http.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true })
            request.Content = new ForwardedBody(http.Request.Body, http.Request.ContentLength);
        headers.CopyRequest(http, request);
        request.Headers.Host = backend.Host ?? http.Request.Host.Value;
        Set("X-Forwarded-Uri", GoPath.JoinKeepingSlash(prefix, path));
        if (backend.IsPartOfApi)
        {
            Set("X-Forwarded-Host", backend.Authority);
            Set("X-Forwarded-Proto", backend.Scheme);
        }
        if (http.Features.Get<AuditRecord>() is { } audit)
            Set("Audit-Id", audit.Id);
        foreach (var (name, value) in backend.Headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return request;

        void Set(string name, string value)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private static async Task<HttpResponseMessage> SendAsync(Backend backend, HttpRequestMessage request, bool isUpgrade, CancellationToken cancellationToken)
    {
        try
        {
            return await backend.Transport.SendAsync(request, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            var cause = NetworkErrors.Cause(e);
            throw isUpgrade && !backend.IsPartOfApi ? StatusException.Of(500, "", cause, null)
                : StatusException.ServiceUnavailable((isUpgrade ? "" : "error trying to reach service: ") + cause);
        }
    }

    private static void Begin(HttpContext http, HttpResponseMessage answer)
    {
        UpgradeRequest.Unhurried(http);
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        http.Response.StatusCode = (int)answer.StatusCode;
        ProxyHeaders.CopyResponse(answer, http.Response);
    }

    private static bool IsPage(HttpResponseMessage answer) => answer.Content.Headers.ContentType?.MediaType == "text/html"
        && answer.Content.Headers.ContentEncoding.SingleOrDefault("") is "" or "gzip" or "deflate";

    private static async Task BodyAsync(HttpContext http, Stream body, HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        // The head goes out at once: whoever watches should know that it does.
        await http.Response.StartAsync(cancellationToken);
        await http.Response.Body.FlushAsync(cancellationToken);
        await ForwardedBody.CopyAsync(body, http.Response.Body, cancellationToken);
        if (!http.Response.SupportsTrailers())
            return;
        foreach (var (name, values) in answer.TrailingHeaders.NonValidated)
            http.Response.AppendTrailer(name, values.ToString());
    }

    private static async Task PageAsync(HttpContext http, Stream body, HttpResponseMessage answer, LinkRewriter links, CancellationToken cancellationToken)
    {
        var encoding = answer.Content.Headers.ContentEncoding.SingleOrDefault("");
        await using var plain = encoding switch
        {
            "gzip" => new GZipStream(body, CompressionMode.Decompress),
            "deflate" => new DeflateStream(body, CompressionMode.Decompress),
            _ => body,
        };
        using var page = new MemoryStream();
        await using var written = encoding switch
        {
            "gzip" => new GZipStream(http.Response.Body, CompressionLevel.Optimal, leaveOpen: true),
            "deflate" => new DeflateStream(http.Response.Body, CompressionLevel.Optimal, leaveOpen: true),
            _ => (Stream)http.Response.Body,
        };
        http.Response.ContentLength = null;
        if (HttpMethods.IsHead(http.Request.Method))
            return;
        var buffer = new byte[32 * 1024];
        while (page.Length <= MaxPageBytes && await plain.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            page.Write(buffer, 0, read);
        if (page.Length > MaxPageBytes)
        {
            await written.WriteAsync(page.GetBuffer().AsMemory(0, (int)page.Length), cancellationToken);
            await plain.CopyToAsync(written, cancellationToken);
            return;
        }
        await written.WriteAsync(HtmlLinks.Rewrite(page.GetBuffer().AsSpan(0, (int)page.Length), links.Rewrite), cancellationToken);
    }

    /// <summary>Until one side hangs up.</summary>
    private static async Task TunnelAsync(HttpContext http, Stream backend, CancellationToken cancellationToken)
    {
        await using var client = await http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] directions = [ForwardedBody.CopyAsync(client, backend, over.Token), ForwardedBody.CopyAsync(backend, client, over.Token)];
        await Task.WhenAny(directions);
        await over.CancelAsync();
        foreach (var direction in directions)
            await direction.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
