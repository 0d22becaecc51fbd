namespace Minke.Node.Runtime;

/// <summary>The images of one machine: CRI's image service.</summary>
public interface IImageService
{
    /// <summary>
    /// Brings an image here. <paramref name="reference"/> is as a person writes it (<c>nginx</c>, <c>host:5000/team/app:1</c>,
    /// <c>app@sha256:…</c>). Pulls of the same image at the same time are one pull.
    /// </summary>
    /// <exception cref="ImageException">Says what failed and which reason a waiting container shows.</exception>
    Task<ImageInfo> PullAsync(
        string reference, IReadOnlyList<RegistryCredential> credentials, IProgress<PullProgress>? progress, CancellationToken cancellationToken);

    /// <summary>The image a reference or image id means, or null when it is not here.</summary>
    ImageInfo? Find(string referenceOrId);

    IReadOnlyList<ImageInfo> List();

    /// <summary>Removes the image and every layer only it uses. False when it is not here.</summary>
    Task<bool> RemoveAsync(string referenceOrId, CancellationToken cancellationToken);

    /// <summary>Bytes and inodes the images use on disk, and the mount point they live on.</summary>
    Task<ImageFileSystem> FileSystemAsync(CancellationToken cancellationToken);
}

/// <summary>What a registry accepts for one repository or host.</summary>
public sealed record RegistryCredential(string Username, string Password, string IdentityToken = "", string RegistryToken = "");

public sealed record PullProgress(string Reference, string Layer, long DoneBytes, long TotalBytes);

public sealed record ImageInfo
{
    /// <summary>Digest of the configuration: <c>sha256:…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Normalised names with tags: <c>docker.io/library/nginx:latest</c>.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Names with digests of the manifest: <c>docker.io/library/nginx@sha256:…</c>.</summary>
    public IReadOnlyList<string> Digests { get; init; } = [];
    public required long SizeBytes { get; init; }
    public required ImageConfig Config { get; init; }

    /// <summary>Directories of the unpacked layers, lowest first: overlayfs lower directories, reversed.</summary>
    public required IReadOnlyList<string> LayerDirectories { get; init; }

    /// <summary>Never collected while true.</summary>
    public bool IsPinned { get; init; }
    public DateTimeOffset LastUsedAt { get; init; }
}

/// <summary>The parts of the OCI image configuration a container starts from.</summary>
public sealed record ImageConfig
{
    /// <summary><c>user</c>, <c>uid</c>, <c>user:group</c> or <c>uid:gid</c>; empty for root.</summary>
    public string User { get; init; } = "";
    public IReadOnlyList<string> Env { get; init; } = [];
    public IReadOnlyList<string> Entrypoint { get; init; } = [];
    public IReadOnlyList<string> Cmd { get; init; } = [];
    public string WorkingDir { get; init; } = "";
    public string StopSignal { get; init; } = "";
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public IReadOnlyList<string> Volumes { get; init; } = [];
    public string Architecture { get; init; } = "";
    public string Os { get; init; } = "";
}

public sealed record ImageFileSystem(string Mountpoint, long UsedBytes, long UsedInodes);

/// <summary>An image that could not be had.</summary>
public sealed class ImageException : Exception
{
    public ImageException(string reason, string message) : base(message) => Reason = reason;
    public ImageException(string reason, string message, Exception inner) : base(message, inner) => Reason = reason;

    /// <summary><c>ErrImagePull</c>, <c>InvalidImageName</c>, <c>RegistryUnavailable</c>, <c>SignatureValidationFailed</c>, <c>ImageInspectError</c>, <c>ErrImageNeverPull</c>.</summary>
    public string Reason { get; }

    /// <summary>CRI's status code when it says something (<c>NotFound</c>), else null: the kubelet cuts <c>Unknown</c> off.</summary>
    public string? RpcCode { get; init; }

    /// <summary>The message as the kubelet puts it into events and waiting states.</summary>
    public string EventMessage => RpcCode is null ? Message : $"rpc error: code = {RpcCode} desc = {Message}";
}
