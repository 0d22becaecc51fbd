using Minke.Api;
using Minke.Api.Rbac.V1;
using Minke.Server.Access;
using Minke.Server.Access.Rbac;

namespace Minke.Server.Tests;

public sealed class RuleTests
{
    [Theory]
    // verbs | groups | resources | names | asked: verb group resource name
    [InlineData("get|core|pods|", "get core pods a", true)]
    [InlineData("get|core|pods|", "list core pods", false)]
    [InlineData("get|core|pods|", "get apps pods a", false)]
    [InlineData("get|core|pods|", "get core pods/log a", false)]
    [InlineData("get|core|pods/log|", "get core pods/log a", true)]
    [InlineData("get|core|pods/*|", "get core pods/log a", false)]
    [InlineData("*|*|*|", "delete apps deployments/scale a", true)]
    [InlineData("get|*|*/scale|", "get apps deployments/scale a", true)]
    [InlineData("get|*|*/scale|", "get apps deployments a", false)]
    [InlineData("get|*|*/scale|", "get apps deployments/status a", false)]
    [InlineData("get|core|secrets|a,b", "get core secrets b", true)]
    [InlineData("get|core|secrets|a,b", "get core secrets c", false)]
    [InlineData("list|core|secrets|a", "list core secrets", false)]
    [InlineData("get|url|/healthz|", "get /healthz", true)]
    [InlineData("get|url|/healthz/*|", "get /healthz/ping", true)]
    [InlineData("get|url|/healthz/*|", "get /healthz", false)]
    [InlineData("get|url|/api*|", "get /apis/apps", true)]
    [InlineData("get|url|*|", "get /metrics", true)]
    [InlineData("get|url|*|", "post /metrics", false)]
    [InlineData("get|url|*|", "get core pods a", false)]
    [InlineData("*|*|*|", "get /metrics", false)]
    public void A_rule_allows_what_upstream_says(string rule, string asked, bool isAllowed)
    {
        var query = QueryOf(asked);
        Assert.Equal(isAllowed, RuleMatching.Allows(RuleOf(rule), query));
        Assert.Equal(isAllowed, new RuleTable([new(RuleOf("watch|none|none|"), ""), new(RuleOf(rule), "")], []).Find(query) is not null);
    }

    [Theory]
    [InlineData("get,list|core|pods|", "get|core|pods|", "")]
    [InlineData("get|core|pods|", "get,list,watch|core|pods|", """{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}""")]
    [InlineData("*|*|*|", "delete|apps|deployments/scale|x", "")]
    [InlineData("get|core|secrets|a", "get|core|secrets|", """{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}""")]
    [InlineData("get|core|secrets|a", "get|core|secrets|b", """{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}""")]
    [InlineData("get|core|secrets|", "get|core|secrets|b", "")]
    [InlineData("get|*|*/scale|", "get|apps|deployments/scale|", "")]
    [InlineData("get|core|pods|", "*|core|pods|", """{APIGroups:[""], Resources:["pods"], Verbs:["*"]}""")]
    [InlineData("get|url|/api/*|", "get|url|/api/v1|", "")]
    [InlineData("get|url|/api|", "get|url|/api/*|", """{NonResourceURLs:["/api/*"], Verbs:["get"]}""")]
    [InlineData("get|core|pods|", "get|apps,core|pods,nodes|", "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}\n{APIGroups:[\"apps\"], Resources:[\"nodes\"], Verbs:[\"get\"]}\n{APIGroups:[\"apps\"], Resources:[\"pods\"], Verbs:[\"get\"]}")]
    public void What_is_not_held_is_told_in_upstreams_words(string held, string wanted, string missing) =>
        Assert.Equal(missing, RuleCover.Describe(RuleCover.Missing([RuleOf(held)], [RuleOf(wanted)])));

    [Fact]
    public void The_table_of_default_roles_is_whole()
    {
        var objects = BootstrapPolicy.Read();
        Assert.Equal(objects.Count, objects.Select(one => (one.Kind, one.Metadata.Namespace, one.Metadata.Name)).Distinct().Count());
        var roles = objects.OfType<ClusterRole>().ToDictionary(role => role.Metadata.Name);
        // Every binding gives a role of the table, and every role says something.
        Assert.All(objects.OfType<ClusterRoleBinding>(), binding => Assert.Contains(binding.RoleRef.Name, roles.Keys));
        var own = objects.OfType<Role>().Select(role => (role.Metadata.Namespace, role.Metadata.Name)).ToList();
        Assert.All(objects.OfType<RoleBinding>(), binding => Assert.Contains((binding.Metadata.Namespace, binding.RoleRef.Name), own));
        Assert.All(roles.Values, role => Assert.False(role.Rules.IsEmpty, role.Metadata.Name));
        Assert.All(roles.Values.SelectMany(role => role.Rules), rule => Assert.False(rule.Verbs.IsEmpty));
        Assert.Equal("true", roles["view"].Metadata.Labels["rbac.authorization.k8s.io/aggregate-to-edit"]);
        Assert.Equal("true", roles["admin"].AggregationRule!.ClusterRoleSelectors[0].MatchLabels["rbac.authorization.k8s.io/aggregate-to-admin"]);
        Assert.Contains(roles["admin"].Rules, rule => rule.Resources.Contains("pods/log"));
    }

    private static PolicyRule RuleOf(string text)
    {
        ApiList<string> verbs = text.Split('|')[0].Split(',');
        if (text.Split('|') is [_, "url", var urls, _])
            return new() { Verbs = verbs, NonResourceURLs = urls.Split(',') };
        var parts = text.Split('|');
        return new()
        {
            Verbs = verbs,
            ApiGroups = parts[1].Split(',').Select(group => group == "core" ? "" : group).ToApiList(),
            Resources = parts[2].Split(','),
            ResourceNames = parts[3].Length == 0 ? default(ApiList<string>) : parts[3].Split(','),
        };
    }

    private static AccessQuery QueryOf(string text)
    {
        var parts = text.Split(' ');
        if (parts[1].StartsWith('/'))
            return AccessQuery.OfPath(UserInfo.Anonymous, parts[0], parts[1]);
        var resource = parts[2].Split('/');
        return new()
        {
            User = UserInfo.Anonymous,
            Verb = parts[0],
            Group = parts[1] == "core" ? "" : parts[1],
            Resource = resource[0],
            Subresource = resource.Length > 1 ? resource[1] : "",
            Name = parts.Length > 3 ? parts[3] : "",
        };
    }
}
