namespace Minke.Server.Access;

/// <summary>One question to the authorisers: may this user do this to that.</summary>
internal readonly record struct AccessQuery
{
    public AccessQuery()
    {
    }

    public required UserInfo User { get; init; }

    /// <summary>Of the API for resources (<c>list</c>), of HTTP in lower case for other paths (<c>get</c>).</summary>
    public required string Verb { get; init; }
    public string Group { get; init; } = "";
    public string Version { get; init; } = "";

    /// <summary>The plural name; empty when the question is about a path.</summary>
    public string Resource { get; init; } = "";
    public string Subresource { get; init; } = "";
    public string Namespace { get; init; } = "";

    /// <summary>Empty for many objects, or one whose name is not known yet.</summary>
    public string Name { get; init; } = "";

    /// <summary>That is no resource: <c>/metrics</c>. Null when the question is about a resource.</summary>
    public string? Path { get; init; }

    /// <summary>That the request limits itself to; only nodes are judged by it.</summary>
    public string FieldSelector { get; init; } = "";

    public bool IsResource => Path is null;

    /// <summary><c>pods</c>, <c>pods/log</c>.</summary>
    public string QualifiedResource => Subresource.Length == 0 ? Resource : string.Concat(Resource, "/", Subresource);

    public static AccessQuery OfPath(UserInfo user, string verb, string path) => new() { User = user, Verb = verb, Path = path };
}

/// <summary>What an authoriser says. Not allowed is no veto: the next one may allow it.</summary>
/// <param name="IsAllowed">Whether it may be done.</param>
/// <param name="Reason">Why, or why not, as upstream words it; often empty.</param>
internal readonly record struct Decision(bool IsAllowed, string Reason)
{
    public static Decision Allowed => new(true, "");
    public static Decision NoOpinion(string reason = "") => new(false, reason);
}
