using Minke.TestSupport;

namespace Minke.Node.Tests.Images;

/// <summary>The fixture itself: what other tests rely on.</summary>
public sealed class TestImagesTests
{
    [Fact]
    public void The_same_description_gives_the_same_digests()
    {
        var first = (TestImage.Busybox() with { User = "1000" }).Build();
        var second = (TestImage.Busybox() with { User = "1000" }).Build();
        Assert.Equal(first.ManifestDigest, second.ManifestDigest);
        Assert.NotEqual(first.ManifestDigest, TestImage.Busybox().Build().ManifestDigest);
    }

    [Fact]
    public void Every_blob_is_named_by_its_digest()
    {
        var image = (TestImage.Busybox() with { Files = new Dictionary<string, string> { ["etc/motd"] = "hello\n" } }).Build();
        Assert.Equal(4, image.Blobs.Count);
        Assert.All(image.Blobs, blob => Assert.Equal(blob.Key, TestImage.DigestOf(blob.Value)));
    }
}
