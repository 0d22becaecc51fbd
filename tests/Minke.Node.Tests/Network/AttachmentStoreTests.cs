using Minke.Node.Network;
using Minke.Node.Runtime;

namespace Minke.Node.Tests.Network;

public sealed class AttachmentStoreTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-attachments-").FullName;

    private AttachmentStore Store()
    {
        var store = new AttachmentStore(_directory);
        store.Create();
        return store;
    }

    private static AttachmentRecord Record(string id, string address = "10.42.0.5") => new()
    {
        Sandbox = new SandboxId(id),
        Namespace = "shop",
        Name = "web-0",
        Uid = "1",
        Address = address,
        AttachedAt = DateTimeOffset.UnixEpoch,
        HostPorts = [new PortMapping("TCP", 80, 8080, "127.0.0.1")],
    };

    [Fact]
    public void What_was_written_is_read_by_the_next_life()
    {
        var store = Store();
        store.Write(Record("b", "10.42.0.6"));
        store.Write(Record("a"));
        store.WriteRange(Ipv4Range.Parse("10.42.0.0/22"));
        var read = Store().ReadAll();
        Assert.Equal(["a", "b"], read.Select(record => record.Sandbox.Value));
        Assert.Equal(Record("a") with { HostPorts = [] }, read[0] with { HostPorts = [] });
        Assert.Equal(Record("a").HostPorts, read[0].HostPorts);
        Assert.Equal("10.42.0.0/22", Store().ReadRange().ToString());
        store.Remove(new SandboxId("a"));
        store.Remove(new SandboxId("a"));
        Assert.Single(Store().ReadAll());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"sandbox\":")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("\0\0\0\0")]
    public void What_a_power_cut_left_is_removed(string text)
    {
        var store = Store();
        File.WriteAllText(Path.Combine(_directory, "sandboxes", "a"), text);
        store.Write(Record("b"));
        Assert.Equal(["b"], store.ReadAll().Select(record => record.Sandbox.Value));
        Assert.Equal(["b"], Directory.GetFiles(Path.Combine(_directory, "sandboxes")).Select(Path.GetFileName));
    }

    [Fact]
    public void A_record_under_another_name_is_not_believed()
    {
        var store = Store();
        store.Write(Record("a"));
        File.Move(Path.Combine(_directory, "sandboxes", "a"), Path.Combine(_directory, "sandboxes", "a.new"));
        Assert.Empty(store.ReadAll());
    }

    [Theory]
    [InlineData("")]
    [InlineData("../range")]
    [InlineData("a.new")]
    public void An_id_that_is_no_file_name_is_refused(string id) => Assert.Throws<ArgumentException>(() => Store().Write(Record(id)));

    [Fact]
    public void Destroying_leaves_nothing()
    {
        var store = Store();
        store.Write(Record("a"));
        store.WriteRange(Ipv4Range.Parse("10.42.0.0/22"));
        store.Destroy();
        store.Destroy();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
