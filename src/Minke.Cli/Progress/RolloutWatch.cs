using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Minke.Cli.Api;
using Minke.Cli.Manifests;

namespace Minke.Cli.Progress;

/// <summary>
/// Watches what was applied until all of it is ready, showing each pod's steps. One loop owns the state; watches only bring it changes.
/// </summary>
internal sealed class RolloutWatch(ApiConnection api, IProgressView view, TimeProvider clock)
{
    private const int QueuedChanges = 1024;

    /// <summary>Before a watch that ended is begun anew: the server may be restarting.</summary>
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<string, PodTimeline> _pods = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (AppliedObject Applied, Readiness Readiness)> _awaited = new(StringComparer.Ordinal);
    private readonly long _began = clock.GetTimestamp();
    private readonly DateTimeOffset _beganAt = clock.GetUtcNow();

    /// <summary>Pods seen so far, in the order they were first seen.</summary>
    public IReadOnlyList<PodTimeline> Pods => [.. _pods.Values];

    /// <summary>Call after each applied object, before waiting.</summary>
    public void Expect(AppliedObject applied)
    {
        var readiness = Readiness.Of(WithKind(applied.Object, applied.Manifest.Kind));
        if (readiness.State == ReadyState.Ready && applied.Manifest.Kind != "Pod")
            return;
        _awaited[Key(applied.Resource, applied.Namespace, applied.Manifest.Name)] = (applied, readiness);
        if (applied.Manifest.Kind == "Pod")
            See(applied.Namespace, applied.Object);
    }

    /// <summary>Returns once everything expected is ready.</summary>
    /// <exception cref="CliException">Something failed for good or was not ready in time; the message says what and why.</exception>
    public async Task WaitAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (IsDone())
            return;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop.Token, deadline.Token);
        var changes = Channel.CreateBounded<(Resource Resource, JsonObject Object)>(QueuedChanges);
        var watches = Watched().Select(watched => WatchAsync(watched.Resource, watched.Namespace, changes.Writer, stop.Token)).ToArray();
        try
        {
            await foreach (var (resource, changed) in changes.Reader.ReadAllAsync(either.Token))
            {
                Take(resource, changed);
                if (IsDone())
                    return;
            }
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new CliException($"not ready after {timeout.TotalSeconds:0} s:\n{string.Join('\n', Unready())}");
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private bool IsDone()
    {
        foreach (var (applied, readiness) in _awaited.Values)
        {
            if (readiness.State == ReadyState.Failed)
                throw new CliException($"{applied.DisplayName} failed: {readiness.Why}");
        }
        return _awaited.Values.All(awaited => awaited.Readiness.State == ReadyState.Ready);
    }

    private IEnumerable<string> Unready() =>
        _awaited.Values.Where(awaited => awaited.Readiness.State != ReadyState.Ready)
            .Select(awaited => Line(awaited.Applied.DisplayName, awaited.Applied.Namespace, PodOf(awaited.Applied), awaited.Readiness))
            .Concat(_pods.Values
                .Where(pod => pod.Readiness.State != ReadyState.Ready && !_awaited.ContainsKey(Key(PodResource, pod.Namespace, pod.Name)))
                .Select(pod => Line("pod/" + pod.Name, pod.Namespace, pod, pod.Readiness)));

    /// <summary>The note has what events said, too.</summary>
    private static string Line(string name, string @namespace, PodTimeline? pod, Readiness readiness) =>
        $"  {name} in {@namespace}: {(pod?.Note is { Length: > 0 } note ? note : readiness.Why)}";

    private PodTimeline? PodOf(AppliedObject applied) =>
        applied.Resource == PodResource ? _pods.GetValueOrDefault(applied.Namespace + "/" + applied.Manifest.Name) : null;

    private static readonly Resource PodResource = new("/api/v1", "pods", IsNamespaced: true);
    private static readonly Resource EventResource = new("/api/v1", "events", IsNamespaced: true);

    private IEnumerable<(Resource Resource, string Namespace)> Watched() =>
        _awaited.Values.Select(awaited => (awaited.Applied.Resource, awaited.Applied.Namespace))
            .Concat(_awaited.Values.SelectMany(awaited => ((Resource, string)[])[(PodResource, awaited.Applied.Namespace), (EventResource, awaited.Applied.Namespace)]))
            .Distinct();

    /// <summary>Lists, then watches from there, and does so again whenever the watch ends.</summary>
    private async Task WatchAsync(
        Resource resource, string @namespace, ChannelWriter<(Resource, JsonObject)> changes, CancellationToken cancellationToken)
    {
        var collection = resource.Collection(@namespace);
        while (true)
        {
            try
            {
                var list = await api.GetAsync(collection, cancellationToken);
                foreach (var item in Readiness.Items(list["items"]))
                    await changes.WriteAsync((resource, item), cancellationToken);
                var revision = Readiness.Text(list["metadata"], "resourceVersion");
                await foreach (var (type, changed) in api.WatchAsync($"{collection}?watch=1&resourceVersion={revision}", cancellationToken))
                {
                    if (type is "ADDED" or "MODIFIED")
                        await changes.WriteAsync((resource, changed), cancellationToken);
                    else if (type == "ERROR")
                        break;
                }
            }
            catch (Exception exception) when (exception is CliException or ApiException or IOException or HttpRequestException)
            {
                Debug.WriteLine(exception); // the deadline of the wait ends this, with what was known last
            }
            await Task.Delay(RetryPause, clock, cancellationToken);
        }
    }

    private void Take(Resource resource, JsonObject changed)
    {
        var (@namespace, name) = (Readiness.Text(changed["metadata"], "namespace"), Readiness.Text(changed["metadata"], "name"));
        if (resource == EventResource)
        {
            TakeEvent(changed);
            return;
        }
        var key = Key(resource, @namespace, name);
        if (_awaited.TryGetValue(key, out var awaited))
            _awaited[key] = awaited with { Readiness = Readiness.Of(WithKind(changed, awaited.Applied.Manifest.Kind)) };
        if (resource == PodResource && (_awaited.ContainsKey(key) || IsNew(changed)))
            See(@namespace, changed);
    }

    private void TakeEvent(JsonObject happened)
    {
        var about = happened["involvedObject"];
        if (Readiness.Text(about, "kind") != "Pod" || !IsNew(happened)
            || !_pods.TryGetValue(Readiness.Text(about, "namespace") + "/" + Readiness.Text(about, "name"), out var pod))
            return;
        view.Show(pod, pod.SeeEvent(Readiness.Text(happened, "reason"), Readiness.Text(happened, "message"), Elapsed));
    }

    private void See(string @namespace, JsonObject pod)
    {
        var name = Readiness.Text(pod["metadata"], "name");
        if (!_pods.TryGetValue(@namespace + "/" + name, out var timeline))
            _pods[@namespace + "/" + name] = timeline = new PodTimeline(@namespace, name, Elapsed);
        view.Show(timeline, timeline.See(WithKind(pod, "Pod"), Elapsed));
    }

    private TimeSpan Elapsed => clock.GetElapsedTime(_began);

    /// <summary>Made since this began; API times have whole seconds.</summary>
    private bool IsNew(JsonObject live) =>
        DateTimeOffset.TryParse(Readiness.Text(live["metadata"], "creationTimestamp"), System.Globalization.CultureInfo.InvariantCulture, out var created)
        && created >= _beganAt.AddSeconds(-1);

    private static string Key(Resource resource, string @namespace, string name) => resource.Path(@namespace, name);

    /// <summary>Items of lists leave their kind out.</summary>
    private static JsonObject WithKind(JsonObject live, string kind)
    {
        live["kind"] = kind;
        return live;
    }
}
