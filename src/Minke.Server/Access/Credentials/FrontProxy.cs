using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Minke.Api;

namespace Minke.Server.Access.Credentials;

/// <summary>A proxy in front that has authenticated the user itself: its certificate is of an authority of its own, and its headers name the user.</summary>
internal sealed class FrontProxy(FrontProxyOptions options, TimeProvider clock)
{
    private readonly ClientCertificates _proxies = new(options.Authorities, clock);

    /// <summary>Null when it is no proxy's certificate, or it names nobody.</summary>
    public UserInfo? UserOf(X509Certificate2 certificate, IHeaderDictionary headers)
    {
        if (_proxies.UserOf(certificate) is not { } proxy || (options.AllowedNames.Count > 0 && !options.AllowedNames.Contains(proxy.Name)))
            return null;
        if (First(headers, options.UserHeaders) is not { Length: > 0 } name)
            return null;
        var groups = options.GroupHeaders.SelectMany(header => headers[header]).Select(group => group ?? "").ToList();
        if (name != UserInfo.AnonymousName && !groups.Contains(UserInfo.Authenticated) && !groups.Contains(UserInfo.Unauthenticated))
            groups.Add(UserInfo.Authenticated);
        var extra = new SortedDictionary<string, ApiList<string>>(StringComparer.Ordinal);
        foreach (var (header, values) in headers)
        {
            foreach (var prefix in options.ExtraHeaderPrefixes)
            {
                if (header.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
                    extra[Uri.UnescapeDataString(header[prefix.Length..].ToLowerInvariant())] = values.Select(value => value ?? "").ToApiList();
            }
        }
        return new(name, groups) { Uid = First(headers, options.UidHeaders) ?? "", Extra = [.. extra] };
    }

    private static string? First(IHeaderDictionary headers, IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            if (headers.TryGetValue(name, out var values) && values is [{ Length: > 0 } value, ..])
                return value;
        }
        return null;
    }
}
