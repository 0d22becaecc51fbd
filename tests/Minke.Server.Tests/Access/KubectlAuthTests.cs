using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

public sealed class KubectlAuthTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    private async Task<string> RunAsync(string arguments, string input = "", int code = 0)
    {
        var result = await kubectl.RunAsync(arguments, input);
        Assert.True(result.ExitCode == code, $"kubectl {arguments}: exit {result.ExitCode}: {result.Output}{result.Errors}");
        return (result.Output + result.Errors).TrimEnd();
    }

    [Fact]
    public async Task Kubectl_makes_roles_and_asks_what_they_allow()
    {
        Assert.Equal("role.rbac.authorization.k8s.io/reader created", await RunAsync("create role reader --verb=get,list --resource=pods,leases.coordination.k8s.io"));
        Assert.Equal("rolebinding.rbac.authorization.k8s.io/readers created", await RunAsync("create rolebinding readers --role=reader --user=kate --serviceaccount=default:kate"));
        Assert.Equal("yes", await RunAsync("auth can-i list pods --as kate"));
        Assert.Equal("no", await RunAsync("auth can-i list pods -n kube-system --as kate", code: 1));
        Assert.Equal("yes", await RunAsync("auth can-i get pods --as system:serviceaccount:default:kate"));
        Assert.Equal("no", await RunAsync("auth can-i delete pods --as kate", code: 1));
        Assert.Equal("yes", await RunAsync("auth can-i get /healthz --as kate"));
        Assert.Equal("no", await RunAsync("auth can-i get /metrics --as kate", code: 1));
        var list = await RunAsync("auth can-i --list --as kate");
        Assert.Matches("(?m)^pods +\\[\\] +\\[\\] +\\[get list\\]$", list);
        Assert.Matches("(?m)^selfsubjectreviews.authentication.k8s.io +\\[\\] +\\[\\] +\\[create\\]$", list);
        Assert.Matches("(?m)^ +\\[/healthz\\] +\\[\\] +\\[get\\]$", list);
        Assert.Contains("Error from server (Forbidden): secrets is forbidden: User \"kate\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"",
            await RunAsync("get secrets --as kate", code: 1), StringComparison.Ordinal);
        Assert.Matches("(?m)^\\*\\.\\* +\\[\\] +\\[\\] +\\[\\*\\]$", await RunAsync("auth can-i --list"));
    }

    [Fact]
    public async Task Kubectl_says_who_it_is()
    {
        Assert.Matches("(?s)^ATTRIBUTE +VALUE\nUsername +kubernetes-admin\nGroups +\\[system:masters system:authenticated\\]", await RunAsync("auth whoami"));
        Assert.Matches("Username +kate\nGroups +\\[dev system:authenticated\\]", await RunAsync("auth whoami --as kate --as-group dev"));
    }

    [Fact]
    public async Task Kubectl_reconciles_roles_and_bindings()
    {
        const string Roles = """
            {"apiVersion":"v1","kind":"List","items":[
             {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"rec"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]},
             {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"rec"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"rec"},
              "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"kim"}]}]}
            """;
        var first = await RunAsync("auth reconcile -f -", Roles);
        Assert.Contains("clusterrole.rbac.authorization.k8s.io/rec reconciled", first, StringComparison.Ordinal);
        Assert.Contains("clusterrolebinding.rbac.authorization.k8s.io/rec reconciled", first, StringComparison.Ordinal);
        Assert.Contains("missing rules added", await RunAsync("auth reconcile -f -", Roles.Replace("\"get\"", "\"get\",\"list\"", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Equal("yes", await RunAsync("auth can-i list pods --as kim"));
    }

    [Fact]
    public async Task Kubectl_makes_a_token_that_holds()
    {
        var token = await RunAsync("create token default --duration=1h --audience=me");
        Assert.Equal(3, token.Split('.').Length);
    }
}
