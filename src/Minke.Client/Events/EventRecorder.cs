using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Client;

/// <summary>
/// Records Events as client-go does: the same event again raises a count, ten alike with different messages become one
/// <c>(combined from similar events)</c>, and one object may fill no more than a small bucket.
/// </summary>
public sealed partial class EventRecorder(IApiClient api, string component, string host, TimeProvider time, ILogger logger)
{
    private const int QueueLimit = 1000;
    private const int CacheLimit = 4096;
    private const int CombineAfter = 10;
    private const int BurstPerObject = 25;
    private static readonly TimeSpan CombineWindow = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan RefillInterval = TimeSpan.FromMinutes(5);

    private readonly record struct Pending(ObjectReference About, string Type, string Reason, string Message, ApiMap<string> Annotations, DateTimeOffset At);

    private sealed class Similar
    {
        public DateTimeOffset LastAt;
        public readonly HashSet<string> Messages = new(StringComparer.Ordinal);
    }

    private readonly Channel<Pending> _queue =
        Channel.CreateBounded<Pending>(new BoundedChannelOptions(QueueLimit) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    // Owned by RunAsync.
    private readonly Dictionary<string, Event> _recorded = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Similar> _similar = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (double Tokens, DateTimeOffset At)> _buckets = new(StringComparer.Ordinal);

    private long _lastStamp;

    /// <summary>Records a fact about an object; returns at once. <paramref name="fieldPath"/>: <c>spec.containers{web}</c>.</summary>
    public void Record(IKubeObject about, string type, string reason, string message, string fieldPath = "") =>
        Record(ReferenceTo(about) with { FieldPath = fieldPath }, type, reason, message);

    public void Record(ObjectReference about, string type, string reason, string message) =>
        _queue.Writer.TryWrite(new(about, type, reason, message, default, time.GetUtcNow()));

    public static ObjectReference ReferenceTo(IKubeObject value) => new()
    {
        Kind = value.Kind,
        ApiVersion = value.ApiVersion,
        Namespace = value.Metadata.Namespace,
        Name = value.Metadata.Name,
        Uid = value.Metadata.Uid,
        ResourceVersion = value.Metadata.ResourceVersion,
    };

    /// <summary>Writes what was recorded until cancelled. Started and awaited by the composition.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var pending in _queue.Reader.ReadAllAsync(cancellationToken))
            {
                try
                {
                    await WriteAsync(pending, cancellationToken);
                }
                catch (Exception e) when (e is StatusException or HttpRequestException or IOException or TimeoutException)
                {
                    // A namespace going away takes its events with it; anything else is told once and dropped, as upstream does.
                    if (e is not StatusException { Code: 403 or 404 })
                        LogDropped(pending.Reason, pending.About.Namespace, pending.About.Name, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private async Task WriteAsync(Pending pending, CancellationToken cancellationToken)
    {
        if (!TakeToken(pending))
            return;
        if (_recorded.Count > CacheLimit)
        {
            _recorded.Clear();
            _similar.Clear();
            _buckets.Clear();
        }

        var about = pending.About;
        var alike = string.Join('\n', component, about.Kind, about.Namespace, about.Name, about.Uid, about.ApiVersion, about.FieldPath, pending.Type, pending.Reason);
        var (key, message) = Combine(alike, pending);
        var now = Time.From(pending.At);
        if (_recorded.TryGetValue(key, out var earlier))
        {
            var count = earlier.Count + 1;
            var patch = System.Text.Encoding.UTF8.GetBytes(string.Create(
                CultureInfo.InvariantCulture, $"{{\"count\":{count},\"lastTimestamp\":\"{now}\",\"message\":{JsonText(message)}}}"));
            try
            {
                _recorded[key] = await api.PatchAsync<Event>(
                    earlier.Metadata.Namespace, earlier.Metadata.Name, new(PatchKind.Merge, patch), cancellationToken);
                return;
            }
            catch (StatusException e) when (e.Code == 404)
            {
                // Expired meanwhile: it begins anew.
            }
        }

        var @namespace = about.Namespace.Length == 0 ? "default" : about.Namespace;
        _recorded[key] = await api.CreateAsync(new Event
        {
            Metadata = new ObjectMeta
            {
                Namespace = @namespace,
                Name = string.Create(CultureInfo.InvariantCulture, $"{about.Name}.{NextStamp(pending.At):x}"),
            },
            InvolvedObject = about,
            Reason = pending.Reason,
            Message = message,
            Type = pending.Type,
            Count = 1,
            FirstTimestamp = now,
            LastTimestamp = now,
            Source = new EventSource { Component = component, Host = host },
            ReportingComponent = component,
            ReportingInstance = host,
        }, cancellationToken);
    }

    /// <summary>Nanoseconds since the epoch, as client-go names events by; later for each, as two may be recorded at one moment.</summary>
    private long NextStamp(DateTimeOffset at) =>
        _lastStamp = Math.Max((at.Ticks - DateTimeOffset.UnixEpoch.Ticks) * 100, _lastStamp + 1);

    private (string Key, string Message) Combine(string alike, Pending pending)
    {
        if (!_similar.TryGetValue(alike, out var similar) || pending.At - similar.LastAt > CombineWindow)
            _similar[alike] = similar = new Similar();
        similar.LastAt = pending.At;
        similar.Messages.Add(pending.Message);
        return similar.Messages.Count < CombineAfter
            ? (alike + "\n" + pending.Message, pending.Message)
            : (alike, "(combined from similar events): " + pending.Message);
    }

    private bool TakeToken(Pending pending)
    {
        var key = string.Join('\n', component, pending.About.Kind, pending.About.Namespace, pending.About.Name, pending.About.Uid);
        var (tokens, at) = _buckets.GetValueOrDefault(key, (BurstPerObject, pending.At));
        tokens = Math.Min(BurstPerObject, tokens + ((pending.At - at) / RefillInterval));
        _buckets[key] = (tokens >= 1 ? tokens - 1 : tokens, pending.At);
        return tokens >= 1;
    }

    private static string JsonText(string text) => System.Text.Json.JsonEncodedText.Encode(text) is var encoded ? $"\"{encoded}\"" : "";

    [LoggerMessage(LogLevel.Warning, "Event {Reason} about {Namespace}/{Name} not recorded: {Error}")]
    private partial void LogDropped(string reason, string @namespace, string name, string error);
}
