namespace Minke.Binary.Features;

/// <summary>How pods begin, live and end.</summary>
public sealed class LifecycleTests(FeatureCluster cluster)
{
    [Fact]
    public async Task Init_containers_run_in_order_and_sidecars_stay_beside_the_main_container()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Once("ordered", "echo main >> /v/order; cat /v/order", "volumeMounts: [{name: v, mountPath: /v}]", $$$"""
            volumes: [{name: v, emptyDir: {}}]
            initContainers:
              - {name: first, image: "{{{Cluster.Image}}}", command: [sh, -c, "sleep 0.3; echo first >> /v/order"], volumeMounts: [{name: v, mountPath: /v}]}
              - name: sidecar
                image: "{{{Cluster.Image}}}"
                restartPolicy: Always
                command: [sh, -c, "echo sidecar >> /v/order; touch /tmp/up; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
                startupProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1}
                volumeMounts: [{name: v, mountPath: /v}]
              - {name: last, image: "{{{Cluster.Image}}}", command: [sh, -c, "echo last >> /v/order"], volumeMounts: [{name: v, mountPath: /v}]}
            """)
            + Space.Once("broken", "echo never", spec: $$$"""
            initContainers: [{name: fails, image: "{{{Cluster.Image}}}", command: ["false"]}]
            """));
        await space.PhaseAsync("Succeeded", "ordered");
        await space.PhaseAsync("Failed", "broken");

        Assert.Equal("first\nsidecar\nlast\nmain", await space.GetAsync("logs", "ordered", "-c", "main"));
        Assert.Equal("Init:Error", (await space.GetAsync("get", "pod", "broken", "--no-headers")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[2]);
        Assert.Equal("PodInitializing", await space.PathAsync("broken", "{.status.containerStatuses[0].state.waiting.reason}"));
    }

    [Fact]
    public async Task Pulls_that_are_given_up_hold_up_no_other()
    {
        var space = await cluster.SpaceAsync();
        for (var round = 0; round < 8; round++)
        {
            await space.ApplyAsync(Space.Pod("gone", "true", image: "unknown.invalid/nothing:1"));
            _ = (await space.KubectlAsync("delete", "pod", "gone", "--now")).Text;
        }
        await space.ApplyAsync(Space.Pod("last", "true", image: "unknown.invalid/other:1"));
        await space.UntilAsync("last", "{.status.containerStatuses[0].state.waiting.reason}", "ImagePullBackOff");
        _ = (await space.KubectlAsync("delete", "pod", "last", "--now")).Text;
    }

    [Fact]
    public async Task Restart_policies_decide_and_what_keeps_failing_backs_off()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("always", "echo run; exit 0")
            + Space.Pod("on-failure", "exit 0", restartPolicy: "OnFailure")
            + Space.Pod("crashing", "echo run; exit 7", restartPolicy: "OnFailure")
            + Space.Once("never", "exit 9"));

        await space.PhaseAsync("Succeeded", "on-failure");
        await space.PhaseAsync("Failed", "never");
        await space.UntilAsync("crashing", "{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.waiting.reason}", "1 CrashLoopBackOff");
        await space.UntilAsync("always", "{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].state.waiting.reason}", "1 CrashLoopBackOff");
        var crashing = await space.PodAsync("crashing");
        Assert.Equal("Running", (string?)crashing["status"]!["phase"]);
        Assert.Equal(7, (int)crashing["status"]!["containerStatuses"]![0]!["lastState"]!["terminated"]!["exitCode"]!);
        Assert.StartsWith("back-off 10s restarting failed container=main pod=crashing_" + space.Name,
            (string?)crashing["status"]!["containerStatuses"]![0]!["state"]!["waiting"]!["message"], StringComparison.Ordinal);
        Assert.StartsWith("Back-off restarting failed container main in pod crashing_", await space.EventAsync("crashing", "BackOff"), StringComparison.Ordinal);
        Assert.Equal("run", await space.GetAsync("logs", "crashing", "--previous"));
    }

    [Fact]
    public async Task Probes_decide_who_is_started_ready_and_alive()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("http", "mkdir /www; echo ok > /www/ok; exec httpd -f -p 8080 -h /www", "readinessProbe: {httpGet: {path: /ok, port: 8080}, periodSeconds: 1}")
            + Space.Pod("tcp", "mkdir /www; exec httpd -f -p 8080 -h /www", "readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}")
            + Space.Pod("toggled", container: "readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1, failureThreshold: 1}")
            + Space.Pod("dies", container: "livenessProbe: {exec: {command: [\"false\"]}, periodSeconds: 1, failureThreshold: 1}")
            + Space.Pod("gated", spec: "readinessGates: [{conditionType: example.com/open}]"));
        await space.ReadyAsync("http", "tcp");

        await space.UntilAsync("toggled", "{.status.containerStatuses[0].started} {.status.containerStatuses[0].ready}", "true false");
        Assert.StartsWith("Readiness probe failed:", await space.EventAsync("toggled", "Unhealthy"), StringComparison.Ordinal);
        await space.ExecAsync("toggled", "touch /tmp/ready");
        await space.ReadyAsync("toggled");
        await space.ExecAsync("toggled", "rm /tmp/ready");
        await space.UntilAsync("toggled", "{.status.conditions[?(@.type=='Ready')].status} {.status.conditions[?(@.type=='Ready')].reason}", "False ContainersNotReady");

        await space.UntilAsync("dies", "{.status.containerStatuses[0].restartCount}", "1");
        Assert.Equal("Container main failed liveness probe, will be restarted", await space.EventAsync("dies", "Killing"));

        await space.UntilAsync("gated", "{.status.conditions[?(@.type=='ContainersReady')].status} {.status.conditions[?(@.type=='Ready')].reason}", "True ReadinessGatesNotReady");
        await space.GetAsync("patch", "pod", "gated", "--subresource=status", "-p", """{"status":{"conditions":[{"type":"example.com/open","status":"True"}]}}""");
        await space.ReadyAsync("gated");
    }

    [Fact]
    public async Task Ends_are_graceful_with_hooks_and_signals()
    {
        var space = await cluster.SpaceAsync();
        var here = Directory.CreateTempSubdirectory("minke-ends-").FullName;
        try
        {
            const string mount = "volumeMounts: [{name: v, mountPath: /v}]\n";
            var volume = $"volumes: [{{name: v, hostPath: {{path: {here}}}}}]";
            await space.ApplyAsync(
                Space.Pod("hooked", "trap 'echo term >> /v/hooked; exit 0' TERM; while :; do sleep 0.1; done", mount + """
                    lifecycle:
                      postStart: {exec: {command: [sh, -c, 'echo started >> /v/hooked']}}
                      preStop: {exec: {command: [sh, -c, 'echo stopping >> /v/hooked']}}
                    """, volume).Replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 20", StringComparison.Ordinal)
                + Space.Pod("deaf", "trap '' TERM; while :; do sleep 0.1; done").Replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 1", StringComparison.Ordinal)
                + Space.Pod("asked", "trap 'echo usr1 >> /v/asked; exit 0' USR1; trap 'echo term >> /v/asked; exit 0' TERM; while :; do sleep 0.1; done", mount, volume, image: FeatureCluster.StopImage)
                    .Replace("terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 20", StringComparison.Ordinal)
                + Space.Pod("late", "sleep 3600", spec: "activeDeadlineSeconds: 1"));
            await space.ReadyAsync("hooked", "deaf", "asked");

            await space.GetAsync("delete", "pod", "hooked", "deaf", "asked");

            // The image says which signal ends it.
            Assert.Equal("usr1\n", await File.ReadAllTextAsync(here + "/asked", TestContext.Current.CancellationToken));
            Assert.Equal("started\nstopping\nterm\n", await File.ReadAllTextAsync(here + "/hooked", TestContext.Current.CancellationToken));
            Assert.Contains("NotFound", (await space.KubectlAsync("get", "pod", "deaf")).Errors, StringComparison.Ordinal);
            await space.UntilAsync("late", "{.status.phase} {.status.reason} {.status.message}", "Failed DeadlineExceeded Pod was active on the node longer than the specified deadline");
        }
        finally
        {
            Directory.Delete(here, recursive: true);
        }
    }

    [Fact]
    public async Task Images_that_cannot_be_had_are_told_and_tried_again()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("never", image: "localhost/none:1", container: "imagePullPolicy: Never")
            + Space.Pod("absent", image: "localhost:1/none:1")
            + Space.Pod("invalid", image: "localhost/UPPER:1"));

        const string reason = "{.status.containerStatuses[0].state.waiting.reason}";
        await space.UntilAsync("never", reason, "ErrImageNeverPull");
        await space.UntilAsync("invalid", reason, "InvalidImageName");
        await space.UntilAsync("absent", reason, "ImagePullBackOff");
        Assert.Equal("Container image \"localhost/none:1\" is not present with pull policy of Never", await space.EventAsync("never", "ErrImageNeverPull"));
        Assert.Equal("Back-off pulling image \"localhost:1/none:1\"", await space.EventAsync("absent", "BackOff"));
        Assert.StartsWith("Failed to pull image \"localhost:1/none:1\": ", await space.EventAsync("absent", "Failed"), StringComparison.Ordinal);
        Assert.StartsWith("Failed to apply default image tag \"localhost/UPPER:1\": couldn't parse image name", await space.EventAsync("invalid", "InspectFailed"), StringComparison.Ordinal);
        Assert.Equal("Pending", await space.PathAsync("absent", "{.status.phase}"));
    }

    [Fact]
    public async Task Manifests_in_the_data_directory_are_pods_of_the_node()
    {
        var space = await cluster.SpaceAsync();
        var manifests = Directory.CreateDirectory(Path.Combine(space.Cluster.Data, "manifests")).FullName;
        var file = Path.Combine(manifests, space.Name + ".yaml");
        await File.WriteAllTextAsync(file, Space.Pod("static").Replace("name: static,", $"name: static, namespace: {space.Name},", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var node = await space.GetAsync("get", "nodes", "-o", "name");
        var name = "static-" + node["node/".Length..];

        await Cluster.EventuallyAsync(() => space.KubectlAsync("get", "pod", name), result => result.ExitCode == 0);
        await space.ReadyAsync(name);
        // Deleting the mirror is nothing to the pod: it is made anew.
        const string identity = "{.metadata.uid} {.status.containerStatuses[0].containerID}";
        var before = (await space.PathAsync(name, identity)).Split(' ');
        await space.GetAsync("delete", "pod", name);
        var after = (await Cluster.EventuallyAsync(async () => (await space.KubectlAsync("get", "pod", name, "-o", $"jsonpath={identity}")).Output,
            text => text.Length > 40 && !text.StartsWith(before[0], StringComparison.Ordinal))).Split(' ');
        Assert.Equal(before[1], after[1]);

        Assert.Equal("Node file", await space.PathAsync(name, "{.metadata.ownerReferences[0].kind} {.metadata.annotations.kubernetes\\.io/config\\.source}"));

        File.Delete(file);
        await Cluster.EventuallyAsync(() => space.KubectlAsync("get", "pod", name), result => result.ExitCode != 0);
    }

    [Fact]
    public async Task A_server_of_gRPC_is_asked_for_its_health()
    {
        var space = await cluster.SpaceAsync();
        // What such a server says, frame by frame, to whoever asks first: settings, their acknowledgement, then the answer to call 1.
        static byte[] Frame(byte type, byte flags, byte stream, params byte[] payload) => [0, 0, (byte)payload.Length, type, flags, 0, 0, 0, stream, .. payload];
        static byte[] Text(string text) => [(byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text)];
        static string Answer(byte status) => Convert.ToBase64String(
        [
            .. Frame(4, 0, 0), .. Frame(4, 1, 0),
            .. Frame(1, 4, 1, [0x88, 0x10, .. Text("content-type"), .. Text("application/grpc")]),
            .. Frame(0, 0, 1, 0, 0, 0, 0, 2, 8, status),
            .. Frame(1, 5, 1, [0x10, .. Text("grpc-status"), .. Text("0")]),
        ]);
        await space.ApplyAsync($$"""
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: answers}
            binaryData: {serving: {{Answer(1)}}, failing: {{Answer(2)}}}
            """);
        static string Server(string answer) => Space.Pod(answer,
            $"while :; do nc -l -p 5000 -e sh -c 'head -c 24 > /dev/null; sleep 0.2; cat /answers/{answer}; sleep 0.5'; done",
            "readinessProbe: {grpc: {port: 5000}, periodSeconds: 1}\nvolumeMounts: [{name: v, mountPath: /answers}]", "volumes: [{name: v, configMap: {name: answers}}]");
        await space.ApplyAsync(Server("serving") + Server("failing"));

        await space.ReadyAsync("serving");
        Assert.Equal("Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")",
            await Cluster.EventuallyAsync(async () => await space.GetAsync("get", "events", "--field-selector", "involvedObject.name=failing,reason=Unhealthy", "-o",
                "jsonpath={.items[?(@.message=='Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")')].message}"), text => text.Length > 0, 40));
        Assert.Equal("false", await space.PathAsync("failing", "{.status.containerStatuses[0].ready}"));
    }
}
