namespace Minke.Node.Images;

/// <summary>Where the layers of an image come from: a registry, or a directory that holds an OCI layout.</summary>
internal interface IBlobSource
{
    /// <summary>The blob's bytes from an offset on. The reader checks the digest.</summary>
    Task<Stream> OpenAsync(Descriptor blob, long offset, CancellationToken cancellationToken);
}
