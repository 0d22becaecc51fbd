using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Images;
using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

public sealed class ImageDocumentsTests
{
    [Theory]
    [InlineData("linux", "amd64", null, true)]
    [InlineData("linux", "x86_64", null, true)]
    [InlineData("linux", "amd64", "v1", true)]
    [InlineData("linux", "386", null, true)]
    [InlineData("linux", "amd64", "v4", false)]
    [InlineData("linux", "arm64", null, false)]
    [InlineData("windows", "amd64", null, false)]
    [InlineData("unknown", "unknown", null, false)]
    [InlineData("", "", null, true)]
    public void An_image_fits_when_the_processor_can_run_it(string os, string architecture, string? variant, bool fits)
    {
        var host = new Platform { Os = "linux", Architecture = "amd64", Variant = "v3" };
        Assert.Equal(fits, host.Fit(new Platform { Os = os, Architecture = architecture, Variant = variant }) is not null);
    }

    [Fact]
    public void The_best_that_runs_is_chosen()
    {
        static Descriptor For(string text) => new() { MediaType = MediaTypes.OciManifest, DigestText = text, Platform = Platform.Parse(text) };
        Descriptor[] amd64 = [For("linux/386"), For("linux/amd64/v4"), For("linux/amd64"), For("linux/amd64/v2")];
        Assert.Equal("linux/amd64/v2", PlatformChoice.Choose(amd64, Platform.Parse("linux/amd64/v3"))!.DigestText);
        Assert.Equal("linux/amd64", PlatformChoice.Choose(amd64, Platform.Parse("linux/amd64"))!.DigestText);
        Descriptor[] arm = [For("linux/arm/v6"), For("linux/arm/v7"), For("linux/arm64/v8"), For("linux/amd64")];
        Assert.Equal("linux/arm64/v8", PlatformChoice.Choose(arm, Platform.Parse("linux/arm64"))!.DigestText);
        Assert.Equal("linux/arm/v7", PlatformChoice.Choose(arm[..2], Platform.Parse("linux/arm64"))!.DigestText);
        Assert.Null(PlatformChoice.Choose(arm, Platform.Parse("linux/s390x")));
    }

    /// <summary>Whatever is sent as a manifest or configuration, it is read or refused with a sentence.</summary>
    [Fact]
    public void Documents_survive_any_change()
    {
        var built = (TestImage.FromLayers("x", new TestLayer().File("a", "b")) with { Labels = new Dictionary<string, string> { ["a"] = "b" }, Volumes = ["/v"] }).Build();
        foreach (var seed in (byte[][])[built.Manifest, built.Config])
        {
            var edits = Gen.Zip(Gen.Choose(0, seed.Length - 1), Gen.Elements(Encoding.ASCII.GetBytes("{}[]\":,0-1nulltrue\\ \0x"))).ArrayOf();
            Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(edits.ToArbitrary(), changes =>
            {
                var bytes = (byte[])seed.Clone();
                foreach (var (position, value) in changes)
                    bytes[position] = value;
                try
                {
                    ImageDocuments.ReadManifest(bytes, "");
                }
                catch (InvalidDataException failure)
                {
                    Assert.NotEmpty(failure.Message);
                }
                try
                {
                    ImageDocuments.ReadConfig(bytes).ToImageConfig();
                }
                catch (InvalidDataException failure)
                {
                    Assert.NotEmpty(failure.Message);
                }
            }));
        }
    }

    [Fact]
    public void Deep_nesting_is_an_error_and_not_a_crash() =>
        Assert.Throws<InvalidDataException>(() => ImageDocuments.ReadManifest(Encoding.ASCII.GetBytes($"{{\"config\":{new string('[', 100_000)}"), ""));
}
