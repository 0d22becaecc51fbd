using System.Net;
using System.Net.Http.Headers;
using Minke.Node.Images.Layers;

namespace Minke.Node.Images.Registries;

/// <summary>One image name at its registry and its mirrors: resolves it, reads its documents, streams its layers.</summary>
internal sealed class RemoteImage(ImageReference reference, IReadOnlyList<RegistryEndpoint> endpoints, RegistrySession session) : IBlobSource
{
    private static readonly string[] Accepted =
        [MediaTypes.DockerManifest, MediaTypes.DockerList, MediaTypes.OciManifest, MediaTypes.OciIndex, "*/*"];

    /// <summary>The endpoint that answered; asked first from then on.</summary>
    private RegistryEndpoint? _answered;

    /// <summary>Digest, type and size of what the name means now; the content too when the registry only tells it that way.</summary>
    public async Task<(Descriptor Descriptor, byte[]? Content)> ResolveAsync(CancellationToken cancellationToken)
    {
        RegistryException? first = null;
        var isMissing = false;
        string? talked = null;
        foreach (var endpoint in endpoints)
        {
            if (endpoint.IsFallback && endpoint.Host == talked)
                continue;
            try
            {
                var address = endpoint.Manifest(reference.Target);
                using var response = await session.SendAsync(address, HttpMethod.Head, endpoint.Repository, Accept, cancellationToken);
                // What Go's TLS servers say to plain HTTP.
                if (response.StatusCode != HttpStatusCode.BadRequest)
                    talked = endpoint.Host;
                if (response.StatusCode == HttpStatusCode.NotFound)
                {
                    isMissing = true;
                    continue;
                }
                var isWithoutHead = response.StatusCode == HttpStatusCode.MethodNotAllowed;
                if (!response.IsSuccessStatusCode && !isWithoutHead)
                    throw RegistrySession.Unexpected(response, HttpMethod.Head, address);
                _answered = endpoint;
                var type = response.Content.Headers.ContentType?.MediaType ?? "";
                if (!isWithoutHead && DigestOf(response) is { } digest && response.Content.Headers.ContentLength is { } size)
                    return (new Descriptor { MediaType = type, DigestText = (reference.Digest ?? digest).ToString(), Size = size }, null);
                return await ResolveByContentAsync(endpoint, cancellationToken);
            }
            catch (RegistryException failure)
            {
                first ??= failure;
                if (failure.InnerException is null or TimeoutException)
                    talked = endpoint.Host;
            }
        }
        // "Not here" from one and "no answer" from another: the latter is what somebody can mend.
        if (first is not null && !(isMissing && first.Kind == RegistryFailure.NotFound))
            throw first;
        throw new RegistryException(RegistryFailure.NotFound, $"{reference}: not found");
    }

    /// <summary>A manifest or configuration, verified.</summary>
    public async Task<byte[]> ReadAsync(Descriptor descriptor, int limit, CancellationToken cancellationToken)
    {
        var isManifest = limit == ImageDocuments.MaximumManifestBytes;
        var what = isManifest ? "manifest" : "image configuration";
        if (descriptor.Size > limit)
            throw new InvalidDataException($"{what} of {descriptor.Size} bytes exceeds the limit of {limit} bytes");
        using var response = await GetAsync(
            descriptor, endpoint => isManifest ? endpoint.Manifest(descriptor.Digest.ToString()) : endpoint.Blob(descriptor.Digest), Accept, cancellationToken);
        var bytes = await session.ReadLimitedAsync(response, limit, what, cancellationToken);
        return descriptor.Digest.Matches(bytes) ? bytes : throw new InvalidDataException(
            $"failed commit on ref \"{(isManifest ? "manifest" : "config")}-{descriptor.Digest}\": unexpected commit digest {Digest.OfSha256(bytes)}, "
            + $"expected {descriptor.Digest}: failed precondition");
    }

    public Task<Stream> OpenAsync(Descriptor blob, long offset, CancellationToken cancellationToken) =>
        Task.FromResult<Stream>(new BlobDownload(this, session, blob, offset));

    /// <summary>Asks the endpoints in turn for a blob from an offset on.</summary>
    public async Task<HttpResponseMessage> GetBlobAsync(Descriptor blob, long offset, CancellationToken cancellationToken) =>
        await GetAsync(blob, endpoint => endpoint.Blob(blob.Digest), request =>
        {
            if (offset > 0)
                request.Headers.Range = new RangeHeaderValue(offset, null);
        }, cancellationToken);

    private async Task<HttpResponseMessage> GetAsync(
        Descriptor descriptor, Func<RegistryEndpoint, Uri> address, Action<HttpRequestMessage> prepare, CancellationToken cancellationToken)
    {
        RegistryException? first = null;
        foreach (var endpoint in endpoints.Where(endpoint => !endpoint.IsFallback || endpoint == _answered).OrderBy(endpoint => endpoint == _answered ? 0 : 1))
        {
            try
            {
                var response = await session.SendAsync(address(endpoint), HttpMethod.Get, endpoint.Repository, prepare, cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    _answered ??= endpoint;
                    return response;
                }
                using (response)
                {
                    if (response.StatusCode != HttpStatusCode.NotFound)
                        throw RegistrySession.Unexpected(response, HttpMethod.Get, address(endpoint));
                }
            }
            catch (RegistryException failure)
            {
                first ??= failure;
            }
        }
        const string where = "failed to copy: httpReadSeeker: failed open";
        throw first is null
            ? new RegistryException(
                RegistryFailure.NotFound, $"{where}: content at {descriptor.DigestText} ({descriptor.MediaType}) not found: not found")
            : new RegistryException(first.Kind, $"{where}: {first.Message}", first);
    }

    private async Task<(Descriptor Descriptor, byte[]? Content)> ResolveByContentAsync(RegistryEndpoint endpoint, CancellationToken cancellationToken)
    {
        var address = endpoint.Manifest(reference.Target);
        using var response = await session.SendAsync(address, HttpMethod.Get, endpoint.Repository, Accept, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
            throw new RegistryException(RegistryFailure.NotFound, $"{reference}: not found");
        if (!response.IsSuccessStatusCode)
            throw RegistrySession.Unexpected(response, HttpMethod.Get, address);
        var bytes = await session.ReadLimitedAsync(response, ImageDocuments.MaximumManifestBytes, "manifest", cancellationToken);
        if (reference.Digest is { } wanted && !wanted.Matches(bytes))
            throw new InvalidDataException($"manifest of {reference} has the digest {Digest.OfSha256(bytes)}");
        var digest = reference.Digest ?? Digest.OfSha256(bytes);
        return (new Descriptor { MediaType = response.Content.Headers.ContentType?.MediaType ?? "", DigestText = digest.ToString(), Size = bytes.Length }, bytes);
    }

    private static Digest? DigestOf(HttpResponseMessage response) =>
        response.Headers.TryGetValues("Docker-Content-Digest", out var values) && Digest.TryParse(values.FirstOrDefault(), out var digest) ? digest : null;

    private static void Accept(HttpRequestMessage request)
    {
        foreach (var type in Accepted)
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(type));
    }
}

/// <summary>
/// The bytes of one blob, however many connections it takes: a broken one is gone on with where it ended (Range), a silent one is
/// given up after <see cref="PullOptions.StallTimeout"/>.
/// </summary>
internal sealed class BlobDownload(RemoteImage image, RegistrySession session, Descriptor blob, long offset) : ReadOnlyStream
{
    private long _position = offset;
    private int _failures, _stalls;
    private HttpResponseMessage? _response;
    private Stream? _body;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            using var patience = new CancellationTokenSource(Timeout.InfiniteTimeSpan, session.Time);
            using var outer = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), patience);
            try
            {
                var body = _body ?? await ConnectAsync(cancellationToken);
                patience.CancelAfter(session.Options.StallTimeout);
                var count = await body.ReadAsync(buffer, patience.Token);
                if (count == 0 && _position < blob.Size)
                    throw new EndOfStreamException("unexpected EOF");
                if (count > 0)
                    _failures = _stalls = 0;
                _position += count;
                return count;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                Disconnect();
                if (++_stalls >= session.Options.Stalls)
                    throw new RegistryException(
                        RegistryFailure.Other,
                        $"failed to copy: no data from registry for {session.Options.StallTimeout.TotalSeconds:0.###}s, {_position} of {blob.Size} bytes of {blob.DigestText} received",
                        new TimeoutException());
            }
            catch (Exception failure) when (failure is IOException or HttpRequestException)
            {
                Disconnect();
                if (++_failures >= session.Options.Attempts)
                    throw new RegistryException(
                        RegistryFailure.Other,
                        $"failed to copy: httpReadSeeker: failed read after {_position} of {blob.Size} bytes of {blob.DigestText}: {Words.For(failure)}", failure);
                await session.PauseAsync(_failures, null, cancellationToken);
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Disconnect();
        base.Dispose(disposing);
    }

    private async Task<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        _response = await image.GetBlobAsync(blob, _position, cancellationToken);
        _body = await _response.Content.ReadAsStreamAsync(cancellationToken);
        // A registry that has something shorter or longer under this name will not have the right thing the next time.
        var headers = _response.Content.Headers;
        if ((headers.ContentRange?.Length ?? (_response.StatusCode == HttpStatusCode.OK ? headers.ContentLength : null)) is { } total && total != blob.Size)
            throw new InvalidDataException(
                $"failed commit on ref \"layer-{blob.DigestText}\": unexpected commit size {total}, expected {blob.Size}: failed precondition");
        if (_position > 0)
        {
            var start = _response.StatusCode == HttpStatusCode.PartialContent ? _response.Content.Headers.ContentRange?.From ?? -1 : 0;
            if (start != 0 && start != _position)
                throw new RegistryException(RegistryFailure.Other, $"failed to copy: registry answered with another part of {blob.DigestText} than was asked for");
            // A registry without ranges begins anew; what is known is passed over.
            if (start == 0)
                await SkipAsync(_body, _position, cancellationToken);
        }
        return _body;
    }

    private async Task SkipAsync(Stream body, long count, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(session.Options.StallTimeout, session.Time);
        using var outer = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), patience);
        var buffer = new byte[64 * 1024];
        while (count > 0)
        {
            var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, count)), patience.Token);
            if (read == 0)
                throw new EndOfStreamException("unexpected EOF");
            count -= read;
            patience.CancelAfter(session.Options.StallTimeout);
        }
    }

    private void Disconnect()
    {
        _body?.Dispose();
        _response?.Dispose();
        (_body, _response) = (null, null);
    }
}
