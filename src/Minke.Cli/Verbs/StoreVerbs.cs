using Minke.Cli.Clusters;

namespace Minke.Cli.Verbs;

/// <summary><c>minke store</c>: what is done to the state while no cluster runs on it.</summary>
internal sealed class StoreVerbs(IClusterHost host, Terminal terminal)
{
    public async Task<int> RotateKeysAsync(DataDirectory data, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(data.State))
            throw new CliException($"there is no cluster in {data.Root}");
        using var held = ClusterLock.TryTake(data)
            ?? throw new CliException($"the cluster in {data.Root} runs: stop it first, with minke down --keep; its pods run on");
        var count = await host.RotateKeysAsync(data, cancellationToken);
        terminal.Out.WriteLine($"{count} {(count == 1 ? "value is" : "values are")} sealed with a new key; keep a copy of {data.SealingKeys}");
        return 0;
    }
}
