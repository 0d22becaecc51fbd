namespace Minke.Server.Tests.Admission;

/// <summary>Pod Security: every check by its text, and what enforce, warn and a changed namespace do.</summary>
public sealed class PodSecurityTests : IAsyncLifetime
{
    private const string Clean =
        """securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}""";

    private TestServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>Each row: what the container says beside its name and image, what the pod says, and what baseline says of it.</summary>
    public static TheoryData<string, string, string> Baseline => new()
    {
        { "", "\"hostNetwork\":true,\"hostPID\":true,\"hostIPC\":true", "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)" },
        { "\"securityContext\":{\"privileged\":true}", "", "privileged (container \"c\" must not set securityContext.privileged=true)" },
        {
            "\"securityContext\":{\"capabilities\":{\"add\":[\"SYS_ADMIN\",\"CHOWN\",\"NET_RAW\"]}}", "",
            "non-default capabilities (container \"c\" must not include \"NET_RAW\", \"SYS_ADMIN\" in securityContext.capabilities.add)"
        },
        { "", "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}},{\"name\":\"w\",\"hostPath\":{\"path\":\"/\"}}]", "hostPath volumes (volumes \"v\", \"w\")" },
        {
            "\"ports\":[{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":81,\"hostPort\":8081}]", "",
            "hostPort (container \"c\" uses hostPorts 8080, 8081)"
        },
        {
            "\"securityContext\":{\"appArmorProfile\":{\"type\":\"Unconfined\"}}", "",
            "forbidden AppArmor profile (container \"c\" must not set AppArmor profile type to \"Unconfined\")"
        },
        {
            "\"securityContext\":{\"seLinuxOptions\":{\"type\":\"bad_t\",\"user\":\"u\",\"role\":\"r\"}}", "",
            "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type \"bad_t\"; user may not be set; role may not be set)"
        },
        {
            "\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}}", "\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}}",
            "seccompProfile (pod and container \"c\" must not set securityContext.seccompProfile.type to \"Unconfined\")"
        },
        { "", "\"securityContext\":{\"sysctls\":[{\"name\":\"kernel.msgmax\",\"value\":\"1\"},{\"name\":\"net.ipv4.tcp_rmem\",\"value\":\"4096 1 1\"}]}", "forbidden sysctls (kernel.msgmax)" },
    };

    [Theory]
    [MemberData(nameof(Baseline))]
    public async Task Baseline_refuses(string container, string pod, string told)
    {
        await NamespaceAsync("secured", "\"pod-security.kubernetes.io/enforce\":\"baseline\"");
        var reply = await PodAsync("secured", "bad", container, pod);
        Assert.Equal(403, reply.Code);
        Assert.Equal($"pods \"bad\" is forbidden: violates PodSecurity \"baseline:latest\": {told}", reply.Message);
    }

    [Fact]
    public async Task Restricted_tells_everything_at_once_and_lets_a_hardened_pod_in()
    {
        await NamespaceAsync("hard", "\"pod-security.kubernetes.io/enforce\":\"restricted\",\"pod-security.kubernetes.io/enforce-version\":\"v1.32\"");
        var reply = await PodAsync("hard", "plain", "", "\"hostNetwork\":true,\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}}]");
        Assert.Equal(
            "pods \"plain\" is forbidden: violates PodSecurity \"restricted:v1.32\": host namespaces (hostNetwork=true), "
            + "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), "
            + "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), "
            + "restricted volume types (volume \"v\" uses restricted volume type \"hostPath\"), "
            + "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), "
            + "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            reply.Message);
        var root = await PodAsync("hard", "root", "\"" + Clean[..^1] + ",\"runAsUser\":0}", "");
        Assert.Equal("pods \"root\" is forbidden: violates PodSecurity \"restricted:v1.32\": runAsUser=0 (container \"c\" must not set runAsUser=0)", root.Message);
        (await PodAsync("hard", "good", "\"" + Clean, "")).Expect(201);
    }

    [Fact]
    public async Task A_version_judges_as_that_release_did()
    {
        await NamespaceAsync("old", "\"pod-security.kubernetes.io/enforce\":\"baseline\",\"pod-security.kubernetes.io/enforce-version\":\"v1.28\"");
        const string Sysctls = "\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_keepalive_time\",\"value\":\"60\"}]}";
        Assert.Contains("violates PodSecurity \"baseline:v1.28\": forbidden sysctls (net.ipv4.tcp_keepalive_time)", (await PodAsync("old", "bad", "", Sysctls)).Message, StringComparison.Ordinal);
        await NamespaceAsync("new", "\"pod-security.kubernetes.io/enforce\":\"baseline\",\"pod-security.kubernetes.io/enforce-version\":\"v1.29\"");
        (await PodAsync("new", "good", "", Sysctls)).Expect(201);
    }

    [Fact]
    public async Task Warnings_come_for_pods_and_for_templates_and_refuse_nothing()
    {
        await NamespaceAsync("warned", "\"pod-security.kubernetes.io/warn\":\"baseline\"");
        var pod = await PodAsync("warned", "loud", "\"securityContext\":{\"privileged\":true}", "");
        pod.Expect(201);
        const string Told = "would violate PodSecurity \\\"baseline:latest\\\": privileged (container \\\"c\\\" must not set securityContext.privileged=true)";
        Assert.Contains(pod.Warnings, warning => warning.Contains(Told, StringComparison.Ordinal));
        var template = await _server.PostAsync("/api/v1/namespaces/warned/podtemplates",
            """{"metadata":{"name":"t"},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i","securityContext":{"privileged":true}}]}}}""");
        template.Expect(201);
        Assert.Contains(template.Warnings, warning => warning.Contains(Told, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_ephemeral_container_is_judged_and_a_new_image_is_not()
    {
        await NamespaceAsync("debugged", "\"pod-security.kubernetes.io/warn\":\"privileged\"");
        (await PodAsync("debugged", "p", "\"securityContext\":{\"privileged\":true}", "")).Expect(201);
        await _server.PatchAsync("/api/v1/namespaces/debugged", """{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}}""");
        (await _server.PatchAsync("/api/v1/namespaces/debugged/pods/p", """{"spec":{"containers":[{"name":"c","image":"other"}]}}""", "strategic-merge-patch")).Expect(200);
        var reply = await _server.PatchAsync("/api/v1/namespaces/debugged/pods/p/ephemeralcontainers",
            """{"spec":{"ephemeralContainers":[{"name":"d","image":"i","securityContext":{"privileged":true}}]}}""", "strategic-merge-patch");
        Assert.Equal(403, reply.Code);
        Assert.Contains("privileged (containers \"c\", \"d\" must not set securityContext.privileged=true)", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Labels_that_say_nothing_are_refused()
    {
        var reply = await _server.PostAsync("/api/v1/namespaces",
            """{"metadata":{"name":"odd","labels":{"pod-security.kubernetes.io/enforce":"strict","pod-security.kubernetes.io/warn-version":"1.2"}}}""");
        Assert.Equal(422, reply.Code);
        Assert.Equal(
            "Namespace \"odd\" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted, "
            + "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.2\": must be \"latest\" or \"v1.x\"]", reply.Message);
    }

    [Fact]
    public async Task A_stricter_namespace_names_the_pods_that_are_there_already()
    {
        await NamespaceAsync("tightened", "\"a\":\"b\"");
        foreach (var name in (string[])["one", "two", "three"])
            (await PodAsync("tightened", name, "\"securityContext\":{\"privileged\":true}", "")).Expect(201);
        (await PodAsync("tightened", "net", "", "\"hostNetwork\":true")).Expect(201);
        var reply = await _server.PatchAsync("/api/v1/namespaces/tightened", """{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}}""");
        reply.Expect(200);
        Assert.Equal(
            [
                "299 - \"existing pods in namespace \\\"tightened\\\" violate the new PodSecurity enforce level \\\"baseline:latest\\\"\"",
                "299 - \"net: host namespaces\"",
                "299 - \"one (and 2 other pods): privileged\"",
            ], reply.Warnings);
    }

    private async Task NamespaceAsync(string name, string labels)
    {
        (await _server.PostAsync("/api/v1/namespaces", "{\"metadata\":{\"name\":\"" + name + "\",\"labels\":{" + labels + "}}}")).Expect(201);
        (await _server.PostAsync($"/api/v1/namespaces/{name}/serviceaccounts", """{"metadata":{"name":"default"},"automountServiceAccountToken":false}""")).Expect(201);
    }

    private Task<Reply> PodAsync(string @namespace, string name, string container, string pod) => _server.PostAsync($"/api/v1/namespaces/{@namespace}/pods",
        "{\"metadata\":{\"name\":\"" + name + "\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"" + Also(container) + "}]" + Also(pod) + "}}");

    private static string Also(string json) => json.Length == 0 ? "" : "," + json;
}
