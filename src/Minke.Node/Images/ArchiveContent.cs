using System.Text;
using Minke.Node.Images.Layers;

namespace Minke.Node.Images;

/// <summary>An archive of images that lies open: a directory, or a tar that was read to its end.</summary>
internal abstract class ArchiveContent : IBlobSource, IDisposable
{
    public abstract bool Has(string name);

    /// <summary>All of a small file.</summary>
    /// <exception cref="InvalidDataException">It is not there or too large.</exception>
    public abstract Task<byte[]> ReadAsync(string name, int limit, CancellationToken cancellationToken);

    /// <summary>Gives a file to the store as a blob without copying it, where that is possible. The result holds the blob.</summary>
    public abstract Task<FileStream?> AdoptAsync(string name, Digest digest, CancellationToken cancellationToken);

    /// <summary>Digest and size of a file, and whether it is compressed with gzip.</summary>
    public abstract Task<(Digest Digest, long Size, bool IsGzip)> DescribeAsync(string name, CancellationToken cancellationToken);

    public abstract Task<Stream> OpenAsync(Descriptor blob, long offset, CancellationToken cancellationToken);

    public abstract void Dispose();

    public static string BlobName(Digest digest) => $"blobs/{digest.Algorithm}/{digest.Hex}";

    protected static InvalidDataException Missing(string name) => new($"image archive does not contain \"{name}\"");
}

/// <summary>An OCI image layout in a directory. Only what is asked for by digest is opened.</summary>
internal sealed class DirectoryArchive(string directory) : ArchiveContent
{
    public override bool Has(string name) => File.Exists(PathOf(name));

    public override async Task<byte[]> ReadAsync(string name, int limit, CancellationToken cancellationToken)
    {
        if (!Has(name))
            throw Missing(name);
        if (new FileInfo(PathOf(name)).Length > limit)
            throw new InvalidDataException($"\"{name}\" in image archive exceeds the limit of {limit} bytes");
        return await File.ReadAllBytesAsync(PathOf(name), cancellationToken);
    }

    public override Task<FileStream?> AdoptAsync(string name, Digest digest, CancellationToken cancellationToken) => Task.FromResult<FileStream?>(null);

    public override void Dispose() { }

    public override Task<(Digest Digest, long Size, bool IsGzip)> DescribeAsync(string name, CancellationToken cancellationToken) =>
        throw new InvalidDataException("a docker-archive is read from a tar, not from a directory");

    public override Task<Stream> OpenAsync(Descriptor blob, long offset, CancellationToken cancellationToken)
    {
        var name = BlobName(blob.Digest);
        if (!Has(name))
            throw Missing(name);
        return Task.FromResult<Stream>(new FileStream(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0, FileOptions.Asynchronous)
        {
            Position = offset,
        });
    }

    private string PathOf(string name) => Path.Combine(directory, name);
}

/// <summary>A tar of images. Its files may come in any order, so each is put into the store's own directory while reading.</summary>
internal sealed class TarArchive : ArchiveContent
{
    private const int MaximumFiles = 100_000;
    private readonly Dictionary<string, Spooled> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _links = new(StringComparer.Ordinal);

    public static async Task<TarArchive> ReadAsync(Stream input, ImageStore store, CancellationToken cancellationToken)
    {
        var archive = new TarArchive();
        try
        {
            await using var plain = await Decompression.OpenAsync(input, cancellationToken);
            var reader = new LayerTarReader(plain);
            while (await reader.ReadHeaderAsync(cancellationToken) is { } header)
            {
                var name = Normalise(header.Name);
                if (archive._files.Count + archive._links.Count >= MaximumFiles)
                    throw new InvalidDataException($"image archive has more than {MaximumFiles} files");
                if (header.Kind == TarKind.File && header.Extents is null)
                    await archive.SpoolAsync(name, reader, header.Size, store, cancellationToken);
                else if (header.Kind == TarKind.Symlink)
                    // Old "docker save" links layers that several images share.
                    archive._links[name] = Normalise(Encoding.UTF8.GetBytes(Path.Combine(Path.GetDirectoryName(name) ?? "", Encoding.UTF8.GetString(header.LinkName))));
                else if (header.Kind == TarKind.Hardlink)
                    archive._links[name] = Normalise(header.LinkName);
            }
            // A writer on the other end of a pipe must not fail because we stopped at the end mark.
            var rest = new byte[64 * 1024];
            while (await plain.ReadAsync(rest, cancellationToken) > 0) { }
            return archive;
        }
        catch
        {
            archive.Dispose();
            throw;
        }
    }

    public override bool Has(string name) => Find(name) is not null;

    public override async Task<byte[]> ReadAsync(string name, int limit, CancellationToken cancellationToken)
    {
        var file = Find(name) ?? throw Missing(name);
        if (file.Size > limit)
            throw new InvalidDataException($"\"{name}\" in image archive exceeds the limit of {limit} bytes");
        var bytes = new byte[file.Size];
        await using var stream = file.Open();
        await stream.ReadExactlyAsync(bytes, cancellationToken);
        return bytes;
    }

    public override async Task<FileStream?> AdoptAsync(string name, Digest digest, CancellationToken cancellationToken)
    {
        var file = Find(name) ?? throw Missing(name);
        if (file.Digest != digest)
            throw new InvalidDataException($"\"{name}\" in image archive is corrupt: its digest is {file.Digest}");
        return await file.AdoptAsync(cancellationToken);
    }

    public override async Task<(Digest Digest, long Size, bool IsGzip)> DescribeAsync(string name, CancellationToken cancellationToken)
    {
        var file = Find(name) ?? throw Missing(name);
        var head = new byte[2];
        await using var stream = file.Open();
        await stream.ReadAtLeastAsync(head, 2, throwOnEndOfStream: false, cancellationToken);
        return (file.Digest, file.Size, head is [0x1f, 0x8b]);
    }

    public override Task<Stream> OpenAsync(Descriptor blob, long offset, CancellationToken cancellationToken) =>
        throw Missing(BlobName(blob.Digest));

    public override void Dispose()
    {
        foreach (var file in _files.Values)
            file.Dispose();
        _files.Clear();
    }

    private async Task SpoolAsync(string name, LayerTarReader reader, long size, ImageStore store, CancellationToken cancellationToken)
    {
        // A blob that says its name is hashed with its algorithm; everything else gets sha256, the name a docker-archive needs.
        var like = name.Split('/') is ["blobs", var algorithm, var hex] && Digest.TryParse($"{algorithm}:{hex}", out var named)
            ? named : Digest.OfSha256([]);
        var file = store.NewTemporary();
        try
        {
            await using var content = new DigestStream(new EntryStream(reader), like, size, file);
            var digest = Digest.Parse(await content.FinishAsync(cancellationToken));
            if (_files.Remove(name, out var before))
                before.Dispose();
            _files[name] = new Spooled(store, file, digest, size);
        }
        catch
        {
            File.Delete(file.Name);
            await file.DisposeAsync();
            throw;
        }
    }

    private Spooled? Find(string name)
    {
        // Links to links are allowed, circles are not.
        for (var hops = 0; hops < 16; hops++)
        {
            if (_files.TryGetValue(name, out var file))
                return file;
            if (!_links.TryGetValue(name, out var target))
                return null;
            name = target;
        }
        return null;
    }

    private static string Normalise(ReadOnlySpan<byte> name)
    {
        var parts = LayerTree.Split(name);
        return Encoding.UTF8.GetString(LayerTree.Join(parts, parts.Count));
    }

    /// <summary>One file of the archive, outside of the archive until the store takes it over.</summary>
    private sealed class Spooled(ImageStore store, FileStream file, Digest digest, long size) : IDisposable
    {
        private bool _isAdopted;

        public Digest Digest => digest;
        public long Size => size;

        public FileStream Open() => _isAdopted
            ? store.OpenBlob(digest) ?? throw new IOException($"blob {digest} vanished from the image store")
            : new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(file.SafeFileHandle.DangerousGetHandle(), ownsHandle: false), FileAccess.Read, 0) { Position = 0 };

        public async Task<FileStream> AdoptAsync(CancellationToken cancellationToken)
        {
            using var turn = await store.BlobLocks.EnterAsync(digest.ToString(), cancellationToken);
            if (store.OpenBlob(digest) is { } present)
            {
                if (present.Length == size)
                    return present;
                await present.DisposeAsync();
            }
            if (_isAdopted)
                throw new IOException($"blob {digest} vanished from the image store");
            await file.FlushAsync(cancellationToken);
            _isAdopted = true;
            var path = file.Name;
            // The exclusive lock that kept it from collection goes with the file; the store's lock takes its place inside.
            return store.AdoptBlob(digest, path, file);
        }

        public void Dispose()
        {
            if (!_isAdopted)
                File.Delete(file.Name);
            file.Dispose();
        }
    }

    private sealed class EntryStream(LayerTarReader reader) : ReadOnlyStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            reader.ReadAsync(buffer, cancellationToken);
    }
}
