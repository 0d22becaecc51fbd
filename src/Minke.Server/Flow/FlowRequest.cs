using Minke.Server.Access;
using Minke.Server.Requests;

namespace Minke.Server.Flow;

/// <summary>What a request is sorted by.</summary>
internal readonly record struct FlowRequest
{
    public required UserInfo User { get; init; }

    /// <summary>The API's, or the method of a request to a path.</summary>
    public required string Verb { get; init; }

    public required string Path { get; init; }
    public required RequestTarget Target { get; init; }

    /// <summary>A namespace is in itself.</summary>
    public string Namespace => Target.Plural == "namespaces" && Target.Group.Length == 0 ? Target.Name : Target.Namespace;
}
