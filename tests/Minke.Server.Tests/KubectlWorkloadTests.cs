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
        Assert.Equal("nginx:2 3", await SaidAsync("get deploy web -o jsonpath={.spec.template.spec.containers[0].image}␠{.metadata.generation}"));
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
    public async Task Jobs_and_cron_jobs_are_created_and_shown()
    {
        Assert.Equal("job.batch/once created", await SaidAsync("create job once --image=busybox:1 -- date"));
        Assert.Matches("^NAME +STATUS +COMPLETIONS +DURATION +AGE\nonce +Running +0/1 +[0-9]+s$", await SaidAsync("get job once"));
        Assert.Contains("Completion Mode:  NonIndexed", await SaidAsync("describe job once"), StringComparison.Ordinal);
        Assert.Equal("cronjob.batch/often created", await SaidAsync("create cronjob often --image=busybox:1 --schedule=*/5␠*␠*␠*␠* -- date"));
        Assert.Matches("^NAME +SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\noften +\\*/5 \\* \\* \\* \\* +<none> +False +0 +<none> +[0-9]+s$", await SaidAsync("get cj often"));
        Assert.Equal("job.batch/now created", await SaidAsync("create job now --from=cronjob/often"));
        Assert.Contains("cronjob.kubernetes.io/instantiate", await SaidAsync("get job now -o yaml"), StringComparison.Ordinal);
        Assert.Equal("job.batch \"once\" deleted", await SaidAsync("delete job once"));
    }

    [Fact]
    public async Task Autoscalers_and_budgets_are_created_and_shown()
    {
        Assert.Equal("deployment.apps/busy created", await SaidAsync("create deployment busy --image=nginx:1"));
        Assert.Equal("horizontalpodautoscaler.autoscaling/busy autoscaled", await SaidAsync("autoscale deployment busy --min=2 --max=5 --cpu-percent=70"));
        Assert.Matches("^NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE\nbusy +Deployment/busy +cpu: <unknown>/70% +2 +5 +0 +[0-9]+s$", await SaidAsync("get hpa busy"));
        Assert.Contains("70%", await SaidAsync("describe hpa busy"), StringComparison.Ordinal);
        Assert.Equal("poddisruptionbudget.policy/busy created", await SaidAsync("create pdb busy --selector=app=busy --min-available=50%"));
        Assert.Matches("^NAME +MIN AVAILABLE +MAX UNAVAILABLE +ALLOWED DISRUPTIONS +AGE\nbusy +50% +N/A +0 +[0-9]+s$", await SaidAsync("get pdb busy"));
    }

    [Fact]
    public async Task The_resources_are_those_of_upstream()
    {
        var lines = (await SaidAsync("api-resources -o wide")).Split('\n')
            .Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
            .Where(line => line.StartsWith("NAME ", StringComparison.Ordinal)
                || new[] { " apps/", " batch/", " autoscaling/", " policy/", " discovery.k8s.io/" }.Any(group => line.Contains(group, StringComparison.Ordinal)));
        const string verbs = "create,delete,deletecollection,get,list,patch,update,watch";
        Assert.Equal(
            [
                "NAME SHORTNAMES APIVERSION NAMESPACED KIND VERBS CATEGORIES",
                $"controllerrevisions apps/v1 true ControllerRevision {verbs}",
                $"daemonsets ds apps/v1 true DaemonSet {verbs} all",
                $"deployments deploy apps/v1 true Deployment {verbs} all",
                $"replicasets rs apps/v1 true ReplicaSet {verbs} all",
                $"statefulsets sts apps/v1 true StatefulSet {verbs} all",
                $"horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler {verbs} all",
                $"cronjobs cj batch/v1 true CronJob {verbs} all",
                $"jobs batch/v1 true Job {verbs} all",
                $"endpointslices discovery.k8s.io/v1 true EndpointSlice {verbs}",
                $"poddisruptionbudgets pdb policy/v1 true PodDisruptionBudget {verbs}",
            ], lines);
    }

    private async Task<string> SaidAsync(string arguments, string input = "")
    {
        var result = await kubectl.RunAsync(arguments, input);
        Assert.True(result.ExitCode == 0, $"kubectl {arguments}: {result.ExitCode}: {result.Output}{result.Errors}");
        return result.Output.TrimEnd();
    }
}
