using Minke.Api;

namespace Minke.Server.Access;

/// <summary>Who makes a request.</summary>
internal sealed record UserInfo(string Name, IReadOnlyList<string> Groups)
{
    public const string Masters = "system:masters";
    public const string Authenticated = "system:authenticated";
    public const string Unauthenticated = "system:unauthenticated";
    public const string AnonymousName = "system:anonymous";

    public string Uid { get; init; } = "";
    public IReadOnlyList<KeyValuePair<string, ApiList<string>>> Extra { get; init; } = [];

    /// <summary>Name and groups as one text: who is equal in it may do the same.</summary>
    public string Identity => field ??= string.Join('\n', [Name, .. Groups]);

    public static UserInfo Anonymous { get; } = new(AnonymousName, [Unauthenticated]);

    /// <summary>Whose credentials did not hold.</summary>
    public static UserInfo Nobody { get; } = new("", []);

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
