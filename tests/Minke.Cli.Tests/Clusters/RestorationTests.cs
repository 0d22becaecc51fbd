using Minke.Cli.Clusters;

namespace Minke.Cli.Tests.Clusters;

public sealed class RestorationTests : IDisposable
{
    private readonly DataDirectory _data = new(Directory.CreateTempSubdirectory("minke-restoration-").FullName);

    public void Dispose() => Directory.Delete(_data.Root, recursive: true);

    /// <summary>Stopped after any of its renames, as by a kill, it leaves all of the old or, for the next to find, all of the new.</summary>
    [Theory]
    [InlineData(0, "old")]
    [InlineData(1, "new")]
    [InlineData(2, "new")]
    [InlineData(3, "new")]
    [InlineData(4, "new")]
    public void Killed_at_any_step_it_leaves_one_state_whole(int renames, string expected)
    {
        Write("", "old");
        var restoration = new Restoration(_data);
        restoration.Begin();
        Write("restoring", "new");
        // What Commit does, cut off.
        var steps = (Action[])
        [
            () => Move("restoring", "restored"),
            () => Move("sealing.keys", "replaced/sealing.keys"),
            () => Move("restored/sealing.keys", "sealing.keys"),
            () => Move("state", "replaced/state"),
        ];
        Directory.CreateDirectory(restoration.Replaced);
        foreach (var step in steps.Take(renames))
            step();

        using (ClusterLock.TryTake(_data))
        {
            Assert.Equal(expected, File.ReadAllText(_data.SealingKeys));
            Assert.Equal(expected, File.ReadAllText(Path.Combine(_data.State, "state.db")));
            Assert.Equal("kept", File.ReadAllText(Path.Combine(_data.Pki, "ca.key")));
        }
        // And another restore begins from there.
        restoration.Begin();
        Write("restoring", "newer");
        Assert.True(restoration.Commit());
        Assert.Equal("newer", File.ReadAllText(_data.SealingKeys));
        Assert.Equal(expected, File.ReadAllText(Path.Combine(restoration.Replaced, "state", "state.db")));
    }

    private void Write(string below, string content)
    {
        var root = Path.Combine(_data.Root, below);
        Directory.CreateDirectory(Path.Combine(root, "state"));
        File.WriteAllText(Path.Combine(root, "state", "state.db"), content);
        File.WriteAllText(Path.Combine(root, "sealing.keys"), content);
        if (below.Length > 0)
            return;
        Directory.CreateDirectory(_data.Pki);
        File.WriteAllText(Path.Combine(_data.Pki, "ca.key"), "kept");
    }

    private void Move(string from, string to) => Directory.Move(Path.Combine(_data.Root, from), Path.Combine(_data.Root, to));
}
