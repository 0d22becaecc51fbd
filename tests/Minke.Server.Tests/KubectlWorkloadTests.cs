using Minke.Server.Tests.OpenApi;

namespace Minke.Server.Tests;

/// <summary>What the real kubectl does with the kinds that make pods, as far as it needs no controller.</summary>
public sealed class KubectlWorkloadTests(KubectlServer kubectl) : IClassFixture<KubectlServer>
{
    [Fact]
    public async Task Deployments_are_created_scaled_changed_and_shown()
    {
        Assert.Equal("deployment.apps/web created", await SaidAsync("create deployment web --image=nginx:1 --replicas=2"));
        Assert.Matches("^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nweb +0/2 +0 +0 +[0-9]+s +nginx +nginx:1 +app=web$", await SaidAsync("get deploy web -o wide"));
        Assert.Equal("deployment.apps/web scaled", await SaidAsync("scale deployment web --replicas=4 --current-replicas=2"));
        Assert.Equal("4", await SaidAsync("get deploy web -o jsonpath={.spec.replicas}"));
        Assert.Contains("Expected replicas to be 2, was 4", (await kubectl.RunAsync("scale deployment web --replicas=1 --current-replicas=2")).Errors, StringComparison.Ordinal);
        Assert.Equal("deployment.apps/web image updated", await SaidAsync("set image deployment/web nginx=nginx:2"));
        Assert.Equal("nginx:2 3", await SaidAsync("get deploy web -o jsonpath={.spec.template.spec.containers[0].image}{'\\x20'}{.metadata.generation}"));
        Assert.Equal("deployment.apps/web paused", await SaidAsync("rollout pause deployment/web"));
        Assert.Equal("deployment.apps/web resumed", await SaidAsync("rollout resume deployment/web"));
        Assert.Equal("deployment.apps/web restarted", await SaidAsync("rollout restart deployment/web"));
        Assert.StartsWith("deployment.apps/web", await SaidAsync("rollout history deployment/web"), StringComparison.Ordinal);
        Assert.Contains("StrategyType:           RollingUpdate", await SaidAsync("describe deployment web"), StringComparison.Ordinal);
        Assert.Matches("^NAME +DESIRED +AVAILABLE +AGE\nweb +4 +0 +", await SaidAsync("get deployment web --subresource=scale"));
        Assert.Contains("deployment.apps/web", await SaidAsync("get all"), StringComparison.Ordinal);
        Assert.Equal("deployment.apps \"web\" deleted", await SaidAsync("delete deployment web"));
    }

    [Fact]
    public async Task The_resources_of_apps_are_those_of_upstream()
    {
        var lines = (await SaidAsync("api-resources --api-group=apps -o wide")).Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        const string verbs = "create,delete,deletecollection,get,list,patch,update,watch";
        Assert.Equal(
            [
                "NAME SHORTNAMES APIVERSION NAMESPACED KIND VERBS CATEGORIES",
                $"controllerrevisions apps/v1 true ControllerRevision {verbs}",
                $"daemonsets ds apps/v1 true DaemonSet {verbs} all",
                $"deployments deploy apps/v1 true Deployment {verbs} all",
                $"replicasets rs apps/v1 true ReplicaSet {verbs} all",
                $"statefulsets sts apps/v1 true StatefulSet {verbs} all",
            ], lines);
    }

    private async Task<string> SaidAsync(string arguments, string input = "")
    {
        var result = await kubectl.RunAsync(arguments, input);
        Assert.True(result.ExitCode == 0, $"kubectl {arguments}: {result.ExitCode}: {result.Output}{result.Errors}");
        return result.Output.TrimEnd();
    }
}
