using System.Diagnostics;
using System.Globalization;

namespace Minke.Binary.Features;

/// <summary>What people do inside of pods: exec, attach, port-forward, cp, debug.</summary>
public sealed class SessionTests(FeatureCluster cluster)
{
    [Fact]
    public async Task Commands_run_in_containers_with_their_streams_codes_and_terminals()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("a"));
        await space.ReadyAsync("a");

        var both = await space.KubectlAsync("exec", "a", "--", "sh", "-c", "echo out; echo err >&2; exit 3");
        Assert.Equal((3, "out\n", "err\ncommand terminated with exit code 3\n"), (both.ExitCode, both.Output, both.Errors));
        Assert.Equal("HELLO", (await space.FeedAsync("hello", "exec", "-i", "a", "--", "tr", "a-z", "A-Z")).Text);

        // One line, kubectl's: nothing of the runtime's beside it.
        var missing = await space.KubectlAsync("exec", "a", "--", "no-such-command");
        Assert.Equal((1, "", """
            error: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "no-such-command": OCI runtime exec failed: exec failed: unable to start container process: exec: "no-such-command": executable file not found in $PATH: unknown

            """), (missing.ExitCode, missing.Output, missing.Errors));

        await using var typed = await Typist.StartAsync(space, "exec", "-it", "a", "--", "sh", "-c", "trap 'stty size' WINCH; tty; stty size; while :; do sleep 0.1; done");
        await typed.SeesAsync("/dev/pts/0");
        await typed.SeesAsync("33 77");
        await typed.ResizeAsync(44, 88);
        await typed.SeesAsync("44 88");
        await typed.TypeAsync("\u0003"); // Ctrl-C is the terminal's, and so the command's
        await typed.SeesAsync("command terminated with exit code 130");
    }

    [Fact]
    public async Task Attached_one_sees_and_feeds_the_containers_own_process()
    {
        var space = await cluster.SpaceAsync();
        const string reads = "while read line; do echo got $line; done; echo end; sleep 3600";
        await space.ApplyAsync(
            Space.Pod("keeps", reads, "stdin: true") + Space.Pod("once", reads, "stdin: true\nstdinOnce: true")
            + Space.Pod("talks", "while :; do echo out; echo err >&2; sleep 0.1; done") + Space.Pod("typed", "exec sh", "stdin: true\ntty: true"));
        await space.ReadyAsync("keeps", "once", "talks", "typed");

        // What stays open is fed by one after the other; what is open once has its end with the first.
        foreach (var word in (string[])["one", "two"])
        {
            using var feeds = space.Start("attach", "-i", "keeps");
            await feeds.StandardInput.WriteLineAsync(word);
            await feeds.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
            await LineAsync(feeds.StandardOutput, "got " + word);
            feeds.Kill();
        }
        Assert.Equal("got one\ngot two", await space.GetAsync("logs", "keeps"));
        using (var feeds = space.Start("attach", "-i", "once"))
        {
            await feeds.StandardInput.WriteLineAsync("only");
            feeds.StandardInput.Close();
            await LineAsync(feeds.StandardOutput, "end");
            feeds.Kill();
        }
        Assert.Equal("got only\nend", await space.GetAsync("logs", "once"));

        using (var watches = space.Start("attach", "talks"))
        {
            await LineAsync(watches.StandardOutput, "out");
            await LineAsync(watches.StandardError, "err");
            watches.Kill();
        }

        await using var typist = await Typist.StartAsync(space, "attach", "-it", "typed");
        // kubectl makes the window larger and small again, and some conmons keep only the first of two sizes that come at once.
        await typist.TypeAsync("until stty size | grep -q '[1-9]'; do sleep 0.1; done; echo $((40 + 2))\n");
        await typist.SeesAsync("42");
        await typist.ResizeAsync(44, 88);
        await typist.TypeAsync("until [ \"$(stty size)\" = '44 88' ]; do sleep 0.1; done; echo $((50 + 3))\n");
        await typist.SeesAsync("53");
    }

    [Fact]
    public async Task Ports_are_forwarded_and_files_copied()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("web", "mkdir /www; echo page > /www/index.html; httpd -p 127.0.0.1:8080 -h /www; exec sleep 3600",
            "readinessProbe: {exec: {command: [wget, -qO, /dev/null, 'http://127.0.0.1:8080/']}, periodSeconds: 1}"));
        await space.ReadyAsync("web");

        using (var forward = space.Start("port-forward", "pod/web", ":8080", ":9999"))
        {
            var open = await ForwardedAsync(forward, 8080);
            var closed = await ForwardedAsync(forward, 9999);
            Assert.Equal("page\n", (await cluster.Machine.RunAsync("curl", "-s", "--max-time", "10", $"http://127.0.0.1:{open}/")).Text);
            Assert.Equal("page\n", (await cluster.Machine.RunAsync("curl", "-s", "--max-time", "10", $"http://127.0.0.1:{open}/")).Text);
            _ = await cluster.Machine.RunAsync("curl", "-s", "--max-time", "10", $"http://127.0.0.1:{closed}/");
            var error = await LineAsync(forward.StandardError, line => line.Contains("an error occurred forwarding", StringComparison.Ordinal));
            Assert.Contains($"an error occurred forwarding {closed} -> 9999: error forwarding port 9999 to pod web, uid {await space.PathAsync("web", "{.metadata.uid}")}: "
                + $"failed to execute portforward in network namespace of pod {space.Name}/web: failed to connect to localhost:9999 inside namespace ", error, StringComparison.Ordinal);
            Assert.Contains("IPv4: dial tcp4 127.0.0.1:9999: connect: connection refused IPv6 dial tcp6 [::1]:9999: connect: ", error, StringComparison.Ordinal);
            forward.Kill();
        }

        var here = Directory.CreateTempSubdirectory("minke-cp-").FullName;
        try
        {
            Directory.CreateDirectory(here + "/there/deep");
            await File.WriteAllTextAsync(here + "/there/deep/file", "from here", TestContext.Current.CancellationToken);
            await space.GetAsync("cp", here + "/there", "web:/tmp/copy");
            Assert.Equal("from here", await space.ExecAsync("web", "cat /tmp/copy/deep/file; echo from there > /tmp/copy/deep/other"));
            await space.GetAsync("cp", "web:/tmp/copy", here + "/back");
            Assert.Equal("from there\n", await File.ReadAllTextAsync(here + "/back/deep/other", TestContext.Current.CancellationToken));
        }
        finally
        {
            Directory.Delete(here, recursive: true);
        }
    }

    [Fact]
    public async Task Ephemeral_containers_join_a_running_pod_and_see_the_processes_of_their_target()
    {
        var space = await cluster.SpaceAsync();
        await space.ApplyAsync(Space.Pod("a", "touch /tmp/mine; exec sleep 1111"));
        await space.ReadyAsync("a");

        const string look = "pidof sleep; ls /proc/1/root/tmp; ip -o addr show | grep -o 'inet [0-9.]*' | tail -1";
        await space.GetAsync("debug", "a", "--image", Cluster.Image, "-c", "near", "--target", "main", "-q", "--", "sh", "-c", look);
        await space.GetAsync("debug", "a", "--image", Cluster.Image, "-c", "beside", "-q", "--", "sh", "-c", "pidof sleep || echo none");
        const string ended = "{.status.ephemeralContainerStatuses[?(@.name=='%')].state.terminated.reason}";
        await space.UntilAsync("a", ended.Replace("%", "near", StringComparison.Ordinal), "Completed");
        await space.UntilAsync("a", ended.Replace("%", "beside", StringComparison.Ordinal), "Completed");

        Assert.Equal($"1\nmine\ninet {await space.PathAsync("a", "{.status.podIP}")}", await space.GetAsync("logs", "a", "-c", "near"));
        Assert.Equal("none", await space.GetAsync("logs", "a", "-c", "beside"));
        Assert.Equal("0", await space.PathAsync("a", "{.status.containerStatuses[0].restartCount}"));
        Assert.Equal("main", await space.PathAsync("a", "{.spec.ephemeralContainers[?(@.name=='near')].targetContainerName}"));

        // With a terminal, as people debug.
        await using var typist = await Typist.StartAsync(space, "debug", "a", "--image", Cluster.Image, "-c", "typed", "-it", "-q", "--", "sh");
        await typist.TypeAsync("echo $((40 + 2))\n");
        await typist.SeesAsync("42");
    }

    private static async Task<string> ForwardedAsync(Process forward, int port)
    {
        var line = await LineAsync(forward.StandardOutput, line => line.EndsWith($"-> {port}", StringComparison.Ordinal) && line.Contains("127.0.0.1", StringComparison.Ordinal));
        return line.Split(':')[1].Split(' ')[0];
    }

    private static Task<string> LineAsync(StreamReader reader, string line) => LineAsync(reader, text => text == line);

    private static async Task<string> LineAsync(StreamReader reader, Func<string, bool> isWanted)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(40));
        while (await reader.ReadLineAsync(deadline.Token) is { } line)
        {
            if (isWanted(line))
                return line;
        }
        throw new InvalidOperationException("the output ended without the line");
    }
}

/// <summary>Somebody at a terminal of 33 lines and 77 columns in which kubectl runs.</summary>
internal sealed class Typist : IAsyncDisposable
{
    private readonly Space _space;
    private readonly Process _process;
    private readonly string _terminal;
    private string _seen = "";

    private Typist(Space space, Process process, string terminal) => (_space, _process, _terminal) = (space, process, terminal);

    public static async Task<Typist> StartAsync(Space space, params string[] kubectl)
    {
        var command = string.Join(' ', space.Arguments(kubectl).Prepend("kubectl").Select(word => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'"));
        var process = space.Cluster.Machine.Start("script", ["-qec", $"stty rows 33 cols 77; tty; exec {command}", "/dev/null"],
            new Dictionary<string, string> { ["SHELL"] = "/bin/sh", ["TERM"] = "xterm" });
        var terminal = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        return new Typist(space, process, terminal!.Trim());
    }

    public async Task TypeAsync(string keys)
    {
        await _process.StandardInput.WriteAsync(keys);
        await _process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
    }

    public async Task ResizeAsync(int rows, int columns) => _ = (await _space.Cluster.Machine.RunAsync(
        "stty", "-F", _terminal, "rows", rows.ToString(CultureInfo.InvariantCulture), "cols", columns.ToString(CultureInfo.InvariantCulture))).Text;

    /// <summary>Waits until the text is on the screen.</summary>
    public async Task SeesAsync(string text)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(40));
        var buffer = new char[4096];
        while (!_seen.Contains(text, StringComparison.Ordinal))
        {
            int read;
            try
            {
                read = await _process.StandardOutput.ReadAsync(buffer, deadline.Token);
            }
            catch (OperationCanceledException)
            {
                read = 0;
            }
            Assert.True(read > 0, $"\"{text}\" never came: {_seen}");
            _seen += new string(buffer, 0, read);
        }
    }

    public ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        _process.Dispose();
        return ValueTask.CompletedTask;
    }
}
