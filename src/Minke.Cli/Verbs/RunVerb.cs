using Minke.Cli.Clusters;

namespace Minke.Cli.Verbs;

/// <summary><c>minke run</c>, hidden: the daemon that <c>up --detach</c> starts.</summary>
internal sealed class RunVerb(IClusterHost host, StopSignal stop, TimeProvider clock)
{
    public async Task<int> RunAsync(ClusterProcess.Wish wish)
    {
        wish.Data.Create();
        Daemon.LeaveTerminal(wish.Data.LogFile);
        try
        {
            using var held = ClusterLock.TryTake(wish.Data) ?? throw new CliException($"another minke command just took {wish.Data.Root}: try again");
            await new ClusterProcess(host, clock).RunAsync(wish, held, _ =>
            {
                Daemon.Report(Daemon.Ready, wish.Data.LogFile);
                return Task.CompletedTask;
            }, stop.Token);
            return 0;
        }
        catch (CliException exception)
        {
            Daemon.Report(exception.Message, wish.Data.LogFile);
            throw;
        }
    }
}
