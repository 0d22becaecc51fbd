namespace Minke.Cli.Clusters;

/// <summary>The right to run, or take down, the cluster of a data directory. The kernel takes it back when its holder dies.</summary>
internal sealed class ClusterLock : IDisposable
{
    private readonly FileStream _file;

    private ClusterLock(FileStream file) => _file = file;

    /// <summary>Null when another process holds it.</summary>
    public static ClusterLock? TryTake(DataDirectory data)
    {
        data.Create();
        FileStream file;
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB); the descriptor is closed in children.
            file = new FileStream(data.LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(data.LockFile))
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            throw new CliException($"the cluster in {data.Root} belongs to another user: use sudo");
        }
        try
        {
            // Whoever may touch the directory sees it as the last restore left it.
            new Restoration(data).Finish();
            return new ClusterLock(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();
}
