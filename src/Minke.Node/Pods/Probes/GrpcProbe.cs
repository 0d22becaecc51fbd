using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Minke.Api;
using Minke.Client;

namespace Minke.Node.Pods.Probes;

/// <summary>
/// The health protocol of gRPC (grpc.health.v1.Health/Check), without TLS, as the kubelet speaks it. One unary call is a frame each way
/// over HTTP/2: a byte for compression, the length, then the message; so it needs no library.
/// </summary>
internal sealed class GrpcProbe : IDisposable
{
    private const int FrameHeaderLength = 5;
    private const int MaxAnswerBytes = 64 * 1024;

    /// <summary>gRPC's clients wait this long before they try to connect again.</summary>
    private static readonly TimeSpan RedialDelay = TimeSpan.FromSeconds(1);

    private static readonly string[] CodeNames =
    [
        "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
        "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
    ];

    private static readonly string[] StatusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _client;

    internal GrpcProbe(TimeProvider time)
    {
        _time = time;
        _client = new HttpMessageInvoker(ProbeDialer.Handler(static async (context, cancellationToken) => new System.Net.Sockets.NetworkStream(
            await ProbeDialer.DialAsync(context.DnsEndPoint.Host.Trim('[', ']'), context.DnsEndPoint.Port, cancellationToken), ownsSocket: true)));
    }

    internal async Task<ProbeResult> AskAsync(string host, int port, string service, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var address = GoNetwork.HostPort(host, port);
        var end = _time.GetTimestamp();
        while (true)
        {
            try
            {
                return await CallAsync(address, service, timeout, either.Token);
            }
            catch (HttpRequestException exception) when (exception.HttpRequestError == HttpRequestError.ResponseEnded)
            {
                return Failed("error: health rpc probe failed: rpc error: code = Unavailable desc = error reading from server: EOF");
            }
            catch (HttpRequestException)
            {
                // Nobody there yet, or somebody who does not speak HTTP/2: upstream's client tries until its time is up.
                if (_time.GetElapsedTime(end) + RedialDelay >= timeout)
                    return NotConnected();
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested)
            {
                return Failed($"timeout: health rpc did not complete within {Duration.From(timeout)}");
            }
            await Task.Delay(RedialDelay, _time, cancellationToken);
        }

        ProbeResult NotConnected() =>
            Failed($"timeout: failed to connect service {FieldErrors.Quote(address)} within {Duration.From(timeout)}: context deadline exceeded");
    }

    public void Dispose() => _client.Dispose();

    private static ProbeResult Failed(string message) => new(ProbeOutcome.Failure, message);

    private async Task<ProbeResult> CallAsync(string address, string service, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{address}/grpc.health.v1.Health/Check")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Request(service)),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TryAddWithoutValidation("User-Agent", $"kube-probe/{HttpProbeRequest.Version} grpc-go/1.65.0");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Headers.TryAddWithoutValidation("grpc-timeout", string.Create(CultureInfo.InvariantCulture, $"{(long)timeout.TotalMilliseconds}m"));
        using var response = await _client.SendAsync(request, cancellationToken);
        var answer = new byte[MaxAnswerBytes];
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var length = await stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancellationToken);
        return Judge(response, answer.AsSpan(0, length), timeout);
    }

    private static ProbeResult Judge(HttpResponseMessage response, ReadOnlySpan<byte> answer, TimeSpan timeout)
    {
        if (response.StatusCode != HttpStatusCode.OK)
        {
            var code = response.StatusCode switch
            {
                HttpStatusCode.BadRequest => "Internal",
                HttpStatusCode.Unauthorized => "Unauthenticated",
                HttpStatusCode.Forbidden => "PermissionDenied",
                HttpStatusCode.NotFound => "Unimplemented",
                HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => "Unavailable",
                _ => "Unknown",
            };
            var words = string.Create(
                CultureInfo.InvariantCulture,
                $"unexpected HTTP status code received from server: {(int)response.StatusCode} ({response.ReasonPhrase})");
            return Refused(code, words, timeout);
        }

        // Without a body the trailers are the headers.
        var number = Trailer(response, "grpc-status");
        if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var status))
            return Refused("Internal", "server closed the stream without sending trailers", timeout);
        if (status != 0)
        {
            var name = status < CodeNames.Length ? CodeNames[status] : string.Create(CultureInfo.InvariantCulture, $"Code({status})");
            return Refused(name, Uri.UnescapeDataString(Trailer(response, "grpc-message") ?? ""), timeout);
        }
        var health = ReadStatus(answer);
        return health == 1
            ? new(ProbeOutcome.Success, "service healthy")
            : Failed($"service unhealthy (responded with {FieldErrors.Quote(health < (ulong)StatusNames.Length ? StatusNames[health] : health.ToString(CultureInfo.InvariantCulture))})");
    }

    private static ProbeResult Refused(string code, string message, TimeSpan timeout) => Failed(code switch
    {
        "Unimplemented" => $"error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}",
        "DeadlineExceeded" => $"timeout: health rpc did not complete within {Duration.From(timeout)}",
        _ => $"error: health rpc probe failed: rpc error: code = {code} desc = {message}",
    });

    private static string? Trailer(HttpResponseMessage response, string name) =>
        response.TrailingHeaders.TryGetValues(name, out var values) || response.Headers.TryGetValues(name, out values) ? values.FirstOrDefault() : null;

    /// <summary>HealthCheckRequest: field 1, the service's name; left out when empty.</summary>
    private static byte[] Request(string service)
    {
        var name = Encoding.UTF8.GetBytes(service);
        var message = new List<byte>();
        if (name.Length > 0)
        {
            message.Add(0x0a);
            for (var length = (uint)name.Length; ; length >>= 7)
            {
                message.Add((byte)(length > 0x7f ? length | 0x80 : length));
                if (length <= 0x7f)
                    break;
            }
            message.AddRange(name);
        }
        var frame = new byte[FrameHeaderLength + message.Count];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Count);
        message.CopyTo(frame, FrameHeaderLength);
        return frame;
    }

    /// <summary>HealthCheckResponse: field 1, an enumeration; 0 when left out or unreadable.</summary>
    internal static ulong ReadStatus(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < FrameHeaderLength || frame[0] != 0)
            return 0;
        var rest = frame[FrameHeaderLength..];
        var status = 0ul;
        while (TryReadVarint(ref rest, out var tag))
        {
            switch (tag & 7)
            {
                case 0 when TryReadVarint(ref rest, out var number):
                    status = tag >> 3 == 1 ? number : status;
                    break;
                case 1 when rest.Length >= 8:
                    rest = rest[8..];
                    break;
                case 2 when TryReadVarint(ref rest, out var length) && length <= (ulong)rest.Length:
                    rest = rest[(int)length..];
                    break;
                case 5 when rest.Length >= 4:
                    rest = rest[4..];
                    break;
                default:
                    return 0;
            }
        }
        return status;
    }

    private static bool TryReadVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (var i = 0; i < bytes.Length && i < 10; i++)
        {
            value |= (ulong)(bytes[i] & 0x7f) << (7 * i);
            if ((bytes[i] & 0x80) == 0)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }
        return false;
    }
}
