using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Minke.Api;

namespace Minke.Server.Access;

/// <summary><c>kubectl --as</c>: acting as somebody else, with leave for each thing that is claimed.</summary>
internal sealed class Impersonation(Authorizer authorizer)
{
    public const string Authentication = "authentication.k8s.io";
    private const string UserHeader = "Impersonate-User";
    private const string UidHeader = "Impersonate-Uid";
    private const string GroupHeader = "Impersonate-Group";
    private const string ExtraPrefix = "Impersonate-Extra-";
    private const string AccountPrefix = "system:serviceaccount:";

    /// <summary>The user the request is to be judged as; <paramref name="user"/> when it claims nobody.</summary>
    /// <exception cref="StatusException">403: not allowed to claim that.</exception>
    /// <exception cref="ImpersonationException">Groups or the like are claimed without a user.</exception>
    public UserInfo Apply(IHeaderDictionary headers, UserInfo user)
    {
        var name = First(headers[UserHeader]);
        var uid = First(headers[UidHeader]);
        var groups = headers[GroupHeader];
        var extras = headers.Where(header => header.Key.StartsWith(ExtraPrefix, StringComparison.OrdinalIgnoreCase))
            .OrderBy(header => header.Key, StringComparer.OrdinalIgnoreCase)
            .Select(header => (Key: Uri.UnescapeDataString(header.Key[ExtraPrefix.Length..].ToLowerInvariant()), header.Value)).ToList();
        if (name.Length == 0)
        {
            if (groups.Count > 0 || extras.Count > 0 || uid.Length > 0)
                throw new ImpersonationException($"requested [{string.Join(' ', Claims(groups, extras, uid))}] without impersonating a user");
            return user;
        }

        var claimed = new List<string>();
        if (AccountOf(name) is var (@namespace, account))
        {
            Check(new() { User = user, Verb = "impersonate", Resource = "serviceaccounts", Namespace = @namespace, Name = account });
            if (groups.Count == 0)
                claimed.AddRange(["system:serviceaccounts", "system:serviceaccounts:" + @namespace]);
        }
        else
        {
            Check(new() { User = user, Verb = "impersonate", Resource = "users", Name = name });
        }
        foreach (var group in groups)
        {
            Check(new() { User = user, Verb = "impersonate", Resource = "groups", Name = group ?? "" });
            claimed.Add(group ?? "");
        }
        foreach (var (key, values) in extras)
        {
            foreach (var value in values)
                Check(new() { User = user, Verb = "impersonate", Group = Authentication, Resource = "userextras", Subresource = key, Name = value ?? "" });
        }
        if (uid.Length > 0)
            Check(new() { User = user, Verb = "impersonate", Group = Authentication, Resource = "uids", Name = uid });

        // Whoever is known is in the group of those who are, unless the claim says otherwise.
        if (name == UserInfo.AnonymousName)
        {
            if (!claimed.Contains(UserInfo.Unauthenticated))
                claimed.Add(UserInfo.Unauthenticated);
        }
        else if (!claimed.Contains(UserInfo.Authenticated) && !claimed.Contains(UserInfo.Unauthenticated))
        {
            claimed.Add(UserInfo.Authenticated);
        }
        return new(name, claimed)
        {
            Uid = uid,
            Extra = [.. extras.Select(extra => KeyValuePair.Create(extra.Key, extra.Value.Select(value => value ?? "").ToApiList()))],
        };
    }

    private void Check(in AccessQuery query) => authorizer.Check(query);

    /// <summary>Null for a user's name that only looks like an account's.</summary>
    private static (string Namespace, string Name)? AccountOf(string user) =>
        user.StartsWith(AccountPrefix, StringComparison.Ordinal) && user[AccountPrefix.Length..].Split(':') is [var @namespace, var name]
        && !Names.Dns1123Label(@namespace).Any() && !Names.Dns1123Subdomain(name).Any() ? (@namespace, name) : null;

    /// <summary>As upstream prints its references: kind, namespace, name, uid, version, revision, field.</summary>
    private static IEnumerable<string> Claims(StringValues groups, List<(string Key, StringValues Value)> extras, string uid)
    {
        foreach (var group in groups)
            yield return $"{{Group  {group}    }}";
        foreach (var (key, values) in extras)
        {
            foreach (var value in values)
                yield return $"{{UserExtra  {value}  {Authentication}/v1  {key}}}";
        }
        if (uid.Length > 0)
            yield return $"{{UID  {uid}  {Authentication}/v1  }}";
    }

    private static string First(StringValues values) => values.Count > 0 ? values[0] ?? "" : "";
}

/// <summary>A claim that makes no sense; the message is for the client.</summary>
internal sealed class ImpersonationException(string message) : Exception(message);
