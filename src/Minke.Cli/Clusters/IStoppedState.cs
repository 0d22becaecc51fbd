namespace Minke.Cli.Clusters;

/// <summary>
/// The state of a cluster that does not run: what <c>minke store</c> does to it. The caller has the directory's lock. Every failure is a
/// <see cref="CliException"/>.
/// </summary>
public interface IStoppedState
{
    /// <summary>Seals everything that is secret with a new key and forgets the old ones; where it fails, what was sealed still opens.</summary>
    /// <returns>How many values are sealed.</returns>
    Task<int> RotateKeysAsync(DataDirectory data, CancellationToken cancellationToken);

    /// <summary>Writes a backup.</summary>
    /// <param name="data">Of the cluster.</param>
    /// <param name="running">A backup as the running cluster gives it; null to read the state itself.</param>
    /// <param name="output">Where to.</param>
    /// <param name="withKeys">Whether it carries the keys that seal Secrets and the cluster's certificates.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<BackupReport> BackupAsync(DataDirectory data, Stream? running, Stream output, bool withKeys, CancellationToken cancellationToken);

    /// <summary>Reads all of a backup. Nothing is changed.</summary>
    Task<BackupReport> ReadBackupAsync(string file, CancellationToken cancellationToken);

    /// <summary>Makes the parts of a data directory of a backup.</summary>
    /// <param name="data">The cluster they are meant for; only read.</param>
    /// <param name="file">The backup.</param>
    /// <param name="staging">Empty; where the parts are made, by their names in the data directory.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The revision it goes on from.</returns>
    Task<long> RestoreAsync(DataDirectory data, string file, string staging, CancellationToken cancellationToken);

    Task<CompactReport> CompactAsync(DataDirectory data, CancellationToken cancellationToken);

    Task<CheckReport> CheckAsync(DataDirectory data, CancellationToken cancellationToken);
}
