namespace Minke.Binary.Features;

/// <summary>What containers of a pod share, what pods do not, and what they may have of the machine's.</summary>
public sealed class IsolationTests(FeatureCluster cluster)
{
    private static string Two(string name, string spec = "") => $"""
        ---
        apiVersion: v1
        kind: Pod
        metadata: {"{"}name: {name}{"}"}
        spec:
          terminationGracePeriodSeconds: 0
          {spec}
          volumes: [{"{"}name: shared, emptyDir: {"{}"}{"}"}]
          containers:
            - name: main
              image: {Cluster.Image}
              command: [sh, -c, 'mkdir /www; echo from-main > /www/index.html; httpd -p 127.0.0.1:8080 -h /www; exec sleep 1111']
              volumeMounts: [{"{"}name: shared, mountPath: /shared{"}"}]
            - name: side
              image: {Cluster.Image}
              command: [sleep, '2222']
              volumeMounts: [{"{"}name: shared, mountPath: /elsewhere{"}"}]

        """;

    [Fact]
    public async Task Containers_of_a_pod_share_network_and_volumes_and_nothing_else_and_pods_share_nothing()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Two("a") + Two("b"));
        await space.ReadyAsync("a", "b");

        // Localhost and the address are the pod's.
        Assert.Equal("from-main", await space.ExecAsync("a", "wget -qO- http://127.0.0.1:8080/", "side"));
        const string namespaces = "for n in net ipc uts mnt pid; do readlink /proc/self/ns/$n; done";
        var main = (await space.ExecAsync("a", namespaces)).Split('\n');
        var side = (await space.ExecAsync("a", namespaces, "side")).Split('\n');
        var other = (await space.ExecAsync("b", namespaces)).Split('\n');
        Assert.Equal(main[..3], side[..3]);
        Assert.NotEqual(main[3], side[3]);
        Assert.NotEqual(main[4], side[4]);
        Assert.All(main.Zip(other), pair => Assert.NotEqual(pair.First, pair.Second));

        // A volume is shared within the pod, files beside it are not, and neither reaches another pod.
        await space.ExecAsync("a", "echo hello > /shared/file; echo own > /tmp/own");
        Assert.Equal("hello", await space.ExecAsync("a", "cat /elsewhere/file; ls /tmp", "side"));
        Assert.Equal("", await space.ExecAsync("b", "ls /shared /tmp | grep -v : || true"));

        // Processes: each container sees its own.
        Assert.DoesNotContain("2222", await space.ExecAsync("a", "ps -o args"), StringComparison.Ordinal);
        Assert.Equal("1", await space.ExecAsync("a", "ps -o pid,args | grep '[s]leep 1111' | awk '{print $1}'"));

        // Pods reach each other's address; a server on localhost stays the pod's.
        var address = await space.PathAsync("a", "{.status.podIP}");
        Assert.NotEqual(address, await space.PathAsync("b", "{.status.podIP}"));
        await space.ExecAsync("a", $"httpd -p {address}:8081 -h /www");
        Assert.Equal("from-main", await space.ExecAsync("b", $"wget -qO- http://{address}:8081/", "side"));
        Assert.Equal("refused", await space.ExecAsync("b", $"nc -w 3 {address} 8080 < /dev/null 2>&1 | grep -o refused", "side"));
    }

    [Fact]
    public async Task A_pod_may_share_one_process_namespace()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Two("a", "shareProcessNamespace: true"));
        await space.ReadyAsync("a");

        var seen = await space.ExecAsync("a", "ps -o pid,args");
        Assert.Contains("sleep 2222", seen, StringComparison.Ordinal);
        Assert.Contains("sleep 1111", seen, StringComparison.Ordinal);
        Assert.NotEqual("1", await space.ExecAsync("a", "pidof sleep"));
    }

    [Fact]
    public async Task A_pod_may_have_the_machines_network_processes_and_ipc()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("net", spec: "hostNetwork: true") + Space.Pod("pid", spec: "hostPID: true") + Space.Pod("ipc", spec: "hostIPC: true"));
        await space.ReadyAsync("net", "pid", "ipc");

        async Task<string> Here(string kind) => (await cluster.Machine.RunAsync("readlink", "/proc/self/ns/" + kind)).Text.Trim();
        const string own = "readlink /proc/self/ns/";
        Assert.Equal(await Here("net"), await space.ExecAsync("net", own + "net"));
        Assert.Equal(await space.PathAsync("net", "{.status.hostIP}"), await space.PathAsync("net", "{.status.podIP}"));
        Assert.Equal(await Here("pid"), await space.ExecAsync("pid", own + "pid"));
        Assert.Equal(await Here("ipc"), await space.ExecAsync("ipc", own + "ipc"));
        Assert.NotEqual(await Here("net"), await space.ExecAsync("pid", own + "net"));
        Assert.NotEqual(await Here("pid"), await space.ExecAsync("net", own + "pid"));
        Assert.NotEqual(await Here("ipc"), await space.ExecAsync("net", own + "ipc"));
    }

    [Fact]
    public async Task Names_resolvers_memory_and_sysctls_are_the_pods_own()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("named", spec: """
                hostname: web
                subdomain: sites
                hostAliases: [{ip: 10.1.2.3, hostnames: [alpha, beta]}]
                dnsPolicy: None
                dnsConfig: {nameservers: [192.0.2.1], searches: [example.test], options: [{name: ndots, value: "3"}]}
                securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "80"}]}
                """) + Space.Pod("plain"));
        await space.ReadyAsync("named", "plain");

        Assert.Equal("web", await space.ExecAsync("named", "hostname"));
        Assert.Equal("plain", await space.ExecAsync("plain", "hostname"));
        var hosts = await space.ExecAsync("named", "cat /etc/hosts");
        Assert.StartsWith("# Kubernetes-managed hosts file.", hosts, StringComparison.Ordinal);
        Assert.Contains("10.1.2.3\talpha\tbeta", hosts, StringComparison.Ordinal);
        Assert.Contains($"{await space.PathAsync("named", "{.status.podIP}")}\tweb.sites.{space.Name}.svc.cluster.local\tweb", hosts, StringComparison.Ordinal);
        Assert.Equal("search example.test\nnameserver 192.0.2.1\noptions ndots:3", await space.ExecAsync("named", "cat /etc/resolv.conf"));
        Assert.Equal("80", await space.ExecAsync("named", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"));
        Assert.StartsWith("65536", await space.ExecAsync("plain", "df -k /dev/shm | tail -1 | awk '{print $2}'"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resolvers_are_the_policys_with_what_the_pod_adds()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(
            Space.Pod("default", spec: "dnsPolicy: Default")
            + Space.Pod("added", spec: "dnsPolicy: Default\ndnsConfig: {nameservers: [192.0.2.7], searches: [added.test], options: [{name: attempts, value: \"7\"}, {name: edns0}]}")
            + Space.Pod("host", spec: "hostNetwork: true\ndnsPolicy: ClusterFirst")
            + Space.Pod("none", spec: "hostNetwork: true\ndnsPolicy: None\ndnsConfig: {nameservers: [192.0.2.8]}"));
        await space.ReadyAsync("default", "added", "host", "none");

        var own = (await File.ReadAllLinesAsync("/etc/resolv.conf", TestContext.Current.CancellationToken)).Where(line => line.StartsWith("nameserver", StringComparison.Ordinal)).ToArray();
        async Task<string[]> Servers(string pod) => [.. (await space.ExecAsync(pod, "cat /etc/resolv.conf")).Split('\n').Where(line => line.StartsWith("nameserver", StringComparison.Ordinal))];
        Assert.Equal(own, await Servers("default"));
        Assert.Equal(own.Append("nameserver 192.0.2.7"), await Servers("added"));
        var added = await space.ExecAsync("added", "cat /etc/resolv.conf");
        Assert.Matches("(?m)^search .*added\\.test$", added);
        Assert.Matches("(?m)^options .*attempts:7 edns0$", added);
        // With the machine's network, ClusterFirst means the machine's resolver.
        Assert.Equal(own, await Servers("host"));
        Assert.Equal("nameserver 192.0.2.8", await space.ExecAsync("none", "cat /etc/resolv.conf"));
    }

    [Fact]
    public async Task A_host_port_leads_to_the_pod()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("web", "mkdir /www; echo page > /www/index.html; exec httpd -f -p 8080 -h /www",
            "ports: [{containerPort: 8080, hostPort: 18080}]\nreadinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}"));
        await space.ReadyAsync("web");

        var node = await space.PathAsync("web", "{.status.hostIP}");
        Assert.Equal("page\n", (await cluster.Machine.RunAsync("curl", "-s", "--max-time", "5", $"http://{node}:18080/")).Text);
    }
}
