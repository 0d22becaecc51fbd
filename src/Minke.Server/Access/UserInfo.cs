using Minke.Api;

namespace Minke.Server.Access;

/// <summary>Who makes a request.</summary>
internal sealed record UserInfo(string Name, IReadOnlyList<string> Groups)
{
    public const string Masters = "system:masters";
    public const string Authenticated = "system:authenticated";

    public string Uid { get; init; } = "";
    public IReadOnlyList<KeyValuePair<string, ApiList<string>>> Extra { get; init; } = [];

    public static UserInfo Anonymous { get; } = new("system:anonymous", ["system:unauthenticated"]);

    /// <summary>The parts of Minke that live in this process.</summary>
    public static UserInfo InProcess { get; } = new("system:minke", [Masters, Authenticated]);

    public bool IsIn(string group) => Groups.Contains(group);

    public Minke.Api.Authentication.V1.UserInfo ToApi() => new()
    {
        Username = Name,
        Uid = Uid,
        Groups = Groups.ToApiList(),
        Extra = Extra.ToApiMap(),
    };
}
