using System.Buffers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Minke.Api.Meta.V1;
using Minke.Api;
using Minke.Server.Registry;
using Minke.Server.Streaming;
using Minke.Server.Streaming.WebSockets;

namespace Minke.Server.Requests;

/// <summary>WATCH: a list and what becomes of it, as frames of one answer or as messages of a WebSocket.</summary>
internal sealed partial class ResourceHandler
{
    // Upstream's --min-request-timeout: a watch without one lasts between this and twice this.
    private static readonly TimeSpan MinWatch = TimeSpan.FromMinutes(30);

    private readonly RecentFrames _recentFrames = new();

    public async ValueTask WatchAsync(ApiRequest request)
    {
        var options = QueryValues.Read(request.Http, ListOptions.FromQuery) with { Watch = true };
        var query = ListQuery.From(options, request.Resource.Kind, request.Name);
        var timeout = options.TimeoutSeconds is { } seconds and > 0
            ? TimeSpan.FromSeconds(seconds)
            : MinWatch + (MinWatch * ids.NewFraction());

        if (MessageSocket.IsAsked(request.Http))
        {
            await WatchOverSocketAsync(request, query, timeout);
            return;
        }
        var response = Responses.Start(request.Http, 200, request.Media.WatchContentType);
        request.Http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var output = response.BodyWriter;
        var writer = new WatchWriter(request, output, _recentFrames);
        var isStarted = false;
        try
        {
            await using var batches = registry.WatchAsync(request.Resource, request.Namespace, query, timeout, request.Cancelled)
                .GetAsyncEnumerator(request.Cancelled);
            while (true)
            {
                var next = batches.MoveNextAsync();
                if (!next.IsCompleted)
                {
                    if (!isStarted)
                    {
                        // The client learns at once that its watch stands.
                        await response.StartAsync(request.Cancelled);
                        await output.FlushAsync(request.Cancelled);
                    }
                    request.Ticket?.Leave(); // What there was to begin with is sent.
                }
                isStarted = true;
                if (!await next)
                    return;
                foreach (var notice in batches.Current)
                {
                    writer.Write(notice);
                    // A long beginning goes out as it is written, and no faster than it is read.
                    if (output.UnflushedBytes > Responses.FlushEvery && (await output.FlushAsync(request.Cancelled)).IsCompleted)
                        return;
                }
                var flushed = await output.FlushAsync(request.Cancelled);
                if (flushed.IsCompleted)
                    return;
            }
        }
        catch (StatusException e)
        {
            writer.WriteError(e.Status);
            await output.FlushAsync(request.Cancelled);
        }
    }

    /// <summary>For browsers: a message for each change. Of the protocols a client names the first is agreed to; none makes a difference.</summary>
    private async ValueTask WatchOverSocketAsync(ApiRequest request, ListQuery query, TimeSpan timeout)
    {
        var upgrade = UpgradeRequest.Read(request.Http, request.Http.Request.Headers.GetCommaSeparatedValues(HeaderNames.SecWebSocketProtocol), []);
        var isText = request.Media.Format != BodyFormat.Protobuf;
        await using var socket = await MessageSocket.OpenAsync(upgrade, isText, new(), request.Clock, request.Cancelled);
        var message = new ArrayBufferWriter<byte>(2048);
        var writer = new WatchWriter(request, message, _recentFrames);
        try
        {
            try
            {
                await using var batches = registry.WatchAsync(request.Resource, request.Namespace, query, timeout, socket.Gone).GetAsyncEnumerator(socket.Gone);
                while (true)
                {
                    var next = batches.MoveNextAsync();
                    if (!next.IsCompleted)
                        request.Ticket?.Leave(); // What there was to begin with is sent.
                    if (!await next)
                        break;
                    foreach (var notice in batches.Current)
                    {
                        writer.Write(notice);
                        await SendAsync();
                    }
                }
            }
            catch (StatusException e)
            {
                writer.WriteError(e.Status);
                await SendAsync();
            }
            await socket.CloseAsync();
        }
        catch (Exception error) when (MessageSocket.IsHangUp(error))
        {
            // The client is gone.
        }

        // A message knows its length: protobuf's frame does not go before it.
        async ValueTask SendAsync()
        {
            await socket.SendAsync(isText ? message.WrittenMemory : message.WrittenMemory[WatchWriter.LengthBytes..], socket.Gone);
            message.ResetWrittenCount();
        }
    }
}
