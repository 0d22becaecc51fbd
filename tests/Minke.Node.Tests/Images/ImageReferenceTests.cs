using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Images;
using Minke.Node.Runtime;

namespace Minke.Node.Tests.Images;

/// <summary>Names as Docker and Kubernetes read them.</summary>
public sealed class ImageReferenceTests
{
    private const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("nginx", "docker.io/library/nginx:latest")]
    [InlineData("nginx:1.27", "docker.io/library/nginx:1.27")]
    [InlineData("library/nginx", "docker.io/library/nginx:latest")]
    [InlineData("docker.io/nginx", "docker.io/library/nginx:latest")]
    [InlineData("index.docker.io/team/app:1", "docker.io/team/app:1")]
    [InlineData("team/app", "docker.io/team/app:latest")]
    [InlineData("localhost/app", "localhost/app:latest")]
    [InlineData("localhost:5000/app:v1", "localhost:5000/app:v1")]
    [InlineData("[::1]:5000/app", "[::1]:5000/app:latest")]
    [InlineData("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10")]
    [InlineData("HOST/app", "HOST/app:latest")]
    [InlineData("a.b/c__d/e-f.g/h---i:T_a.g-1", "a.b/c__d/e-f.g/h---i:T_a.g-1")]
    [InlineData("nginx@" + Digest, "docker.io/library/nginx@" + Digest)]
    [InlineData("nginx:1@" + Digest, "docker.io/library/nginx@" + Digest)]
    public void A_name_has_one_full_form(string text, string full) => Assert.Equal(full, ImageReference.Parse(text).ToString());

    [Theory]
    [InlineData("", "invalid reference format")]
    [InlineData(" nginx", "invalid reference format")]
    [InlineData("nginx\n", "invalid reference format")]
    [InlineData("nginx:", "invalid reference format")]
    [InlineData("nginx:-1", "invalid reference format")]
    [InlineData("nginx@", "invalid reference format")]
    [InlineData("/nginx", "invalid reference format")]
    [InlineData("nginx/", "invalid reference format")]
    [InlineData("a//b", "invalid reference format")]
    [InlineData("a..b/c", "invalid reference format")]
    [InlineData("-a/b", "invalid reference format")]
    [InlineData("a_-b", "invalid reference format")]
    [InlineData("https://x/y", "invalid reference format")]
    [InlineData("Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase")]
    [InlineData("docker.io/Team/app", "invalid reference format: repository name (Team/app) must be lowercase")]
    [InlineData("nginx@sha256:0123456789abcdef0123456789abcdef", "invalid checksum digest length")]
    [InlineData("nginx@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm")]
    [InlineData("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "invalid repository name (0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef), cannot specify 64-byte hexadecimal strings")]
    public void A_bad_name_gets_upstreams_message(string text, string message)
    {
        var failure = Assert.Throws<ImageException>(() => ImageReference.Parse(text));
        Assert.Equal("InvalidImageName", failure.Reason);
        Assert.Equal($"couldn't parse image name \"{text}\": {message}", failure.Message);
    }

    [Fact]
    public void Lengths_have_limits()
    {
        Assert.True(ImageReference.TryParse($"a.b/{new string('x', 255)}", out _, out _));
        Assert.False(ImageReference.TryParse($"a.b/{new string('x', 256)}", out _, out var error));
        Assert.Equal("repository name must not be more than 255 characters", error);
        Assert.True(ImageReference.TryParse($"a:{new string('x', 128)}", out _, out _));
        Assert.False(ImageReference.TryParse($"a:{new string('x', 129)}", out _, out _));
    }

    [Fact]
    public void The_full_form_means_itself()
    {
        var alphabet = Gen.Elements([.. "aZ09._-/:@[]\n% é", .. "abcdocker.io"]);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll(alphabet.ArrayOf().ToArbitrary(), characters =>
        {
            if (ImageReference.TryParse(new string(characters), out var reference, out var error))
                Assert.Equal(reference!.ToString(), ImageReference.Parse(reference.ToString()).ToString());
            else
                Assert.NotEmpty(error);
        }));
    }

    [Fact]
    public void A_long_hostile_name_is_refused_quickly() =>
        Assert.False(ImageReference.TryParse($"a.b/{string.Concat(Enumerable.Repeat("a-", 100_000))}", out _, out _));
}
