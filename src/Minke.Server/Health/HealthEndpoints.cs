using System.Text;
using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Server.Requests;

namespace Minke.Server.Health;

/// <summary>One part whose health counts.</summary>
/// <param name="Name">In the path and the list.</param>
/// <param name="Trouble">What is wrong; null when nothing is.</param>
/// <param name="IsForReadiness">Keeps the server from being ready, but alive.</param>
public sealed record HealthCheck(string Name, Func<string?> Trouble, bool IsForReadiness = false);

/// <summary><c>/healthz</c>, <c>/livez</c> and <c>/readyz</c>: all checks, one check, <c>?verbose</c> and <c>?exclude=</c>.</summary>
internal sealed class HealthEndpoints(IReadOnlyList<HealthCheck> checks)
{
    public async ValueTask<bool> TryHandleAsync(HttpContext http, string path)
    {
        var slash = path.IndexOf('/', 1);
        var root = slash < 0 ? path : path[..slash];
        if (root is not ("/healthz" or "/livez" or "/readyz"))
            return false;
        var name = slash < 0 ? "" : path[(slash + 1)..];
        var relevant = checks.Where(check => root == "/readyz" || !check.IsForReadiness).ToList();
        if (name.Length > 0)
        {
            if (relevant.Find(check => check.Name == name) is not { } one)
                await Responses.TextAsync(http, 404, "404 page not found\n");
            else if (one.Trouble() is { } trouble)
                await Responses.TextAsync(http, 500, $"internal server error: {trouble}\n");
            else
                await Responses.TextAsync(http, 200, "ok");
            return true;
        }

        var excluded = http.Request.Query["exclude"].Select(one => one ?? "").ToHashSet(StringComparer.Ordinal);
        var text = new StringBuilder();
        var hasFailed = false;
        foreach (var check in relevant)
        {
            if (excluded.Remove(check.Name))
                text.Append("[+]").Append(check.Name).Append(" excluded: ok\n");
            else if (check.Trouble() is not null)
            {
                // Anybody may ask here; the reason is told at the part's own path, to those who may see it.
                hasFailed = true;
                text.Append("[-]").Append(check.Name).Append(" failed: reason withheld\n");
            }
            else
                text.Append("[+]").Append(check.Name).Append(" ok\n");
        }
        if (excluded.Count > 0)
        {
            text.Append("warn: some health checks cannot be excluded: no matches for ")
                .AppendJoin(", ", excluded.Order(StringComparer.Ordinal).Select(FieldErrors.Quote)).Append('\n');
        }
        if (hasFailed)
            await Responses.TextAsync(http, 500, text.Append(root[1..]).Append(" check failed\n").ToString());
        else if (http.Request.Query.ContainsKey("verbose"))
            await Responses.TextAsync(http, 200, text.Append(root[1..]).Append(" check passed\n").ToString());
        else
            await Responses.TextAsync(http, 200, "ok");
        return true;
    }
}
