using Minke.Api;
using Minke.Api.Flowcontrol.V1;
using Minke.Server.Access;
using Minke.Server.Flow;
using Minke.Server.Requests;

namespace Minke.Server.Tests.Flow;

/// <summary>Levels, schemas and requests that carry only what a test cares about.</summary>
internal static class Flows
{
    public static PriorityLevelConfiguration Level(string name, int shares, int? lendable = null, int? borrowing = null, QueuingConfiguration? queuing = null) => new()
    {
        Metadata = new() { Name = name, Uid = "level-" + name },
        Spec = new()
        {
            Type = PriorityLevelEnablement.Limited,
            Limited = new()
            {
                NominalConcurrencyShares = shares,
                LendablePercent = lendable,
                BorrowingLimitPercent = borrowing,
                LimitResponse = new() { Type = queuing is null ? LimitResponseType.Reject : LimitResponseType.Queue, Queuing = queuing },
            },
        },
    };

    public static FlowSchema Schema(string name, string level, int precedence, params PolicyRulesWithSubjects[] rules) => new()
    {
        Metadata = new() { Name = name, Uid = "schema-" + name },
        Spec = new() { PriorityLevelConfiguration = new() { Name = level }, MatchingPrecedence = precedence, DistinguisherMethod = new() { Type = "ByUser" }, Rules = [.. rules] },
    };

    public static FlowRequest Request(string user, string verb = "get", string path = "/api/v1/namespaces/shop/pods/web", params string[] groups) =>
        new() { User = new UserInfo(user, groups), Verb = verb, Path = path, Target = RequestTarget.Parse(path) };

    public static FlowTicket Ticket(PriorityLevel level, string user, int seats = 1) =>
        new(new FlowSchemaMatcher(Schema("all", level.Name, 100), level, new(level.Name, "all")), Request(user), seats);
}
