using System.Text.Json.Nodes;
using Minke.TestSupport;

namespace Minke.Server.Tests.Flow;

/// <summary>One client with many slow requests, seen from outside: what becomes of its own and of everybody else's.</summary>
public sealed class StarvationTests
{
    private const string Queue = """{"type":"Queue","queuing":{"queues":16,"handSize":1,"queueLengthLimit":2}}""";

    [Fact]
    public async Task A_full_level_refuses_at_once_and_every_other_level_goes_on()
    {
        await using var flow = await FlowServer.StartAsync();
        var held = await flow.FillAsync("greedy");
        using (var refused = await flow.GetAsync("anybody"))
        {
            Assert.Equal(429, (int)refused.StatusCode);
            Assert.Equal("1", Assert.Single(refused.Headers.GetValues("Retry-After")));
            Assert.Equal(await UidAsync(flow, "flowschemas/testers"), Assert.Single(refused.Headers.GetValues("X-Kubernetes-PF-FlowSchema-UID")));
            Assert.Equal(await UidAsync(flow, "prioritylevelconfigurations/small"), Assert.Single(refused.Headers.GetValues("X-Kubernetes-PF-PriorityLevel-UID")));
            Assert.Equal("Too many requests, please try again later.\n", await refused.Content.ReadAsStringAsync(TestServer.Cancelled));
        }
        await flow.UntilAsync("rejected_requests_total", 1, ",reason=\"concurrency-limit\"");

        using (var other = await flow.GetAsync("somebody", group: "others"))
            Assert.Equal(200, (int)other.StatusCode);
        (await flow.Server.GetAsync(FlowServer.ConfigMaps)).Expect(200); // system:masters
        (await flow.Server.GetAsync("/readyz")).Expect(200);

        held[0].LetGo();
        Assert.Equal(201, await held[0].CodeAsync());
        await flow.UntilAsync("current_executing_requests", FlowServer.Seats - 1);
        using var accepted = await flow.GetAsync("anybody");
        Assert.Equal(200, (int)accepted.StatusCode);
    }

    [Fact]
    public async Task In_a_level_with_queues_a_modest_user_does_not_wait_behind_a_greedy_one()
    {
        await using var flow = await FlowServer.StartAsync("""{"type":"Queue","queuing":{"queues":64,"handSize":1,"queueLengthLimit":50}}""");
        var first = await flow.FillAsync("greedy");
        var queued = Enumerable.Range(0, 20).Select(_ => flow.Begin("greedy")).ToList();
        await flow.UntilAsync("current_inqueue_requests", 20);
        var modest = flow.GetAsync("modest");
        await flow.UntilAsync("current_inqueue_requests", 21);

        // Of three seats that come back one at least is not the greedy user's.
        foreach (var one in first)
            one.LetGo();
        using (var answer = await modest)
            Assert.Equal(200, (int)answer.StatusCode);
        Assert.DoesNotContain(queued, one => one.Answer.IsCompleted);
        foreach (var one in queued)
            one.LetGo();
        foreach (var one in queued)
            Assert.Equal(201, await one.CodeAsync());
        Assert.Equal(0, await flow.MetricAsync("current_inqueue_requests"));
    }

    [Fact]
    public async Task A_full_queue_refuses_and_who_waits_too_long_is_told_so()
    {
        var clock = new ManualTime(DateTimeOffset.UtcNow);
        await using var flow = await FlowServer.StartAsync(Queue, clock);
        await flow.FillAsync("greedy");
        var waiting = flow.GetAsync("greedy", FlowServer.ConfigMaps + "?timeout=24h");
        await flow.UntilAsync("current_inqueue_requests", 1);
        var hasty = flow.GetAsync("greedy", FlowServer.ConfigMaps + "?timeout=8s");
        await flow.UntilAsync("current_inqueue_requests", 2);
        using (var full = await flow.GetAsync("greedy"))
            Assert.Equal(429, (int)full.StatusCode);
        await flow.UntilAsync("rejected_requests_total", 1, ",reason=\"queue-full\"");

        // A quarter of what it gave itself, and of a minute for who gave none.
        clock.Advance(TimeSpan.FromSeconds(2));
        using (var late = await hasty)
            Assert.Equal(429, (int)late.StatusCode);
        Assert.False(waiting.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(13));
        using (var later = await waiting)
            Assert.Equal((429, "1"), ((int)later.StatusCode, Assert.Single(later.Headers.GetValues("Retry-After"))));
        await flow.UntilAsync("rejected_requests_total", 2, ",reason=\"time-out\"");
        Assert.Equal(0, await flow.MetricAsync("current_inqueue_requests"));
    }

    [Fact]
    public async Task Who_leaves_while_he_waits_gives_up_his_place()
    {
        await using var flow = await FlowServer.StartAsync(Queue);
        await flow.FillAsync("greedy");
        using var leaving = new CancellationTokenSource();
        var waiting = flow.GetAsync("greedy", cancelled: leaving.Token);
        await flow.UntilAsync("current_inqueue_requests", 1);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await flow.UntilAsync("rejected_requests_total", 1, ",reason=\"cancelled\"");
        Assert.Equal(0, await flow.MetricAsync("current_inqueue_requests"));
    }

    [Fact]
    public async Task A_body_that_does_not_come_gives_its_seat_back_when_its_time_is_up()
    {
        var clock = new ManualTime(DateTimeOffset.UtcNow);
        await using var flow = await FlowServer.StartAsync(clock: clock);
        var held = await flow.FillAsync("slow");
        clock.Advance(TimeSpan.FromSeconds(61));
        foreach (var one in held)
            Assert.Equal(504, await one.CodeAsync());
        await flow.UntilAsync("current_executing_requests", 0);
        using var next = await flow.GetAsync("quick");
        Assert.Equal(200, (int)next.StatusCode);
    }

    [Fact]
    public async Task Who_does_not_take_an_answer_gives_the_seat_back_all_the_same()
    {
        var clock = new ManualTime(DateTimeOffset.UtcNow);
        await using var flow = await FlowServer.StartAsync(clock: clock);
        var filler = new string('x', 1_000_000);
        for (var i = 0; i < 6; i++)
            (await flow.Server.PostAsync(FlowServer.ConfigMaps, $$"""{"metadata":{"name":"a{{i}}"},"data":{"k":"{{filler}}"} }""")).Expect(201);
        using var slow = flow.Server.ClientOf(flow.Server.Pki.Admin);
        using var answer = await slow.SendAsync(FlowServer.As("slow", HttpMethod.Get, FlowServer.ConfigMaps), HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled);
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal(1, await flow.MetricAsync("current_executing_requests"));
        var body = await answer.Content.ReadAsStreamAsync(TestServer.Cancelled);
        for (var second = 0; second < 64; second++)
        {
            Assert.Equal(1, await body.ReadAsync(new byte[1], TestServer.Cancelled)); // a byte a second
            clock.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal(1, await flow.MetricAsync("current_executing_requests"));
        clock.Advance(TimeSpan.FromSeconds(30));
        await flow.UntilAsync("current_executing_requests", 0);
    }

    [Fact]
    public async Task A_watch_takes_a_seat_until_its_beginning_is_sent()
    {
        await using var flow = await FlowServer.StartAsync();
        List<HttpResponseMessage> watches = [];
        for (var i = 0; i < 3 * FlowServer.Seats; i++)
        {
            await flow.UntilAsync("current_executing_requests", 0);
            watches.Add(await flow.Server.Admin.SendAsync(
                FlowServer.As("watcher", HttpMethod.Get, FlowServer.ConfigMaps + "?watch=1"), HttpCompletionOption.ResponseHeadersRead, TestServer.Cancelled));
            Assert.Equal(200, (int)watches[^1].StatusCode);
        }
        Assert.Equal(watches.Count, await flow.MetricAsync("dispatched_requests_total"));

        await flow.FillAsync("greedy");
        using var refused = await flow.GetAsync("watcher", FlowServer.ConfigMaps + "?watch=1");
        Assert.Equal(429, (int)refused.StatusCode);
        watches.ForEach(watch => watch.Dispose());
    }

    [Fact]
    public async Task A_level_that_is_wanted_gets_seats_of_those_that_are_not_and_gives_them_back()
    {
        var clock = new ManualTime(DateTimeOffset.UtcNow);
        await using var flow = await FlowServer.StartAsync(clock: clock);
        (await flow.Server.PatchAsync(FlowServer.Group + "prioritylevelconfigurations/small", """{"spec":{"limited":{"borrowingLimitPercent":200}}}""")).Expect(200);
        await UntilLimitAsync(flow, "upper", FlowServer.Seats * 3);
        List<HeldRequest> held = [];
        while (await LimitAsync(flow, "current") is var limit && held.Count < limit)
        {
            held.Add(flow.Begin("busy"));
            await flow.UntilAsync("current_executing_requests", held.Count);
            if (held.Count < limit)
                continue;
            clock.Advance(TimeSpan.FromSeconds(10));
        }
        Assert.Equal(FlowServer.Seats * 3, held.Count);
        using var refused = await flow.GetAsync("busy");
        Assert.Equal(429, (int)refused.StatusCode);
    }

    private static async Task UntilLimitAsync(FlowServer flow, string which, double value)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await LimitAsync(flow, which) != value)
            deadline.Token.ThrowIfCancellationRequested();
    }

    private static async Task<double> LimitAsync(FlowServer flow, string which)
    {
        var line = $"apiserver_flowcontrol_{which}_limit_seats{{priority_level=\"small\"}} ";
        var text = (await flow.Server.GetAsync("/metrics")).Text;
        var at = text.IndexOf(line, StringComparison.Ordinal) + line.Length;
        return double.Parse(text.AsSpan(at, text.IndexOf('\n', at) - at), System.Globalization.CultureInfo.InvariantCulture);
    }

    private static async Task<string> UidAsync(FlowServer flow, string path) =>
        (await flow.Server.GetAsync(FlowServer.Group + path)).Expect(200).Json["metadata"]!["uid"]!.GetValue<string>();
}
