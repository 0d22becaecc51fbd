using System.Text;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Images;
using Minke.Node.Images.Layers;
using Minke.Node.Images.Registries;
using Minke.Node.Images.Store;
using Minke.Node.Pods;
using Minke.Node.Pods.Probes;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;
using Minke.TestSupport.Fuzzing;

namespace Minke.Node.Tests;

/// <summary>What registries, images and containers send to the node. (The kernel's messages, tar archives and environments are beside their readers.)</summary>
public sealed class FuzzTests
{
    [Fact]
    public void Image_references() => Fuzz.RunText("image-reference", text =>
    {
        if (!ImageReference.TryParse(text, out var reference, out var error))
            Assert.NotEmpty(error);
        else
            Assert.Equal(reference!.ToString(), ImageReference.Parse(reference.ToString()).ToString());
    }, []);

    [Fact]
    public void Manifests() => Fuzz.Run("image-manifest", input => ImageDocuments.ReadManifest(input, ""), [typeof(InvalidDataException)]);

    [Fact]
    public void Configurations_of_images() => Fuzz.Run("image-config", input => ImageDocuments.ReadConfig(input), [typeof(InvalidDataException)]);

    [Fact]
    public void Challenges() => Fuzz.RunText("auth-challenge", text => Assert.NotNull(AuthChallenge.Parse(text)["realm"]), []);

    [Fact]
    public void Registries_files() => Fuzz.RunText("registries", text => RegistriesConfig.Parse(text), [typeof(FormatException)], bytesPerByte: 20_000);

    [Fact]
    public void Users_in_an_image() => Fuzz.RunText("passwd", text => Assert.True(ImageUser.Resolve(new ContainerSecurity(), "ann:wheel", text, text).Uid >= 0), [typeof(RuntimeException)]);

    [Fact]
    public void Pull_secrets() => Fuzz.Run("pull-secret", input =>
    {
        foreach (var (type, key) in (ReadOnlySpan<(string, string)>)[("kubernetes.io/dockerconfigjson", ".dockerconfigjson"), ("kubernetes.io/dockercfg", ".dockercfg")])
            Assert.All(PullSecrets.Read(new Secret { Type = type, Data = new[] { KeyValuePair.Create(key, input) }.ToApiMap() }), one => Assert.NotNull(one.Pattern));
    }, []);

    [Fact]
    public void Health_of_grpc() => Fuzz.Run("grpc-status", input => GrpcProbe.ReadStatus(input), []);
}
