using Minke.Cli.Kubeconfigs;
using Minke.Cli.Manifests;
using Minke.TestSupport.Fuzzing;

namespace Minke.Cli.Tests;

/// <summary>Files that people write for the command line.</summary>
public sealed class FuzzTests
{
    [Fact]
    public void Kubeconfigs() => Fuzz.RunText("kubeconfig", text => Kubeconfig.Parse(text), [typeof(KubeconfigException)], bytesPerByte: 200_000);

    [Fact]
    public void Manifests() => Fuzz.RunText("manifest", text => Assert.All(ManifestReader.Parse("f", text), manifest => Assert.NotNull(manifest.Name)),
        [typeof(CliException)], bytesPerByte: 200_000);
}
