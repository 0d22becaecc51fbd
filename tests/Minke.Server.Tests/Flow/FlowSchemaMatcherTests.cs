using Minke.Api;
using Minke.Api.Flowcontrol.V1;
using Minke.Server.Flow;

namespace Minke.Server.Tests.Flow;

public sealed class FlowSchemaMatcherTests
{
    private static readonly FlowConfiguration System = FlowConfiguration.Build(
        null, [.. SystemFlows.Levels.Select(level => (PriorityLevelConfiguration)level.WithConstantDefaults())], [.. SystemFlows.Schemas], 600,
        (level, schema) => new(level, schema), TimeProvider.System);

    [Theory]
    [InlineData("admin", "system:masters", "delete", "/api/v1/nodes/n", "exempt")]
    [InlineData("kate", "system:authenticated", "get", "/healthz", "probes")]
    [InlineData("kate", "system:authenticated", "get", "/livez/ping", "probes")]
    [InlineData("kate", "system:authenticated", "get", "/livezz", "global-default")]
    [InlineData("kate", "system:authenticated", "post", "/livez", "global-default")]
    [InlineData("system:kube-scheduler", "system:authenticated", "update", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/s", "system-leader-election")]
    [InlineData("system:kube-scheduler", "system:authenticated", "delete", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/s", "kube-scheduler")]
    [InlineData("system:serviceaccount:kube-system:endpoint-controller", "system:serviceaccounts", "update", "/api/v1/namespaces/shop/endpoints/web", "endpoint-controller")]
    [InlineData("system:serviceaccount:kube-system:other", "system:serviceaccounts", "update", "/api/v1/namespaces/shop/endpoints/web", "kube-system-service-accounts")]
    [InlineData("system:serviceaccount:kube-systems:other", "system:serviceaccounts", "update", "/api/v1/namespaces/shop/endpoints/web", "service-accounts")]
    [InlineData("system:node:n", "system:nodes", "patch", "/api/v1/nodes/n/status", "system-node-high")]
    [InlineData("system:node:n", "system:nodes", "patch", "/api/v1/nodes/n/proxy", "system-nodes")]
    [InlineData("system:node:n", "system:nodes", "update", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", "system-node-high")]
    [InlineData("system:node:n", "system:nodes", "get", "/api/v1/namespaces/shop/pods/web", "system-nodes")]
    [InlineData("system:anonymous", "system:unauthenticated", "get", "/version", "global-default")]
    [InlineData("nobody", "", "get", "/version", "catch-all")]
    public void Requests_are_sorted_by_the_systems_schemas_as_upstream(string user, string group, string verb, string path, string schema) =>
        Assert.Equal(schema, System.Sort(Flows.Request(user, verb, path, group)).Name);

    [Theory]
    [InlineData("", "pods", "shop", true, "get", "/api/v1/namespaces/shop/pods/web", true)]
    [InlineData("", "pods", "shop", true, "get", "/api/v1/namespaces/shop/pods/web/log", false)]
    [InlineData("", "pods/log", "shop", true, "get", "/api/v1/namespaces/shop/pods/web/log", true)]
    [InlineData("", "pods/log", "shop", true, "get", "/api/v1/namespaces/shop/pods/web", false)]
    [InlineData("", "pods", "other", true, "get", "/api/v1/namespaces/shop/pods/web", false)]
    [InlineData("apps", "pods", "shop", true, "get", "/api/v1/namespaces/shop/pods/web", false)]
    [InlineData("", "pods", "*", false, "list", "/api/v1/pods", false)] // all namespaces at once are the cluster's
    [InlineData("", "pods", "shop", true, "list", "/api/v1/pods", true)]
    [InlineData("", "namespaces", "shop", false, "get", "/api/v1/namespaces/shop", true)] // a namespace is in itself
    [InlineData("*", "*", "*", false, "get", "/api/v1/nodes/n", false)]
    public void A_rule_for_resources_means(string group, string resource, string @namespace, bool ofCluster, string verb, string path, bool matches)
    {
        var rule = new PolicyRulesWithSubjects
        {
            Subjects = [new() { Kind = SubjectKind.User, User = new() { Name = "*" } }],
            ResourceRules = [new() { Verbs = ["get", "list"], ApiGroups = [group], Resources = [resource], Namespaces = [@namespace], ClusterScope = ofCluster }],
        };
        var level = new PriorityLevel("any", TimeProvider.System);
        Assert.Equal(matches, new FlowSchemaMatcher(Flows.Schema("one", "any", 1, rule), level, new("any", "one")).Matches(Flows.Request("kate", verb, path)));
    }

    [Fact]
    public void Of_equal_precedence_the_name_decides_and_a_schema_without_a_level_is_left_out()
    {
        var everybody = new PolicyRulesWithSubjects
        {
            Subjects = [new() { Kind = SubjectKind.Group, Group = new() { Name = "*" } }],
            ResourceRules = [new() { Verbs = ["*"], ApiGroups = ["*"], Resources = ["*"], Namespaces = ["*"], ClusterScope = true }],
        };
        var configuration = FlowConfiguration.Build(
            null, [Flows.Level("there", 10)], [Flows.Schema("b", "there", 9, everybody), Flows.Schema("a", "nowhere", 1, everybody), Flows.Schema("c", "there", 9, everybody)], 600,
            (level, schema) => new(level, schema), TimeProvider.System);
        Assert.Equal("b", configuration.Sort(Flows.Request("kate")).Name);
        Assert.Equal("catch-all", configuration.Sort(Flows.Request("kate", "get", "/version")).Name); // imagined: nobody made it
        Assert.Equal(["catch-all", "exempt", "there"], configuration.Levels.Select(level => level.Name));
    }
}
