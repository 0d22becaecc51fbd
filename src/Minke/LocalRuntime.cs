using Microsoft.Extensions.Logging;
using Minke.Node;
using Minke.Node.Images;
using Minke.Node.Images.Registries;
using Minke.Node.Network;
using Minke.Node.Runtime.Embedded;

namespace Minke;

/// <summary>What runs containers on this machine: images, pod network and the embedded runtime over both. Needs no API server.</summary>
internal sealed class LocalRuntime : IAsyncDisposable
{
    private readonly Stack<object> _owned;

    private LocalRuntime(Stack<object> owned) => _owned = owned;

    public required ImageStore ImageStore { get; init; }
    public required ImageService Images { get; init; }
    public required EmbeddedRuntime Runtime { get; init; }

    public static async Task<LocalRuntime> OpenAsync(
        NodeOptions places, string? registriesFile, TimeProvider clock, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var owned = new Stack<object>();
        try
        {
            var registries = registriesFile is null ? RegistriesConfig.Empty : RegistriesConfig.Load(registriesFile);
            var imageStore = Own(ImageStore.Open(places.Images, clock, loggers.CreateLogger<ImageStore>()));
            var images = Own(new ImageService(imageStore, registries, new PullOptions(), clock, new Random()));
            var network = Own(await BridgeNetwork.OpenAsync(places.Network, clock, loggers.CreateLogger<BridgeNetwork>(), cancellationToken));
            var runtime = Own(await EmbeddedRuntime.OpenAsync(places.Runtime, images, network, clock, loggers, cancellationToken));
            return new(owned) { ImageStore = imageStore, Images = images, Runtime = runtime };
        }
        catch
        {
            await Closing.AllAsync(owned);
            throw;
        }

        T Own<T>(T part) where T : class
        {
            owned.Push(part);
            return part;
        }
    }

    public ValueTask DisposeAsync() => Closing.AllAsync(_owned);
}
