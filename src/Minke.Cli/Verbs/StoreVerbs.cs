using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Minke.Cli.Api;
using Minke.Cli.Clusters;

namespace Minke.Cli.Verbs;

/// <summary>
/// <c>minke store</c>: looks after the state. A running cluster is asked, over its API (<c>/minke/store/…</c>); of one that does not run
/// the files are opened, with the directory's lock held.
/// </summary>
internal sealed class StoreVerbs(IStoppedState state, DataDirectory data, Terminal terminal, bool asJson = false)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public async Task<int> RotateKeysAsync(CancellationToken cancellationToken)
    {
        using var held = TakeStopped();
        var count = await state.RotateKeysAsync(data, cancellationToken);
        terminal.Out.WriteLine($"{count} {(count == 1 ? "value is" : "values are")} sealed with a new key; keep a copy of {data.SealingKeys}");
        return 0;
    }

    /// <param name="file">Where to; <c>-</c> for standard output.</param>
    /// <param name="withKeys">Whether it is to carry the cluster's keys.</param>
    /// <param name="cancellationToken">Gives up; a file that was there before stays.</param>
    public async Task<int> BackupAsync(string file, bool withKeys, CancellationToken cancellationToken)
    {
        RequireState();
        if (file == "-")
        {
            if (terminal.IsInteractive)
                throw new CliException("a backup is nothing to look at: name a file, or pipe the output");
            using var pipe = Console.OpenStandardOutput();
            Say(terminal.Error, await BackupToAsync(pipe, withKeys, cancellationToken), "standard output");
            return 0;
        }
        // Under its name only once it is whole.
        var partial = file + ".partial";
        File.Delete(partial);
        try
        {
            BackupReport report;
            using (var stream = new FileStream(partial, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
            {
                report = await BackupToAsync(stream, withKeys, cancellationToken);
                stream.Flush(flushToDisk: true);
            }
            File.Move(partial, file, overwrite: true);
            Say(terminal.Out, report, file);
            return 0;
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    /// <param name="file">The backup.</param>
    /// <param name="force">Whether a state that is there may be replaced.</param>
    /// <param name="cancellationToken">Gives up; what is there stays.</param>
    public async Task<int> RestoreAsync(string file, bool force, CancellationToken cancellationToken)
    {
        if (!File.Exists(file))
            throw new CliException($"there is no file {file}");
        var backup = await state.ReadBackupAsync(file, cancellationToken);
        using var held = ClusterLock.TryTake(data) ?? throw Runs();
        if (Directory.Exists(data.State) && !force)
            throw new CliException($"there is a cluster in {data.Root}: restore into another --data-dir, or replace its state with --force");

        var restoration = new Restoration(data);
        restoration.Begin();
        long revision;
        try
        {
            revision = await state.RestoreAsync(data, file, restoration.Staging, cancellationToken);
        }
        catch
        {
            restoration.Discard();
            throw;
        }
        var report = new RestoreReport(backup, revision, restoration.Commit() ? restoration.Replaced : null);
        if (asJson)
            WriteJson(report, StoreJson.Default.RestoreReport);
        else
            Say(report);
        return 0;
    }

    public async Task<int> CompactAsync(CancellationToken cancellationToken)
    {
        var report = await AskAsync(
            api => api.PostAsync("/minke/store/compact", [], cancellationToken), StoreJson.Default.CompactReport,
            () => state.CompactAsync(data, cancellationToken));
        if (asJson)
            WriteJson(report, StoreJson.Default.CompactReport);
        else
            terminal.Out.WriteLine($"freed {Megabytes(report.FreedBytes)}; the state takes {Megabytes(report.SizeBytes)}"
                + (report.ForgottenChanges > 0 ? $", and remembers no change before revision {report.Revision}" : ""));
        return 0;
    }

    public async Task<int> CheckAsync(CancellationToken cancellationToken)
    {
        var report = await AskAsync(
            api => api.GetAsync("/minke/store/check", cancellationToken), StoreJson.Default.CheckReport,
            () => state.CheckAsync(data, cancellationToken));
        if (asJson)
        {
            WriteJson(report, StoreJson.Default.CheckReport);
        }
        else
        {
            foreach (var problem in report.Problems)
                terminal.Out.WriteLine(problem);
            var count = report.Problems.Count;
            terminal.Out.WriteLine(count == 0
                ? $"{report.Entries} objects at revision {report.Revision}: all is well"
                : $"{count} {(count == 1 ? "problem" : "problems")} in {report.Entries} objects at revision {report.Revision}; a backup brings back what is lost: {terminal.CommandName} store restore");
        }
        return report.Problems.Count == 0 ? 0 : 1;
    }

    private async Task<BackupReport> BackupToAsync(Stream output, bool withKeys, CancellationToken cancellationToken)
    {
        using (var held = ClusterLock.TryTake(data))
        {
            if (held is not null)
                return await state.BackupAsync(data, null, output, withKeys, cancellationToken);
        }
        using var api = Running();
        await using var running = await api.StreamAsync("/minke/store/backup", cancellationToken);
        return await state.BackupAsync(data, running, output, withKeys, cancellationToken);
    }

    /// <summary>The running cluster's answer, or what is found in the files.</summary>
    private async Task<T> AskAsync<T>(Func<ApiConnection, Task<System.Text.Json.Nodes.JsonObject>> running, JsonTypeInfo<T> type, Func<Task<T>> stopped)
    {
        RequireState();
        using (var held = ClusterLock.TryTake(data))
        {
            if (held is not null)
                return await stopped();
        }
        using var api = Running();
        return (await running(api)).Deserialize(type)!;
    }

    private ApiConnection Running() => data.RunningCluster() is not null
        ? new ApiConnection(UpVerb.KubeconfigOf(data))
        : throw new CliException($"the cluster in {data.Root} is just starting or ending: try again in a moment");

    private ClusterLock TakeStopped()
    {
        RequireState();
        return ClusterLock.TryTake(data) ?? throw Runs();
    }

    private CliException Runs() => new($"the cluster in {data.Root} runs: stop it first, with minke down --keep; its pods run on");

    private void RequireState()
    {
        // A restore that was killed has its state elsewhere until somebody takes the lock.
        if (!Directory.Exists(data.State) && !Directory.Exists(Path.Combine(data.Root, "restored")))
            throw new CliException($"there is no cluster in {data.Root}");
    }

    private void Say(TextWriter output, BackupReport report, string file)
    {
        if (asJson)
        {
            output.WriteLine(JsonSerializer.Serialize(report, StoreJson.Default.BackupReport));
            return;
        }
        output.WriteLine($"{report.Objects} objects at revision {report.Revision} are in {file}");
        output.WriteLine(report.HasKeys
            ? "it carries the cluster's keys: whoever can read it is the cluster's administrator"
            : $"its Secrets stay sealed: to restore it elsewhere you need {data.SealingKeys} and {data.Pki} too; keep copies of them, or back up with --with-keys");
    }

    private void Say(RestoreReport report)
    {
        terminal.Out.WriteLine($"{report.Backup.Objects} objects of {report.Backup.TakenAt:u} are in {data.Root}, which goes on from revision {report.Revision}");
        if (report.Replaced is { } replaced)
            terminal.Out.WriteLine($"what was there before lies in {replaced}; delete it when you are sure");
        if (!report.Backup.HasKeys && !Directory.Exists(data.Pki))
            terminal.Out.WriteLine($"the backup carries no certificates and {data.Pki} is missing: new ones will be made, and kubeconfigs and tokens of before do not hold");
        terminal.Out.WriteLine($"start it with: sudo {terminal.CommandName} up");
    }

    private void WriteJson<T>(T report, JsonTypeInfo<T> type) => terminal.Out.WriteLine(JsonSerializer.Serialize(report, type));

    private static string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");
}
