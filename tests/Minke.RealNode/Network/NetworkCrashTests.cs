using System.Diagnostics;
using System.Globalization;
using Minke.Node.Network;
using Minke.Node.Runtime;

namespace Minke.RealNode.Network;

/// <summary>Kills a process that attaches and detaches without end, at random moments, and looks at what is left.</summary>
public sealed class NetworkCrashTests
{
    private const string Variable = "MINKE_TEST_NETWORK_CHILD";
    private const int Rounds = 6;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_at_any_moment_it_leaks_nothing_and_forgets_no_address()
    {
        await using var machine = await TestMachine.CreateAsync();
        var options = machine.Options();
        var random = new Random(20261121);
        var addresses = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var round = 0; round < Rounds; round++)
            await RunUntilKilledAsync(options, $"r{round}", linesBeforeKill: random.Next(1, 120), addresses);

        await using (var network = await BridgeNetworkTests.OpenAsync(options))
        {
            var listed = await network.ListAsync(Cancellation);
            foreach (var (sandbox, address) in addresses.Where(entry => entry.Value.Length > 0))
                Assert.Equal(address, listed.Single(attachment => attachment.Sandbox.Value == sandbox).Ips[0]);
            foreach (var sandbox in addresses.Where(entry => entry.Value.Length == 0).Select(entry => entry.Key))
                Assert.DoesNotContain(listed, attachment => attachment.Sandbox.Value == sandbox);

            // In doubt are only those whose answer the kill cut off: one attaching or detaching a round.
            Assert.InRange(listed.Count - addresses.Count(entry => entry.Value.Length > 0), 0, Rounds);
            Assert.Equal(listed.Count, listed.Select(attachment => attachment.Ips[0]).Distinct().Count());
            await network.RecoverAsync(addresses.Where(entry => entry.Value.Length > 0).Select(entry => new SandboxId(entry.Key)).ToHashSet(), Cancellation);
        }

        var kept = addresses.Values.Where(address => address.Length > 0).Order(StringComparer.Ordinal).ToList();
        var names = InstanceNames.Of(options.Instance);
        Assert.Equal(kept.Count, (await machine.LinksAsync()).Count(link => names.IsPort(link.Name)));
        Assert.Equal(kept, Directory.GetFiles(Path.Combine(options.StateDirectory, "netns")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        await BridgeNetwork.DestroyAsync(options, Cancellation);
        Assert.Equal(["lo"], (await machine.LinksAsync()).Where(link => link.IsUp).Select(link => link.Name));
    }

    /// <summary>The process to be killed is this same program, asked for this alone.</summary>
    [Fact(Explicit = true)]
    public async Task Attaches_and_detaches_until_killed()
    {
        if (Environment.GetEnvironmentVariable(Variable)?.Split('|') is not [var instance, var state, var hostNamespace, var prefix])
            return;
        await using var output = new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true };
        await using var network = await BridgeNetworkTests.OpenAsync(
            new NetworkOptions { Instance = instance, StateDirectory = state, HostNamespacePath = hostNamespace, PoolSize = 4 });
        for (var i = 0; !Cancellation.IsCancellationRequested; i++)
        {
            var id = string.Create(CultureInfo.InvariantCulture, $"{prefix}-{i}");
            PortMapping[] ports = i % 3 == 0 ? [new PortMapping("TCP", 80, 20000 + i % 1000, "")] : [];
            var attached = await network.AttachAsync(BridgeNetworkTests.Request(id, ports), Cancellation);
            await output.WriteLineAsync($"attached {id} {attached.Ips[0]} .");

            if (Stays(id))
                continue;
            await network.DetachAsync(attached.Sandbox, Cancellation);
            await output.WriteLineAsync($"detached {id} - .");
        }
    }

    /// <summary>One in seven.</summary>
    private static bool Stays(string sandbox) => int.Parse(sandbox.Split('-')[1], CultureInfo.InvariantCulture) % 7 == 0;

    /// <summary>Runs the child and notes what it says; an address of "" says detached.</summary>
    private static async Task RunUntilKilledAsync(NetworkOptions options, string prefix, int linesBeforeKill, Dictionary<string, string> addresses)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            Environment =
            {
                [Variable] = string.Join('|', options.Instance, options.StateDirectory, options.HostNamespacePath, prefix),
            },
        };
        foreach (var argument in (string[])["-explicit", "only", "-noColor", "-method", $"{typeof(NetworkCrashTests).FullName}.{nameof(Attaches_and_detaches_until_killed)}"])
            start.ArgumentList.Add(argument);
        using var child = Process.Start(start)!;
        try
        {
            for (var said = 0; said < linesBeforeKill;)
                said += Note(await child.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Deadline, Cancellation)) ? 1 : 0;
        }
        finally
        {
            child.Kill();
        }
        while (await child.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Deadline, Cancellation) is { } rest)
            Note(rest);
        await child.WaitForExitAsync(Cancellation);

        // The kill may have come before the answer, but after the deed.
        foreach (var sandbox in addresses.Where(entry => entry.Value.Length > 0 && !Stays(entry.Key)).Select(entry => entry.Key).ToList())
            addresses.Remove(sandbox);

        bool Note(string? line)
        {
            Assert.True(line is not null, "the child ended by itself");

            // Others speak too (the test runner), and a line cut off by the kill was never said.
            if (line.Split(' ') is not [var verb and ("attached" or "detached"), var sandbox, var address, "."])
                return false;
            addresses[sandbox] = verb == "attached" ? address : "";
            return true;
        }
    }
}
