using Minke.Cli.Manifests;

namespace Minke.Cli.Tests.Manifests;

public class ManifestReaderTests
{
    [Theory]
    [InlineData("metadata: {name: y}", "f:1: metadata.name must be text, but is true.")]
    [InlineData("metadata: {name: a, namespace: 12}", "f:1: metadata.namespace must be text, but is 12.")]
    [InlineData("metadata: {}", "f:1: Pod has no metadata.name")]
    public void What_tells_objects_apart_must_be_text(string metadata, string message) =>
        Assert.StartsWith(message, Assert.Throws<CliException>(() => ManifestReader.Parse("f", $"apiVersion: v1\nkind: Pod\n{metadata}\n").ToList()).Message, StringComparison.Ordinal);

    [Fact]
    public void What_is_quoted_is_text() =>
        Assert.Equal("y", Assert.Single(ManifestReader.Parse("f", "apiVersion: v1\nkind: Pod\nmetadata: {name: 'y'}\n")).Name);
}
