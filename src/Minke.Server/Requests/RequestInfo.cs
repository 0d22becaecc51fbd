using Microsoft.AspNetCore.Http;
using Minke.Api;
using Minke.Server.Access;
using Minke.Server.Flow;

namespace Minke.Server.Requests;

/// <summary>What a request asks, as far as its first line tells. (Upstream's RequestInfo)</summary>
/// <param name="Http">The request itself.</param>
/// <param name="Target">What its path names.</param>
/// <param name="Verb">As authorisation calls it; empty for a method that is none.</param>
internal readonly record struct RequestInfo(HttpContext Http, RequestTarget Target, string Verb)
{
    public string Path => Http.Request.Path.Value ?? "/";

    /// <summary>As upstream's: watches, and the streams of pods. And what is done to the store as a whole.</summary>
    public bool IsLongRunning => !Target.IsResource
        ? Path.StartsWith("/minke/", StringComparison.Ordinal)
        : Verb == "watch" || Target.Subresource is "log" or "exec" or "attach" or "portforward" or "proxy";

    public static RequestInfo Of(HttpContext http)
    {
        var target = RequestTarget.Parse(http.Request.Path.Value ?? "/");
        return new(http, target, VerbOf(http, target));
    }

    /// <summary>Whether a parameter of the query says so, as Go reads booleans there.</summary>
    public bool IsTrue(string name) => IsTrue(Http, name);

    /// <summary>What the client asks for; null when that is nothing, or no less than <paramref name="most"/>.</summary>
    /// <exception cref="StatusException">400: it is no duration.</exception>
    public TimeSpan? TimeoutBelow(TimeSpan most)
    {
        if (!Http.Request.QueryString.HasValue || !Http.Request.Query.TryGetValue("timeout", out var value) || value.Count == 0 || string.IsNullOrEmpty(value[0]))
            return null;
        try
        {
            return Duration.Parse(value[0]!) is { Nanoseconds: > 0 } duration && duration.ToTimeSpan() < most ? duration.ToTimeSpan() : null;
        }
        catch (FormatException e)
        {
            throw StatusException.BadRequest($"invalid timeout specified in the request URL - {e.Message}");
        }
    }

    /// <summary>What authorisation is asked. A field selector that names one object makes a list a question about that object.</summary>
    public AccessQuery QueryBy(UserInfo user)
    {
        if (!Target.IsResource)
            return AccessQuery.OfPath(user, Http.Request.Method.ToLowerInvariant(), Path);
        var query = new AccessQuery
        {
            User = user,
            Verb = Verb,
            Group = Target.Group,
            Version = Target.Version,
            Resource = Target.Plural,
            Subresource = Target.Subresource,
            Namespace = Target.Plural == "namespaces" && Target.Group.Length == 0 ? Target.Name : Target.Namespace,
            Name = Target.Name,
        };
        if (Verb is not ("list" or "watch" or "deletecollection") || !Http.Request.QueryString.HasValue
            || !Http.Request.Query.TryGetValue("fieldSelector", out var selector) || selector is not [{ Length: > 0 } text, ..])
            return query;
        return query with { FieldSelector = text, Name = Target.Name.Length > 0 ? Target.Name : NameIn(text) };
    }

    /// <summary>By what it is sorted into a priority level.</summary>
    public FlowRequest FlowBy(UserInfo user) => new()
    {
        User = user,
        Verb = Target.IsResource ? Verb : Http.Request.Method.ToLowerInvariant(),
        Path = Path,
        Target = Target,
    };

    private static string VerbOf(HttpContext http, RequestTarget target)
    {
        var method = http.Request.Method;
        if (HttpMethods.IsGet(method) || HttpMethods.IsHead(method))
        {
            if (target.IsWatchPath)
                return "watch";
            // Of one name ?watch=1 asks nothing: upstream answers with the object.
            return !string.IsNullOrEmpty(target.Name) ? "get" : IsTrue(http, "watch") ? "watch" : "list";
        }
        return HttpMethods.IsPost(method) ? "create"
            : HttpMethods.IsPut(method) ? "update"
            : HttpMethods.IsPatch(method) ? "patch"
            : HttpMethods.IsDelete(method) ? string.IsNullOrEmpty(target.Name) ? "deletecollection" : "delete"
            : "";
    }

    private static bool IsTrue(HttpContext http, string name) =>
        http.Request.QueryString.HasValue && http.Request.Query.TryGetValue(name, out var value) && value.Count > 0
        && !string.Equals(value[0], "false", StringComparison.OrdinalIgnoreCase) && value[0] != "0";

    private static string NameIn(string fieldSelector)
    {
        foreach (var term in fieldSelector.Split(','))
        {
            if (term.Split('=', StringSplitOptions.RemoveEmptyEntries) is ["metadata.name", var name] && !name.Contains('/', StringComparison.Ordinal) && name is not ("." or ".."))
                return name;
        }
        return "";
    }
}
