using Minke.Cli.Clusters;

namespace Minke.Cli.Tests.Clusters;

public sealed class DataDirectoryTests : IDisposable
{
    private readonly DataDirectory _data = new(Directory.CreateTempSubdirectory("minke-data-").FullName);

    public void Dispose() => Directory.Delete(_data.Root, recursive: true);

    [Fact]
    public void One_process_at_a_time_holds_a_directory()
    {
        using (ClusterLock.TryTake(_data))
            Assert.Null(ClusterLock.TryTake(_data));
        using var again = ClusterLock.TryTake(_data);
        Assert.NotNull(again);
    }

    [Fact]
    public void A_record_counts_only_while_its_process_lives()
    {
        var record = new ClusterRecord
        {
            Pid = Environment.ProcessId,
            ProcessStart = ClusterRecord.StartOf(Environment.ProcessId)!.Value,
            Version = "0.1.0",
            Server = new Uri("https://127.0.0.1:6444"),
            NodeName = "web-1",
            StartedAt = DateTimeOffset.UnixEpoch,
        };
        Assert.Null(_data.RunningCluster());

        _data.WriteRecord(record);
        Assert.Equal(record, _data.RunningCluster());

        _data.WriteRecord(record with { ProcessStart = record.ProcessStart + 1 }); // the pid was used again
        Assert.Null(_data.RunningCluster());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("null")]
    public void A_damaged_record_is_none(string text)
    {
        File.WriteAllText(_data.RecordFile, text);
        Assert.Null(_data.RunningCluster());
    }

    [Fact]
    public void Directories_are_told_apart_by_a_short_name()
    {
        Assert.Matches("^[0-9a-f]{8}$", new DataDirectory("/tmp/a").InstanceId);
        Assert.NotEqual(new DataDirectory("/tmp/a").InstanceId, new DataDirectory("/tmp/b").InstanceId);
        Assert.Equal(new DataDirectory("/tmp/a").InstanceId, new DataDirectory("/tmp/./a/").InstanceId);
    }
}
