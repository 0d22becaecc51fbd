namespace Minke.Binary.Features;

/// <summary>Every kind of volume, what a container sees of it, and that it follows its source while the pod runs.</summary>
public sealed class VolumeTests(FeatureCluster cluster)
{
    private const string Sources = """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: settings}
        data: {color: blue, nested: deep}
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: secrets}
        data: {password: aHVzaA==}

        """;

    [Fact]
    public async Task Config_maps_secrets_and_labels_are_files_that_follow_their_source()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Sources + Space.Pod("a",
            container: """
                volumeMounts:
                  - {name: map, mountPath: /map}
                  - {name: some, mountPath: /some}
                  - {name: secret, mountPath: /secret, readOnly: true}
                  - {name: labels, mountPath: /labels}
                  - {name: all, mountPath: /all}
                  - {name: map, mountPath: /etc/color, subPath: color}
                """,
            spec: """
                volumes:
                  - {name: map, configMap: {name: settings}}
                  - {name: some, configMap: {name: settings, defaultMode: 0400, items: [{key: nested, path: sub/dir/file}]}}
                  - {name: secret, secret: {secretName: secrets, defaultMode: 0440}}
                  - {name: labels, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
                  - name: all
                    projected:
                      sources:
                        - {configMap: {name: settings, items: [{key: color, path: color}]}}
                        - {secret: {name: secrets}}
                        - {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}
                        - {configMap: {name: none, optional: true}}
                """));
        await space.ReadyAsync("a");

        Assert.Equal("blue deep hush a", await space.ExecAsync("a", "echo $(cat /map/color) $(cat /some/sub/dir/file) $(cat /secret/password) $(cat /all/name)"));
        Assert.Equal("400 440", await space.ExecAsync("a", "echo $(stat -L -c %a /some/sub/dir/file /secret/password)"));
        Assert.Equal("blue hush", await space.ExecAsync("a", "echo $(cat /all/color) $(cat /all/password)"));
        Assert.Equal("app=\"a\"", await space.ExecAsync("a", "cat /labels/labels"));
        Assert.Equal("..data/color", await space.ExecAsync("a", "readlink /map/color"));
        Assert.Contains("Read-only", await space.ExecAsync("a", "touch /map/x 2>&1 || true"), StringComparison.Ordinal);
        var before = await space.ExecAsync("a", "readlink /map/..data");

        await space.GetAsync("patch", "configmap", "settings", "-p", """{"data":{"color":"green","more":"yes"}}""");
        await space.GetAsync("patch", "secret", "secrets", "-p", """{"data":{"password":"bG91ZA=="}}""");
        await space.GetAsync("label", "pod", "a", "new=one");

        await Cluster.EventuallyAsync(
            () => space.ExecAsync("a", "echo $(cat /map/color) $(cat /map/more 2>/dev/null) $(cat /secret/password) $(cat /all/color) $(cat /labels/labels)"),
            text => text == "green yes loud green app=\"a\" new=\"one\"");
        Assert.NotEqual(before, await space.ExecAsync("a", "readlink /map/..data"));
        Assert.Equal("blue", await space.ExecAsync("a", "cat /etc/color")); // a sub path stays as it was
    }

    [Fact]
    public async Task Scratch_space_is_on_disk_or_in_memory_and_sub_paths_lie_within()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("a", "echo $POD > /mine/file; exec sleep 3600",
            container: """
                env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
                volumeMounts:
                  - {name: disk, mountPath: /disk}
                  - {name: memory, mountPath: /memory}
                  - {name: disk, mountPath: /mine, subPathExpr: of/$(POD)}
                  - {name: disk, mountPath: /frozen, readOnly: true}
                """,
            spec: "volumes: [{name: disk, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory, sizeLimit: 8Mi}}]"));
        await space.ReadyAsync("a");

        Assert.Equal("a", await space.ExecAsync("a", "cat /disk/of/a/file"));
        Assert.Equal("tmpfs 8192", await space.ExecAsync("a", "echo $(grep ' /memory ' /proc/mounts | cut -d' ' -f3) $(df -k /memory | tail -1 | awk '{print $2}')"));
        Assert.Equal("777", await space.ExecAsync("a", "stat -c %a /disk"));
        Assert.Contains("Read-only", await space.ExecAsync("a", "touch /frozen/x 2>&1 || true"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Paths_of_the_machine_are_mounted_as_their_type_says()
    {
        var space = await cluster.SpaceAsync();
        var here = Directory.CreateTempSubdirectory("minke-host-").FullName;
        try
        {
            await File.WriteAllTextAsync(here + "/file", "of the machine", TestContext.Current.CancellationToken);
            const string mount = "volumeMounts: [{name: v, mountPath: /v}]";
            string Volume(string path, string type) => $"volumes: [{{name: v, hostPath: {{path: {here}{path}, type: {type}}}}}]";
            await space.ApplyAsync(
                Space.Once("directory", "cat /v/file; echo back > /v/back", mount, Volume("", "Directory"))
                + Space.Once("made", "touch /v/x; echo made", mount, Volume("/new", "DirectoryOrCreate"))
                + Space.Once("file", "cat /v", mount, Volume("/file", "File"))
                + Space.Pod("missing", container: mount, spec: Volume("/none", "Directory")));
            await space.PhaseAsync("Succeeded", "directory", "made", "file");

            Assert.Equal("of the machine", await space.GetAsync("logs", "directory"));
            Assert.Equal("back\n", await File.ReadAllTextAsync(here + "/back", TestContext.Current.CancellationToken));
            Assert.True(File.Exists(here + "/new/x"));
            Assert.Equal("of the machine", await space.GetAsync("logs", "file"));
            Assert.Equal($"MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: {here}/none is not a directory", await space.EventAsync("missing", "FailedMount"));
        }
        finally
        {
            await space.GetAsync("delete", "pods", "--all", "--now");
            Directory.Delete(here, recursive: true);
        }
    }

    [Fact]
    public async Task A_pods_token_is_its_service_accounts_and_the_API_knows_it()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("a") + Space.Pod("without", spec: "automountServiceAccountToken: false"));
        await space.ReadyAsync("a", "without");

        const string place = "/var/run/secrets/kubernetes.io/serviceaccount";
        Assert.Equal("ca.crt namespace token", await space.ExecAsync("a", $"echo $(ls {place})"));
        Assert.Equal(space.Name, await space.ExecAsync("a", $"cat {place}/namespace"));
        Assert.Equal("none", await space.ExecAsync("without", $"[ -e {place} ] || echo none"));
        var token = await space.ExecAsync("a", $"cat {place}/token");
        var authority = Path.Combine(space.Cluster.Data, "feature-ca.crt");
        await File.WriteAllTextAsync(authority, await space.ExecAsync("a", $"cat {place}/ca.crt") + "\n", TestContext.Current.CancellationToken);
        var server = (string?)(await space.Cluster.StatusAsync())["addresses"]![0];
        var who = await cluster.Machine.RunAsync("kubectl",
            ["--kubeconfig=/dev/null", "--server", server!, "--certificate-authority", authority, "--token", token, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]);
        Assert.Equal($"system:serviceaccount:{space.Name}:default", who.Text);
    }

    [Fact]
    public async Task An_image_is_a_volume_that_nobody_writes_to()
    {
        var space = await cluster.SpaceAsync();
        const string mount = "volumeMounts: [{name: v, mountPath: /v}]";
        await space.ApplyAsync(
            Space.Once("reads", "ls -d /v/home/app; touch /v/x 2>&1 | grep -o Read-only", mount,
                $"volumes: [{{name: v, image: {{reference: {FeatureCluster.UserImage}, pullPolicy: IfNotPresent}}}}]")
            + Space.Pod("lacks", container: mount, spec: "volumes: [{name: v, image: {reference: localhost/none:1, pullPolicy: Never}}]"));
        await space.PhaseAsync("Succeeded", "reads");
        Assert.Equal("/v/home/app\nRead-only", await space.GetAsync("logs", "reads"));
        await space.UntilAsync("lacks", "{.status.containerStatuses[0].state.waiting.reason}", "ErrImageNeverPull");
    }

    [Fact]
    public async Task Mounts_spread_as_far_as_is_asked()
    {
        var space = await cluster.SpaceAsync();
        var here = Directory.CreateTempSubdirectory("minke-spread-").FullName;
        async Task Mount(params string[] arguments) => _ = (await cluster.Machine.RunAsync("mount", arguments)).Text;
        await Mount("--bind", here, here);
        await Mount("--make-shared", here);
        foreach (var name in (string[])["machine", "container"])
            Directory.CreateDirectory(Path.Combine(here, name));
        try
        {
            var volume = $"volumes: [{{name: v, hostPath: {{path: {here}}}}}]";
            string Mounts(string propagation) => $"volumeMounts: [{{name: v, mountPath: /v, mountPropagation: {propagation}}}]";
            await space.ApplyAsync(
                Space.Pod("both", container: "securityContext: {privileged: true}\n" + Mounts("Bidirectional"), spec: volume)
                + Space.Pod("into", container: Mounts("HostToContainer"), spec: volume) + Space.Pod("none", container: Mounts("None"), spec: volume));
            await space.ReadyAsync("both", "into", "none");
            Assert.Contains("Bidirectional mount propagation is available only to privileged containers",
                await space.RefusalAsync(Space.Pod("refused", container: Mounts("Bidirectional"), spec: volume)), StringComparison.Ordinal);

            await Mount("-t", "tmpfs", "spread", here + "/machine");
            await space.ExecAsync("both", "mount -t tmpfs spread /v/container");

            const string seen = "echo $(grep '^spread ' /proc/mounts | cut -d ' ' -f 2 | sort)";
            Assert.Equal("/v/container /v/machine", await space.ExecAsync("both", seen));
            Assert.Equal("/v/container /v/machine", await space.ExecAsync("into", seen));
            Assert.Equal("", await space.ExecAsync("none", seen));
            Assert.Contains(here + "/container", await File.ReadAllTextAsync("/proc/mounts", TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
        finally
        {
            await space.GetAsync("delete", "pods", "--all", "--now");
            foreach (var place in (string[])["/machine", "/container", ""])
                await cluster.Machine.RunAsync("umount", "-l", here + place);
            Directory.Delete(here, recursive: true);
        }
    }
}
