namespace Minke.Binary.Features;

/// <summary>What a container is started with, who it runs as and what it may do.</summary>
public sealed class ContainerTests(FeatureCluster cluster)
{
    [Fact]
    public async Task Commands_arguments_and_environments_come_from_every_source()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync("""
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: settings}
            data: {color: blue, shape: round}
            ---
            apiVersion: v1
            kind: Secret
            metadata: {name: secrets}
            data: {password: aHVzaA==}
            """);
        await space.ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: all, labels: {tier: front}, annotations: {note: hello}}
            spec:
              restartPolicy: Never
              containers:
                - name: main
                  image: localhost/busybox:1
                  command: [sh, -c]
                  args: ['echo "$(GREETING) $1 $0"; env; pwd', last, '$$(GREETING)']
                  workingDir: /tmp/made
                  resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 1500m, memory: 32Mi}}
                  envFrom:
                    - {prefix: CFG_, configMapRef: {name: settings}}
                    - {secretRef: {name: secrets}}
                    - {configMapRef: {name: none, optional: true}}
                  env:
                    - {name: WHO, value: world}
                    - {name: GREETING, value: 'hi $(WHO)'}
                    - {name: ONE, valueFrom: {configMapKeyRef: {name: settings, key: color}}}
                    - {name: PASS, valueFrom: {secretKeyRef: {name: secrets, key: password}}}
                    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
                    - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
                    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
                    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
                    - {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
                    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
                    - {name: MILLIS, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
                    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
            """);
        await space.PhaseAsync("Succeeded", "all");

        var lines = (await space.GetAsync("logs", "all")).Split('\n');
        Assert.Equal("hi world $(GREETING) last", lines[0]);
        Assert.Equal("/tmp/made", lines[^1]);
        Assert.Superset(new HashSet<string>
        {
            "CFG_color=blue", "CFG_shape=round", "password=hush", "ONE=blue", "PASS=hush", "POD=all", "TIER=front", "ACCOUNT=default",
            "CPUS=2", "MILLIS=1500", "MEMORY=32", "IP=" + await space.PathAsync("all", "{.status.podIP}"), "NODE=" + await space.PathAsync("all", "{.spec.nodeName}"),
            "HOSTNAME=all",
        }, new HashSet<string>(lines));
        Assert.Equal("Burstable", await space.PathAsync("all", "{.status.qosClass}"));
    }

    [Fact]
    public async Task Users_and_groups_are_those_asked_for()
    {
        var space = await cluster.SpaceAsync();
        const string who = "id -u; id -g; id -G";
        await space.ApplyAsync(
            Space.Once("image", who, image: FeatureCluster.UserImage)
            + Space.Once("numbers", who + "; stat -c %g:%a /v", "volumeMounts: [{name: v, mountPath: /v}]",
                "securityContext: {runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456, supplementalGroups: [4567]}\nvolumes: [{name: v, emptyDir: {}}]")
            + Space.Once("root-refused", who, "securityContext: {runAsNonRoot: true}")
            + Space.Once("named-refused", who, "securityContext: {runAsNonRoot: true}", image: FeatureCluster.UserImage));
        await space.PhaseAsync("Succeeded", "image", "numbers");

        Assert.Equal("1000\n1000\n1000 2000", await space.GetAsync("logs", "image"));
        var numbers = (await space.GetAsync("logs", "numbers")).Split('\n');
        Assert.Equal(["1234", "2345"], numbers[..2]);
        Assert.Equal(["2345", "3456", "4567"], numbers[2].Split(' ').Order());
        Assert.Equal("3456:2777", numbers[3]);
        await space.UntilAsync("root-refused", "{.status.containerStatuses[0].state.waiting.reason}", "CreateContainerConfigError");
        Assert.Contains("container has runAsNonRoot and image will run as root", await space.PathAsync("root-refused", "{.status.containerStatuses[0].state.waiting.message}"), StringComparison.Ordinal);
        await space.UntilAsync("named-refused", "{.status.containerStatuses[0].state.waiting.reason}", "CreateContainerConfigError");
        Assert.Contains("container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root",
            await space.PathAsync("named-refused", "{.status.containerStatuses[0].state.waiting.message}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Privileges_are_few_unless_asked_for()
    {
        var space = await cluster.SpaceAsync();
        const string caps = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | awk '{print $2}'";
        await space.ApplyAsync(
            Space.Once("plain", caps + "; cat /proc/keys | wc -l; ls /proc/acpi 2>/dev/null | wc -l; touch /proc/sys/kernel/x 2>&1 | grep -c 'Read-only\\|denied\\|No such'; ls /dev | grep -c ^mem$")
            + Space.Once("none", caps, "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}")
            + Space.Once("added", caps + "; ip link set lo mtu 1400 && echo made", "securityContext: {capabilities: {add: [NET_ADMIN]}}")
            + Space.Once("privileged", caps + "; mkdir /m && mount -t tmpfs t /m && echo mounted", "securityContext: {privileged: true}")
            + Space.Once("unconfined", caps, "securityContext: {seccompProfile: {type: Unconfined}}")
            + Space.Once("frozen", "touch /x 2>&1; touch /v/x && echo writable",
                "securityContext: {readOnlyRootFilesystem: true}\nvolumeMounts: [{name: v, mountPath: /v}]", "volumes: [{name: v, emptyDir: {}}]"));
        await space.PhaseAsync("Succeeded", "none", "added", "unconfined", "frozen", "privileged");
        await space.UntilAsync("plain", "{.status.containerStatuses[0].state.terminated.reason}", "Error");

        var plain = (await space.GetAsync("logs", "plain")).Split('\n');
        Assert.Equal(["00000000a80425fb", "0", "2"], plain[..3]);
        Assert.Equal(["0", "0", "1", "0"], plain[3..]);
        Assert.Equal("0000000000000000\n1\n2", await space.GetAsync("logs", "none"));
        Assert.Equal("00000000a80435fb\n0\n2\nmade", await space.GetAsync("logs", "added"));
        var privileged = (await space.GetAsync("logs", "privileged")).Split('\n');
        Assert.Equal(["0", "mounted"], [privileged[2], privileged[3]]);
        Assert.EndsWith("\n0", await space.GetAsync("logs", "unconfined"), StringComparison.Ordinal);
        var frozen = await space.GetAsync("logs", "frozen");
        Assert.Contains("Read-only file system", frozen, StringComparison.Ordinal);
        Assert.EndsWith("writable", frozen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_seccomp_profile_of_the_node_is_taken_from_its_file()
    {
        var space = await cluster.SpaceAsync();
        var profiles = Directory.CreateDirectory(Path.Combine(space.Cluster.Data, "node", "seccomp", "team")).FullName;
        await File.WriteAllTextAsync(Path.Combine(profiles, "no-mkdir.json"), """
            {"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}
            """, TestContext.Current.CancellationToken);
        static string Profile(string name) => $"securityContext: {{seccompProfile: {{type: Localhost, localhostProfile: team/{name}.json}}}}";
        await space.ApplyAsync(
            Space.Once("held", "mkdir /tmp/x 2>&1; touch /tmp/y && echo touched", Profile("no-mkdir"))
            + Space.Once("pods", "mkdir /tmp/x 2>&1 || true", spec: Profile("no-mkdir"))
            + Space.Pod("missing", container: Profile("none")));
        await space.PhaseAsync("Succeeded", "held", "pods");

        Assert.Equal("mkdir: can't create directory '/tmp/x': Operation not permitted\ntouched", await space.GetAsync("logs", "held"));
        Assert.Equal("mkdir: can't create directory '/tmp/x': Operation not permitted", await space.GetAsync("logs", "pods"));
        var none = Path.Combine(profiles, "none.json");
        await space.UntilAsync("missing", "{.status.containerStatuses[0].state.waiting.reason}", "CreateContainerError");
        Assert.Equal($"Error: cannot load seccomp profile \"{none}\": open {none}: no such file or directory", await space.EventAsync("missing", "Failed"));
    }

    [Fact]
    public async Task What_a_container_lacks_lets_it_start_as_soon_as_it_is_there()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Once("lacking", "echo $COLOR $password", """
            env: [{name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}]
            envFrom: [{secretRef: {name: secrets}}]
            """));
        const string waiting = "{.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}";
        await space.UntilAsync("lacking", waiting, "CreateContainerConfigError: secret \"secrets\" not found");
        Assert.Equal("Error: secret \"secrets\" not found", await space.EventAsync("lacking", "Failed"));
        await space.GetAsync("create", "secret", "generic", "secrets", "--from-literal=password=hush");
        await space.UntilAsync("lacking", waiting, "CreateContainerConfigError: configmap \"settings\" not found");
        await space.GetAsync("create", "configmap", "settings");
        await space.UntilAsync("lacking", waiting, $"CreateContainerConfigError: couldn't find key color in ConfigMap {space.Name}/settings");
        await space.GetAsync("patch", "configmap", "settings", "-p", """{"data":{"color":"blue"}}""");
        await space.PhaseAsync("Succeeded", "lacking");
        Assert.Equal("blue hush", await space.GetAsync("logs", "lacking"));
    }

    [Fact]
    public async Task Limits_are_the_kernels_and_who_exceeds_memory_is_OOMKilled()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("limited", container: "resources: {requests: {cpu: 250m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}")
            + Space.Once("greedy", "tail /dev/zero", "resources: {limits: {memory: 16Mi}}"));
        await space.ReadyAsync("limited");
        await space.PhaseAsync("Failed", "greedy");

        Assert.Equal("OOMKilled 137", await space.PathAsync("greedy",
            "{.status.containerStatuses[0].state.terminated.reason} {.status.containerStatuses[0].state.terminated.exitCode}"));
        Assert.Equal("Burstable", await space.PathAsync("greedy", "{.status.qosClass}"));
        var seen = await space.ExecAsync("limited", """
            if [ -e /sys/fs/cgroup/memory.max ]; then cat /sys/fs/cgroup/memory.max; awk '{print $1/$2}' /sys/fs/cgroup/cpu.max
            else cat /sys/fs/cgroup/memory/memory.limit_in_bytes; echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us) $(cat /sys/fs/cgroup/cpu/cpu.cfs_period_us) | awk '{print $1/$2}'; fi
            """);
        Assert.Equal("67108864\n0.5", seen);
    }

    [Fact]
    public async Task The_end_of_a_container_is_told_with_its_message()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Once("file", "echo -n because > /dev/termination-log; exit 3")
            + Space.Once("log", "echo last words; exit 4", "terminationMessagePolicy: FallbackToLogsOnError")
            + Space.Once("path", "echo -n there > /tmp/end; exit 0", "terminationMessagePath: /tmp/end"));
        await space.PhaseAsync("Failed", "file", "log");
        await space.PhaseAsync("Succeeded", "path");

        const string end = "{.status.containerStatuses[0].state.terminated.exitCode} {.status.containerStatuses[0].state.terminated.reason} {.status.containerStatuses[0].state.terminated.message}";
        Assert.Equal("3 Error because", await space.PathAsync("file", end));
        Assert.Equal("4 Error last words", await space.PathAsync("log", end));
        Assert.Equal("0 Completed there", await space.PathAsync("path", end));
    }
}
