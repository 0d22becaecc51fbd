using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Minke.Cli.Clusters;

/// <summary>Everything one cluster keeps on this machine. Two directories are two clusters that do not meet.</summary>
/// <remarks>
/// <code>
/// lock          held by the process that runs the cluster, or is taking it down
/// cluster.json  who runs and where it answers (ClusterRecord); gone after an orderly stop
/// kubeconfig    the administrator's
/// minke.log     what Minke had to say
/// manifests/    pods of this node that need no API: one file each (static pods)
/// pki/ state/ node/ images/   owned by the parts
/// replaced/     what was there before the last restore (Restoration)
/// </code>
/// </remarks>
public sealed class DataDirectory
{
    public const string Default = "/var/lib/minke";

    public DataDirectory(string path) => Root = System.IO.Path.GetFullPath(path).TrimEnd('/') is { Length: > 0 } full ? full : "/";

    public string Root { get; }
    public string LockFile => Path("lock");
    public string RecordFile => Path("cluster.json");
    public string KubeconfigFile => Path("kubeconfig");
    public string LogFile => Path("minke.log");
    public string Pki => Path("pki");
    public string State => Path("state");

    /// <summary>The keys that Secrets are sealed with in <see cref="State"/>. A copy of the state is worth nothing without it.</summary>
    public string SealingKeys => Path("sealing.keys");
    public string Node => Path("node");
    public string Images => Path("images");
    public string Manifests => Path("manifests");

    /// <summary>
    /// Tells this cluster's bridges, tables and cgroups from those of other clusters on the machine: eight characters, which the
    /// pod network makes of <see cref="Root"/> too.
    /// </summary>
    public string InstanceId =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Root)))[..8];

    /// <summary>What ends with a reboot: pins, sockets.</summary>
    public string Run => "/run/minke/" + InstanceId;

    /// <summary>Makes the directory; only its owner may look inside, as keys lie there.</summary>
    /// <exception cref="CliException">It cannot be made.</exception>
    public void Create()
    {
        try
        {
            Directory.CreateDirectory(Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"make the data directory {Root}: {exception.Message}", exception);
        }
    }

    /// <summary>The record of the process that runs the cluster; null when there is none, also when one was killed and left its record.</summary>
    /// <exception cref="CliException">The record is not ours to read.</exception>
    public ClusterRecord? RunningCluster() => ReadRecord() is { IsAlive: true } record ? record : null;

    /// <summary>The last record written, whether or not its process lives; null after an orderly stop.</summary>
    public ClusterRecord? ReadRecord()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(RecordFile), ClusterJson.Default.ClusterRecord);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            throw new CliException($"the cluster in {Root} belongs to another user: use sudo");
        }
    }

    internal void WriteRecord(ClusterRecord record)
    {
        var temporary = RecordFile + ".new";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(record, ClusterJson.Default.ClusterRecord));
        File.Move(temporary, RecordFile, overwrite: true);
    }

    internal void DeleteRecord() => File.Delete(RecordFile);

    private string Path(string name) => System.IO.Path.Combine(Root, name);
}
