using Minke.Api.Flowcontrol.V1;

namespace Minke.Api;

/// <summary>The priority levels and flow schemas that every cluster begins with. (k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap)</summary>
public static class SystemFlows
{
    /// <summary>The annotation that says whether an object's spec follows the version of the server.</summary>
    public const string AutoUpdate = "apf.kubernetes.io/autoupdate-spec";

    private const string CatchAll = "catch-all";
    private static readonly string[] Everyone = ["system:unauthenticated", "system:authenticated"];
    private static readonly string[] LockVerbs = ["get", "create", "update"];

    public static IEnumerable<PriorityLevelConfiguration> Levels =>
    [
        Level("exempt", new() { Type = PriorityLevelEnablement.Exempt, Exempt = new() { NominalConcurrencyShares = 0, LendablePercent = 0 } }),
        Level(CatchAll, new()
        {
            Type = PriorityLevelEnablement.Limited,
            Limited = new() { NominalConcurrencyShares = 5, LendablePercent = 0, LimitResponse = new() { Type = LimitResponseType.Reject } },
        }),
        Queued("system", shares: 30, lendable: 33, queues: 64, hand: 6),
        Queued("node-high", shares: 40, lendable: 25, queues: 64, hand: 6),
        Queued("leader-election", shares: 10, lendable: 0, queues: 16, hand: 4),
        Queued("workload-high", shares: 40, lendable: 50, queues: 128, hand: 6),
        Queued("workload-low", shares: 100, lendable: 90, queues: 128, hand: 6),
        Queued("global-default", shares: 20, lendable: 50, queues: 128, hand: 6),
    ];

    public static IEnumerable<FlowSchema> Schemas =>
    [
        Everything("exempt", "exempt", 1, "", Groups("system:masters")),
        Everything(CatchAll, CatchAll, 10000, "ByUser", Groups(Everyone)),
        Schema("probes", "exempt", 2, "", new()
        {
            Subjects = Groups(Everyone),
            NonResourceRules = [new() { Verbs = ["get"], NonResourceURLs = ["/healthz", "/readyz", "/livez"] }],
        }),
        Schema("system-leader-election", "leader-election", 100, "ByUser", new()
        {
            Subjects = [User("system:kube-controller-manager"), User("system:kube-scheduler"), SystemAccount("*")],
            ResourceRules = [Resource(LockVerbs, "coordination.k8s.io", ["leases"], ofCluster: false)],
        }),
        Schema("endpoint-controller", "workload-high", 150, "ByUser", new()
        {
            Subjects = [User("system:kube-controller-manager"), SystemAccount("endpoint-controller"), SystemAccount("endpointslicemirroring-controller")],
            ResourceRules = [Resource(LockVerbs, "", ["endpoints"], ofCluster: false)],
        }),
        Schema("workload-leader-election", "leader-election", 200, "ByUser", new()
        {
            Subjects = [SystemAccount("*")],
            ResourceRules = [Resource(LockVerbs, "coordination.k8s.io", ["leases"], ofCluster: false)],
        }),
        Schema("system-node-high", "node-high", 400, "ByUser", new()
        {
            Subjects = Groups("system:nodes"),
            ResourceRules = [Resource(["*"], "", ["nodes", "nodes/status"], ofCluster: true), Resource(["*"], "coordination.k8s.io", ["leases"], ofCluster: false)],
        }),
        Everything("system-nodes", "system", 500, "ByUser", Groups("system:nodes")),
        Everything("kube-controller-manager", "workload-high", 800, "ByNamespace", [User("system:kube-controller-manager")]),
        Everything("kube-scheduler", "workload-high", 800, "ByNamespace", [User("system:kube-scheduler")]),
        Everything("kube-system-service-accounts", "workload-high", 900, "ByNamespace", [SystemAccount("*")]),
        Everything("service-accounts", "workload-low", 9000, "ByUser", Groups("system:serviceaccounts")),
        Everything("global-default", "global-default", 9900, "ByUser", Groups(Everyone)),
    ];

    /// <summary>Null when the cluster can do without it.</summary>
    public static PriorityLevelConfiguration? FindMandatoryLevel(string name) => name is "exempt" or CatchAll ? Levels.First(level => level.Metadata.Name == name) : null;

    /// <summary>Null when the cluster can do without it.</summary>
    public static FlowSchema? FindMandatorySchema(string name) => name is "exempt" or CatchAll ? Schemas.First(schema => schema.Metadata.Name == name) : null;

    private static PriorityLevelConfiguration Level(string name, PriorityLevelConfigurationSpec spec) =>
        new() { Metadata = new() { Name = name, Annotations = new Dictionary<string, string> { [AutoUpdate] = "true" } }, Spec = spec };

    private static PriorityLevelConfiguration Queued(string name, int shares, int lendable, int queues, int hand) => Level(name, new()
    {
        Type = PriorityLevelEnablement.Limited,
        Limited = new()
        {
            NominalConcurrencyShares = shares,
            LendablePercent = lendable,
            LimitResponse = new() { Type = LimitResponseType.Queue, Queuing = new() { Queues = queues, HandSize = hand, QueueLengthLimit = 50 } },
        },
    });

    private static FlowSchema Schema(string name, string level, int precedence, string distinguisher, PolicyRulesWithSubjects rules) => new()
    {
        Metadata = new() { Name = name, Annotations = new Dictionary<string, string> { [AutoUpdate] = "true" } },
        Spec = new()
        {
            PriorityLevelConfiguration = new() { Name = level },
            MatchingPrecedence = precedence,
            DistinguisherMethod = distinguisher.Length == 0 ? null : new() { Type = distinguisher },
            Rules = [rules],
        },
        // As the controller of flows finds it: each level is among those above.
        Status = new()
        {
            Conditions =
            [
                new FlowSchemaCondition
                {
                    Type = FlowSchemaConditionType.Dangling,
                    Status = ConditionStatus.False,
                    Reason = "Found",
                    Message = $"This FlowSchema references the PriorityLevelConfiguration object named \"{level}\" and it exists",
                },
            ],
        },
    };

    private static FlowSchema Everything(string name, string level, int precedence, string distinguisher, ApiList<Subject> subjects) =>
        Schema(name, level, precedence, distinguisher, new()
        {
            Subjects = subjects,
            ResourceRules = [new() { Verbs = ["*"], ApiGroups = ["*"], Resources = ["*"], Namespaces = ["*"], ClusterScope = true }],
            NonResourceRules = [new() { Verbs = ["*"], NonResourceURLs = ["*"] }],
        });

    private static ResourcePolicyRule Resource(string[] verbs, string group, string[] resources, bool ofCluster) =>
        new() { Verbs = verbs, ApiGroups = [group], Resources = resources, Namespaces = ["*"], ClusterScope = ofCluster };

    private static ApiList<Subject> Groups(params string[] names) =>
        names.Select(name => new Subject { Kind = SubjectKind.Group, Group = new() { Name = name } }).ToApiList();

    private static Subject User(string name) => new() { Kind = SubjectKind.User, User = new() { Name = name } };

    private static Subject SystemAccount(string name) => new() { Kind = SubjectKind.ServiceAccount, ServiceAccount = new() { Namespace = "kube-system", Name = name } };
}
