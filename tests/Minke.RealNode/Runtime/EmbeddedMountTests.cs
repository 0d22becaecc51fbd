using Minke.Node.Linux;
using Minke.Node.Runtime;

namespace Minke.RealNode.Runtime;

/// <summary>Volumes, their propagation, and images as volumes.</summary>
public sealed class EmbeddedMountTests(EmbeddedFixture fixture) : EmbeddedTestBase(fixture)
{
    [Fact]
    public async Task Mounts_are_writable_or_read_only_as_asked_and_nest_in_any_order()
    {
        var outer = Directory.CreateDirectory(Path.Combine(Fixture.Root, "outer")).FullName;
        var inner = Directory.CreateDirectory(Path.Combine(Fixture.Root, "inner")).FullName;
        var file = Path.Combine(Fixture.Root, "single");
        File.WriteAllText(file, "single\n");
        var output = await OutputAsync("echo a > /v/in/a; (echo b > /v/b) 2>/dev/null || echo refused; cat /etc/one", config => config with
        {
            Mounts =
            [
                new ContainerMount { ContainerPath = "/v/in", HostPath = inner },
                new ContainerMount { ContainerPath = "/v", HostPath = outer, IsReadOnly = true },
                new ContainerMount { ContainerPath = "/etc/one", HostPath = file, IsReadOnly = true },
            ],
        });
        Assert.Equal("refused\nsingle", output);
        Assert.True(File.Exists(Path.Combine(inner, "a")));
    }

    [Fact]
    public async Task Read_only_reaches_submounts_only_when_recursive()
    {
        var outer = Directory.CreateDirectory(Path.Combine(Fixture.Root, "recursive")).FullName;
        var sub = Directory.CreateDirectory(Path.Combine(outer, "sub")).FullName;
        Mounts.Mount("x", sub, "tmpfs", MountFlags.None);
        try
        {
            foreach (var (recursive, expected) in new[] { (false, "written"), (true, "refused") })
            {
                Assert.Equal(expected, await OutputAsync("(echo x > /v/sub/x) 2>/dev/null && echo written || echo refused", config => config with
                {
                    Mounts = [new ContainerMount { ContainerPath = "/v", HostPath = outer, IsReadOnly = true, IsRecursiveReadOnly = recursive }],
                }));
            }
        }
        finally
        {
            Mounts.Unmount(sub);
        }
    }

    [Fact]
    public async Task Mounts_propagate_both_ways_when_asked()
    {
        var shared = Directory.CreateDirectory(Path.Combine(Fixture.Root, "shared")).FullName;
        Mounts.Bind(shared, shared);
        Mounts.Mount("none", shared, null, MountFlags.MS_SHARED);
        foreach (var name in (string[])["from-machine", "from-container"])
            Directory.CreateDirectory(Path.Combine(shared, name));
        try
        {
            var sandbox = await RunPodAsync();
            ContainerConfig With(string name, MountPropagation propagation) => Shell(name: name) with
            {
                Security = new ContainerSecurity { Privileged = true },
                Mounts = [new ContainerMount { ContainerPath = "/v", HostPath = shared, Propagation = propagation }],
            };
            var both = await StartAsync(sandbox, With("both", MountPropagation.Bidirectional));
            var into = await StartAsync(sandbox, With("into", MountPropagation.HostToContainer));
            var none = await StartAsync(sandbox, With("none", MountPropagation.Private));

            Mounts.Mount("x", Path.Combine(shared, "from-machine"), "tmpfs", MountFlags.None);
            await ExecAsync(both, "mount", "-t", "tmpfs", "x", "/v/from-container");
            Assert.Contains(Mounts.List(), mount => mount.MountPoint == Path.Combine(shared, "from-container"));
            Assert.Contains("/v/from-machine", await ExecAsync(both, "cat", "/proc/mounts"), StringComparison.Ordinal);
            var seen = await ExecAsync(into, "cat", "/proc/mounts");
            Assert.Contains("/v/from-machine", seen, StringComparison.Ordinal);
            Assert.Contains("/v/from-container", seen, StringComparison.Ordinal);
            Assert.DoesNotContain("/v/from", await ExecAsync(none, "cat", "/proc/mounts"), StringComparison.Ordinal);
        }
        finally
        {
            foreach (var mount in Mounts.List().Where(mount => mount.MountPoint.StartsWith(shared, StringComparison.Ordinal)).Reverse().ToList())
                Mounts.Unmount(mount.MountPoint);
        }
    }

    [Fact]
    public async Task Propagation_from_what_is_not_shared_is_refused()
    {
        var plain = Directory.CreateDirectory(Path.Combine(Fixture.Root, "plain")).FullName;
        Mounts.Bind(plain, plain);
        Mounts.Mount("none", plain, null, MountFlags.MS_PRIVATE);
        try
        {
            var sandbox = await RunPodAsync();
            var error = await Assert.ThrowsAsync<RuntimeException>(() => Runtime.CreateContainerAsync(sandbox, Shell() with
            {
                Mounts = [new ContainerMount { ContainerPath = "/v", HostPath = plain, Propagation = MountPropagation.Bidirectional }],
            }, Token));
            Assert.Equal($"path \"{plain}\" is mounted on \"{plain}\" but it is not a shared mount", error.Message);
        }
        finally
        {
            Mounts.Unmount(plain);
        }
    }

    [Fact]
    public async Task An_image_can_be_mounted_read_only_whole_or_in_part()
    {
        var second = Directory.CreateDirectory(Path.Combine(Fixture.Root, "layer-2/opt/data")).FullName;
        File.WriteAllText(Path.Combine(second, "more"), "from the second layer\n");
        Fixture.Images.Add("sha256:data", new ImageConfig(), Fixture.Images.Layer, Path.Combine(Fixture.Root, "layer-2"));
        var output = await OutputAsync("cat /whole/opt/data/file /part/more; touch /part/x 2>&1 || true; rm /whole/opt/data/file 2>&1 || true", config => config with
        {
            Mounts =
            [
                new ContainerMount { ContainerPath = "/whole", ImageId = "sha256:data" },
                new ContainerMount { ContainerPath = "/part", ImageId = "sha256:data", ImageSubPath = "opt/data" },
            ],
        });
        Assert.Equal("from the image\nfrom the second layer\ntouch: /part/x: Read-only file system\nrm: can't remove '/whole/opt/data/file': Read-only file system", output);
    }

    [Fact]
    public async Task Volumes_of_the_image_stay_writable_on_a_read_only_root()
    {
        Fixture.Images.Add("sha256:volumes", new ImageConfig { Env = ["PATH=/bin"], Volumes = ["/opt/data", "/not/there"] }, Fixture.Images.Layer);
        Assert.Equal("from the image\nwritten\nwritten", await OutputAsync(
            "cat /opt/data/file; touch /opt/data/x && echo written; touch /not/there/x && echo written", config => config with
            {
                ImageId = "sha256:volumes",
                Security = new ContainerSecurity { ReadOnlyRootFilesystem = true },
            }));
    }

    [Fact]
    public async Task Images_of_many_layers_become_one_root_file_system()
    {
        var layers = new List<string> { Fixture.Images.Layer };
        for (var i = 0; i < 100; i++)
        {
            var layer = Directory.CreateDirectory(Path.Combine(Fixture.Root, $"a-layer-with-quite-a-long-name-so-that-a-page-is-not-enough-{i}")).FullName;
            File.WriteAllText(Path.Combine(layer, $"file-{i}"), "");
            layers.Add(layer);
        }
        Fixture.Images.Add("sha256:deep", new ImageConfig { Env = ["PATH=/bin"] }, [.. layers]);
        Assert.Equal("100", await OutputAsync("ls -d /file-* | wc -l", config => config with { ImageId = "sha256:deep" }));
    }

    [Fact]
    public async Task Containers_do_not_see_each_others_files()
    {
        var sandbox = await RunPodAsync();
        var first = await StartAsync(sandbox, Shell(name: "first"));
        var second = await StartAsync(sandbox, Shell(name: "second"));
        await ExecAsync(first, "touch", "/only-here");
        Assert.DoesNotContain("only-here", await ExecAsync(second, "ls", "/"), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Fixture.Images.Layer, "only-here")));
    }
}
