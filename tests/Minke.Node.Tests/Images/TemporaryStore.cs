using Minke.Node.Images;

namespace Minke.Node.Tests.Images;

/// <summary>A store in a directory of its own, which goes with it.</summary>
internal sealed class TemporaryStore : IDisposable
{
    public TemporaryStore()
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("minke-images-").FullName;
        Store = ImageStore.Open(Path.Combine(Directory, "store"), TimeProvider.System);
        Archive = new ImageArchive(Store, TimeProvider.System);
    }

    public string Directory { get; }
    public ImageStore Store { get; }
    public ImageArchive Archive { get; }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Names below l/, blobs and partial: what is on disk.</summary>
    public IReadOnlyList<string> Layers => [.. System.IO.Directory.EnumerateDirectories(Path.Combine(Store.Root, "l"))];
    public IReadOnlyList<string> Blobs =>
        [.. System.IO.Directory.EnumerateFiles(Path.Combine(Store.Root, "blobs"), "*", SearchOption.AllDirectories)];
    public IReadOnlyList<string> Partial => [.. System.IO.Directory.EnumerateFiles(Path.Combine(Store.Root, "partial"))];

    public void AssertEmpty()
    {
        Assert.Empty(Store.List());
        Assert.Empty(Layers);
        Assert.Empty(Blobs);
        Assert.Empty(Partial);
    }

    public void Dispose()
    {
        Store.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}
