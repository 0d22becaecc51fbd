using System.Text;
using Minke.Node.Images.Layers;
using Minke.Node.Images.Store;
using Minke.Node.Runtime;

namespace Minke.Node.Images;

/// <summary>What an image is to be made of; its parts are verified by digest as they arrive.</summary>
internal sealed record ImageDraft
{
    /// <summary>For progress and messages.</summary>
    public required string Name { get; init; }
    public IReadOnlyList<string> Tags { get; init; } = [];
    public IReadOnlyList<string> Digests { get; init; } = [];
    public required Digest ManifestDigest { get; init; }
    public required byte[] Manifest { get; init; }
    public required Digest ConfigDigest { get; init; }
    public required byte[] Config { get; init; }

    /// <summary>In a docker-archive: the names of its files by digest.</summary>
    public IReadOnlyDictionary<string, string>? Files { get; init; }

    public string FileOf(Digest digest) => Files?.GetValueOrDefault(digest.ToString()) ?? ArchiveContent.BlobName(digest);
}

/// <summary>
/// Makes an image of the store: fetches, verifies and unpacks its layers side by side, then commits all of them at once. When
/// anything fails, nothing of it stays except downloads that a retry can go on with.
/// </summary>
internal sealed class ImageAssembler(ImageStore store, TimeProvider time, int parallelLayers)
{
    public async Task<ImageInfo> AssembleAsync(
        ImageDraft draft, IBlobSource source, IProgress<PullProgress>? progress, CancellationToken cancellationToken)
    {
        var manifest = ImageDocuments.ReadManifest(draft.Manifest, "");
        var config = ImageDocuments.ReadConfig(draft.Config);
        if (Platform.Host.Fit(config.Platform) is null)
            throw new InvalidDataException(PlatformChoice.NoMatch(draft.Name, [config.Platform], Platform.Host));
        var layers = manifest.Layers ?? [];
        var diffIds = (config.Rootfs?.DiffIds ?? []).Select(Digest.Parse).ToList();
        if (layers.Count != diffIds.Count)
            throw new InvalidDataException($"mismatched image rootfs and manifest layers: {diffIds.Count} diff IDs, {layers.Count} layers");
        if (layers.Find(layer => layer.MediaType?.Contains("+encrypted", StringComparison.Ordinal) == true) is { } encrypted)
            throw new InvalidDataException($"layer {encrypted.DigestText} is encrypted ({encrypted.MediaType}), which is not supported");
        var chainIds = ChainIds(diffIds);

        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var slots = new SemaphoreSlim(parallelLayers);
        var work = new List<Task<LayerLease>>(layers.Count);
        var held = new List<FileStream>();
        var isDataBad = false;
        try
        {
            held.Add(await store.PutBlobAsync(draft.ManifestDigest, draft.Manifest, cancellationToken));
            held.Add(await store.PutBlobAsync(draft.ConfigDigest, draft.Config, cancellationToken));
            // All of them at once say how much there is to come.
            var reports = layers.Select(layer => new LayerProgress(draft.Name, layer, progress)).ToList();
            foreach (var report in reports)
                report.Report(0);
            for (var i = 0; i < layers.Count; i++)
            {
                var job = new LayerJob(layers[i], diffIds[i], chainIds[i], [.. work], reports[i]);
                work.Add(LayerAsync(job, source, slots, cancellation));
            }
            await Task.WhenAll(work);

            var now = time.GetUtcNow();
            return await store.CommitAsync(new ImageRecord
            {
                Id = draft.ConfigDigest.ToString(),
                Tags = draft.Tags,
                Digests = draft.Digests,
                Manifest = draft.ManifestDigest.ToString(),
                ManifestMediaType = manifest.MediaType ?? MediaTypes.OciManifest,
                ManifestBytes = draft.Manifest.Length,
                ConfigBytes = draft.Config.Length,
                Layers = [.. work.Select(layer => layer.Result.Record)],
                Config = config.ToImageConfig(),
                CreatedAt = now,
                LastUsedAt = now,
            }, work.Exists(layer => layer.Result.IsNew), cancellationToken);
        }
        catch (Exception)
        {
            // The first failure is the cause; those that follow are its consequence.
            var failures = work.Where(task => task.IsFaulted).SelectMany(task => task.Exception!.InnerExceptions).ToList();
            isDataBad = failures.Exists(failure => failure is InvalidDataException);
            if (failures.Find(failure => failure is not OperationCanceledException) is { } cause)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(cause);
            throw;
        }
        finally
        {
            await LetGoAsync(work, held, isDataBad ? [.. layers.Select(layer => layer.DigestText!)] : [],
                [draft.ManifestDigest.ToString(), draft.ConfigDigest.ToString()]);
        }
    }

    /// <summary>Chain ids (OCI image spec, "Layer ChainID"): each names a layer and all those below it.</summary>
    public static IReadOnlyList<string> ChainIds(IReadOnlyList<Digest> diffIds)
    {
        var chain = new List<string>(diffIds.Count);
        foreach (var diffId in diffIds)
            chain.Add(chain.Count == 0 ? diffId.ToString() : Digest.OfSha256(Encoding.ASCII.GetBytes($"{chain[^1]} {diffId}")).ToString());
        return chain;
    }

    private async Task LetGoAsync(List<Task<LayerLease>> work, List<FileStream> held, IEnumerable<string> badBlobs, IEnumerable<string> documents)
    {
        var unused = new List<LayerRecord>();
        foreach (var task in work)
        {
            await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (task.IsCompletedSuccessfully && task.Result.Release())
                unused.Add(task.Result.Record);
        }
        held.ForEach(file => file.Dispose());
        await store.CollectAsync(unused, badBlobs.Concat(documents).ToHashSet(StringComparer.Ordinal));
    }

    /// <summary>The whole life of one layer. Locks are always taken chain, blob, slot, and a slot waits for none.</summary>
    private async Task<LayerLease> LayerAsync(LayerJob job, IBlobSource source, SemaphoreSlim slots, CancellationTokenSource cancellation)
    {
        var cancellationToken = cancellation.Token;
        try
        {
            using var turn = await store.ChainLocks.EnterAsync(job.ChainId, cancellationToken);
            if (store.TryLease(job.ChainId) is { } present)
            {
                job.Progress.Done();
                return present;
            }
            var draft = store.BeginLayer();
            FileStream? blob = null;
            try
            {
                using var tree = new LayerTree(draft.Path);
                var unpacker = new LayerUnpacker(tree);
                using (await store.BlobLocks.EnterAsync(job.Blob.Digest.ToString(), cancellationToken))
                {
                    await slots.WaitAsync(cancellationToken);
                    try
                    {
                        blob = await FetchAsync(job, source, unpacker, cancellationToken);
                    }
                    finally
                    {
                        slots.Release();
                    }
                }
                var below = new List<string>();
                foreach (var lower in job.Below)
                    below.Insert(0, (await lower).Path);
                unpacker.Finish(below);
                job.Progress.Done();
                var lease = draft.Complete(new LayerRecord
                {
                    ChainId = job.ChainId,
                    DiffId = job.DiffId.ToString(),
                    Directory = draft.Name,
                    Blob = job.Blob.Digest.ToString(),
                    BlobBytes = blob.Length,
                    MediaType = job.Blob.MediaType ?? MediaTypes.OciLayer,
                    Bytes = unpacker.Bytes,
                    Inodes = unpacker.Inodes,
                }, blob);
                blob = null;
                return lease;
            }
            finally
            {
                blob?.Dispose();
                draft.Dispose();
            }
        }
        catch
        {
            // The others are of no use without this one.
            await cancellation.CancelAsync();
            throw;
        }
    }

    /// <summary>Brings the blob here and unpacks it while it arrives. Returns it held.</summary>
    private async Task<FileStream> FetchAsync(LayerJob job, IBlobSource source, LayerUnpacker unpacker, CancellationToken cancellationToken)
    {
        var digest = job.Blob.Digest;
        if (store.OpenBlob(digest) is { } present)
        {
            try
            {
                job.Progress.Report(present.Length);
                await UnpackAsync(job, present, present.Length, unpacker, cancellationToken);
                return present;
            }
            catch
            {
                await present.DisposeAsync();
                throw;
            }
        }

        using var partial = store.OpenPartial(digest);
        await DiscardDamagedAsync(partial, job.Blob, cancellationToken);
        try
        {
            await using var arriving = new ArrivingBlob(partial.File, job.Blob, source, job.Progress);
            await UnpackAsync(job, arriving, job.Blob.Size, unpacker, cancellationToken);
            return partial.Publish();
        }
        catch (InvalidDataException)
        {
            partial.Discard();
            throw;
        }
    }

    /// <summary>A complete leftover that is not what it should be must not be trusted or gone on with.</summary>
    private static async Task DiscardDamagedAsync(PartialBlob partial, Descriptor blob, CancellationToken cancellationToken)
    {
        if (partial.File.Length < blob.Size || partial.File.Length == 0)
            return;
        using var check = new DigestStream(partial.File, blob.Digest, long.MaxValue);
        if (partial.File.Length != blob.Size || await check.FinishAsync(cancellationToken) != blob.Digest.ToString())
            partial.File.SetLength(0);
        partial.File.Position = 0;
    }

    private static async Task UnpackAsync(LayerJob job, Stream compressed, long size, LayerUnpacker unpacker, CancellationToken cancellationToken)
    {
        await using var blob = new DigestStream(compressed, job.Blob.Digest, size);
        try
        {
            await using var plain = await Decompression.OpenAsync(blob, cancellationToken);
            await using var tar = new DigestStream(plain, job.DiffId, long.MaxValue);
            await unpacker.UnpackAsync(tar, cancellationToken);
            var diffId = await tar.FinishAsync(cancellationToken);
            await VerifyAsync(job, blob, size, cancellationToken);
            if (diffId != job.DiffId.ToString())
                throw new InvalidDataException($"failed to extract layer {job.DiffId}: wrong diff id calculated on extraction \"{diffId}\"");
        }
        catch (Exception failure) when (failure is InvalidDataException or EndOfStreamException)
        {
            // Bytes that were changed on the way fail in many ways; the digest tells whether that is why.
            await VerifyAsync(job, blob, size, cancellationToken);
            throw failure.Message.StartsWith("failed to extract", StringComparison.Ordinal)
                ? failure : new InvalidDataException($"failed to extract layer {job.DiffId}: {Corruption(failure)}", failure);
        }
    }

    private static string Corruption(Exception failure) =>
        // The decompressor of the framework has no words in the published binary.
        failure.Message.Contains(' ', StringComparison.Ordinal)
            ? failure.Message : "unexpected EOF or invalid compressed data";

    private static async Task VerifyAsync(LayerJob job, DigestStream blob, long size, CancellationToken cancellationToken)
    {
        var actual = await blob.FinishAsync(cancellationToken);
        if (blob.Count != size)
            throw new InvalidDataException(
                $"failed commit on ref \"layer-{job.Blob.Digest}\": unexpected commit size {blob.Count}, expected {size}: failed precondition");
        if (actual != job.Blob.Digest.ToString())
            throw new InvalidDataException(
                $"failed commit on ref \"layer-{job.Blob.Digest}\": unexpected commit digest {actual}, expected {job.Blob.Digest}: failed precondition");
    }

    private sealed record LayerJob(Descriptor Blob, Digest DiffId, string ChainId, IReadOnlyList<Task<LayerLease>> Below, LayerProgress Progress);
}

/// <summary>Reports the progress of one layer, not more often than every 256 KiB.</summary>
internal sealed class LayerProgress(string reference, Descriptor layer, IProgress<PullProgress>? progress)
{
    private const long Step = 256 * 1024;
    private long _reported = -Step;

    public void Report(long done)
    {
        if (progress is null || done - _reported < Step && done != layer.Size)
            return;
        _reported = done;
        progress.Report(new PullProgress(reference, layer.DigestText!, done, layer.Size));
    }

    public void Done()
    {
        if (_reported != layer.Size)
            progress?.Report(new PullProgress(reference, layer.DigestText!, layer.Size, layer.Size));
        _reported = layer.Size;
    }
}

/// <summary>A blob on its way: first what an earlier try left in the file, then the source, which is written to the file too.</summary>
internal sealed class ArrivingBlob(FileStream file, Descriptor blob, IBlobSource source, LayerProgress progress) : ReadOnlyStream
{
    private readonly long _present = file.Length;
    private long _position;
    private Stream? _rest;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count;
        if (_position < _present)
        {
            file.Position = _position;
            count = await file.ReadAsync(buffer, cancellationToken);
        }
        else
        {
            if (_rest is null && _position == blob.Size && _position > 0)
                return 0;
            _rest ??= await source.OpenAsync(blob, _position, cancellationToken);
            count = await _rest.ReadAsync(buffer, cancellationToken);
            if (count > 0)
                await KeepAsync(buffer[..count], cancellationToken);
        }
        _position += count;
        progress.Report(_position);
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _rest?.Dispose();
        base.Dispose(disposing);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_rest is not null)
            await _rest.DisposeAsync();
        await base.DisposeAsync();
    }

    private async ValueTask KeepAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            file.Position = _position;
            await file.WriteAsync(bytes, cancellationToken);
        }
        catch (IOException failure)
        {
            throw new IOException($"write blob {blob.DigestText}: {Words.For(failure)}", failure.HResult);
        }
    }
}
