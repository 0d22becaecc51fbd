using Minke.Node.Linux;
using Minke.Node.Pods;
using Minke.Node.Volumes;

namespace Minke.RealNode.Volumes;

public sealed class AtomicDirectoryTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("minke-volume-").FullName;

    [Fact]
    public void Files_change_in_one_step_and_old_ones_go()
    {
        var volume = new AtomicDirectory(_root, TimeProvider.System);
        volume.Write(Files(("a", "1"), ("dir/b", "2"), ("gone", "3")), null);
        var before = new FileInfo(Path.Combine(_root, "..data")).LinkTarget;
        Assert.Equal("1", File.ReadAllText(Path.Combine(_root, "a")));
        Assert.Equal("2", File.ReadAllText(Path.Combine(_root, "dir", "b")));
        Assert.Equal("..data/a", new FileInfo(Path.Combine(_root, "a")).LinkTarget);

        volume.Write(Files(("a", "9"), ("dir/b", "2")), null);
        Assert.Equal("9", File.ReadAllText(Path.Combine(_root, "a")));
        Assert.NotEqual(before, new FileInfo(Path.Combine(_root, "..data")).LinkTarget);
        Assert.False(Path.Exists(Path.Combine(_root, "gone")));
        Assert.Null(new FileInfo(Path.Combine(_root, "gone")).LinkTarget);
        Assert.False(Directory.Exists(Path.Combine(_root, before!)));
    }

    [Fact]
    public void The_same_files_are_not_written_again()
    {
        var volume = new AtomicDirectory(_root, TimeProvider.System);
        volume.Write(Files(("a", "1")), null);
        var before = new FileInfo(Path.Combine(_root, "..data")).LinkTarget;
        volume.Write(Files(("a", "1")), null);
        Assert.Equal(before, new FileInfo(Path.Combine(_root, "..data")).LinkTarget);
    }

    [Fact]
    public void What_a_killed_writer_left_undone_is_done_by_the_next()
    {
        var volume = new AtomicDirectory(_root, TimeProvider.System);
        volume.Write(Files(("a", "1")), null);
        File.Delete(Path.Combine(_root, "a"));
        Directory.CreateDirectory(Path.Combine(_root, "..2026_01_01_00_00_00.0000000"));

        volume.Write(Files(("a", "1")), null);
        Assert.Equal("1", File.ReadAllText(Path.Combine(_root, "a")));
        Assert.False(Directory.Exists(Path.Combine(_root, "..2026_01_01_00_00_00.0000000")));
    }

    [Fact]
    public void Modes_and_the_group_are_as_asked()
    {
        new AtomicDirectory(_root, TimeProvider.System).Write(
            new SortedDictionary<string, VolumeFile>(StringComparer.Ordinal) { ["a"] = new([1], 0x100), ["b"] = new([2], 0x1a4) }, 2000);
        var data = Path.Combine(_root, "..data");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead, File.GetUnixFileMode(Path.Combine(data, "a")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(Path.Combine(data, "b")));
    }

    [Fact]
    public void A_sub_path_may_not_lead_out_of_its_volume()
    {
        File.CreateSymbolicLink(Path.Combine(_root, "evil"), "/etc");
        Directory.CreateDirectory(Path.Combine(_root, "good"));
        var target = Path.Combine(_root, "mounts", "0");
        Assert.Throws<ContainerConfigException>(() => SubPaths.Mount(_root, "evil", target, null));
        Assert.Throws<ContainerConfigException>(() => SubPaths.Mount(_root, "evil/passwd", target, null));
        try
        {
            SubPaths.Mount(_root, "good/new/deep", target, null);
            File.WriteAllText(Path.Combine(target, "x"), "1");
            Assert.True(File.Exists(Path.Combine(_root, "good", "new", "deep", "x")));
        }
        finally
        {
            Mounts.Unmount(target);
        }
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static SortedDictionary<string, VolumeFile> Files(params (string Name, string Text)[] files) =>
        new(files.ToDictionary(file => file.Name, file => new VolumeFile(System.Text.Encoding.UTF8.GetBytes(file.Text), 0x1a4)), StringComparer.Ordinal);
}
