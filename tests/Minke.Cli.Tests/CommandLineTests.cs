using System.Diagnostics;
using Minke.Cli.Clusters;

namespace Minke.Cli.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("minke-cli-").FullName;
    private readonly StringWriter _out = new();
    private readonly StringWriter _error = new();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Help_names_every_verb()
    {
        Assert.Equal(0, await Run("--help"));
        foreach (var verb in (string[])["up", "down", "status", "kubeconfig", "logs", "doctor", "version", "completion"])
            Assert.Contains($"\n  {verb}", _out.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("\n  run ", _out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Version_names_minke_and_kubernetes()
    {
        Assert.Equal(0, await Run("version"));
        Assert.Matches(@"^Minke \d+\.\d+\.\d+.*, Kubernetes v1\.32\.\d+\n$", _out.ToString());
    }

    [Theory]
    [InlineData("bash", "complete -o default -F _minke minke")]
    [InlineData("zsh", "#compdef minke")]
    [InlineData("fish", "complete -c minke")]
    public async Task Completion_is_a_script_for_the_shell(string shell, string line)
    {
        Assert.Equal(0, await Run("completion", shell));
        Assert.Contains(line, _out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verbs_are_suggested()
    {
        Assert.Equal(0, await Run("[suggest:9]", "minke sta"));
        Assert.Equal("status", _out.ToString().Trim());
    }

    [Theory]
    [InlineData("up --listen nowhere", "write it as 127.0.0.1, 0.0.0.0:6443")]
    [InlineData("up --registries /no/such/file", "/no/such/file: there is no such file")]
    [InlineData("up --request-timeout soon", "--request-timeout soon: time: invalid duration \"soon\"")]
    [InlineData("up --request-timeout 0s", "--request-timeout must be more than nothing")]
    [InlineData("up --max-requests-inflight -1", "--max-requests-inflight can not be negative value")]
    [InlineData("up --max-requests-inflight 0 --max-mutating-requests-inflight 0", "nobody would be served")]
    [InlineData("down --keep --purge", "choose one")]
    [InlineData("status -o xml", "json")]
    [InlineData("upp", "upp")]
    public async Task What_cannot_be_meant_is_an_error(string line, string message)
    {
        Assert.NotEqual(0, await Run(line.Split(' ')));
        Assert.Contains(message, _error.ToString() + _out, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_typed_is_passed_on_as_it_is_typed() => Assert.Equal(
        ["--audit-log-maxbackup", "3", "--request-timeout", "1m30s", "--max-requests-inflight", "40"],
        new AccessOptions { AuditLogMaxBackups = 3, RequestTimeout = TimeSpan.FromSeconds(90), MaxRequestsInFlight = 40 }.ToArguments());

    [Fact]
    public async Task A_manifest_that_cannot_be_read_is_said_before_anything_starts()
    {
        var file = Path.Combine(_directory, "pod.yaml");
        await File.WriteAllTextAsync(file, "kind: Pod\nkind: Pod\n", TestContext.Current.CancellationToken);

        Assert.Equal(1, await Run("up", "-f", file, "--data-dir", Path.Combine(_directory, "data")));
        Assert.Equal($"minke: {file}: line 2: key \"kind\" already set in map\n", _error.ToString());
        Assert.False(Directory.Exists(Path.Combine(_directory, "data")));
    }

    [Theory]
    [InlineData("status", "no cluster runs in ", 1)]
    [InlineData("down", "there is no cluster in ", 0)]
    public async Task Without_a_cluster_a_verb_says_so(string verb, string message, int code)
    {
        Assert.Equal(code, await Run(verb, "--data-dir", Path.Combine(_directory, "none")));
        Assert.StartsWith(message, _out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_cluster_its_kubeconfig_says_how_to_start_one()
    {
        Assert.Equal(1, await Run("kubeconfig", "--data-dir", Path.Combine(_directory, "none")));
        Assert.EndsWith("start one with: sudo minke up\n", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_as_json_says_whether_a_cluster_runs()
    {
        Assert.Equal(1, await Run("status", "-o", "json", "--data-dir", _directory));
        Assert.Contains("\"running\": false", _out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Down_cleans_up_after_a_cluster_that_was_killed()
    {
        var data = new DataDirectory(_directory);
        data.WriteRecord(new ClusterRecord
        {
            // A process that is not there any more.
            Pid = Environment.ProcessId,
            ProcessStart = 1,
            Version = "0",
            Server = new Uri("https://127.0.0.1:6443"),
            NodeName = "n",
            StartedAt = DateTimeOffset.UnixEpoch,
        });
        var host = new NoCluster();

        Assert.Equal(0, await Run(host, "down", "--data-dir", _directory));
        Assert.Equal([_directory], host.Removed);
        Assert.Null(data.ReadRecord());
    }

    [Fact]
    public async Task Down_ends_a_cluster_that_was_just_starting()
    {
        var data = new DataDirectory(_directory);
        var starting = ClusterLock.TryTake(data)!;
        var down = Run("down", "--keep", "--data-dir", _directory);
        using var process = Process.Start("sleep", "60");
        data.WriteRecord(new ClusterRecord
        {
            Pid = process.Id,
            ProcessStart = ClusterRecord.StartOf(process.Id)!.Value,
            Version = "0",
            Server = new Uri("https://127.0.0.1:6443"),
            NodeName = "n",
            StartedAt = DateTimeOffset.UnixEpoch,
        });
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        starting.Dispose();
        Assert.Equal(0, await down);
        Assert.StartsWith("stopped the cluster at https://127.0.0.1:6443", _out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_are_rotated_while_nothing_runs()
    {
        var host = new NoCluster();
        var data = new DataDirectory(_directory);
        Directory.CreateDirectory(data.State);
        Assert.Equal(0, await Run(host, "store", "rotate-keys", "--data-dir", _directory));
        Assert.Equal([_directory], host.Rotated);
        Assert.Equal($"3 values are sealed with a new key; keep a copy of {data.SealingKeys}\n", _out.ToString());
        using var running = ClusterLock.TryTake(data);
        Assert.Equal(1, await Run(host, "store", "rotate-keys", "--data-dir", _directory));
        Assert.Contains("stop it first", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_has_its_name_only_once_it_is_whole_and_is_for_its_owner_alone()
    {
        Directory.CreateDirectory(new DataDirectory(_directory).State);
        var file = Path.Combine(_directory, "backup");
        await File.WriteAllTextAsync(file, "an older one", TestContext.Current.CancellationToken);
        Assert.Equal(1, await Run(new NoCluster { Fails = true }, "store", "backup", file, "--data-dir", _directory));
        Assert.Equal("an older one", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));

        Assert.Equal(0, await Run("store", "backup", file, "--data-dir", _directory));
        Assert.Equal("backup", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Contains($"to restore it elsewhere you need {_directory}/sealing.keys", _out.ToString(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_directory, "*.partial"));
    }

    [Fact]
    public async Task A_restore_replaces_a_state_only_when_asked_and_keeps_what_was_there()
    {
        var data = new DataDirectory(_directory);
        Directory.CreateDirectory(data.State);
        var (database, file) = (Path.Combine(data.State, "state.db"), Path.Combine(_directory, "backup"));
        await File.WriteAllTextAsync(database, "old", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(file, "backup", TestContext.Current.CancellationToken);

        Assert.Equal(1, await Run("store", "restore", file, "--data-dir", _directory));
        Assert.Contains("--force", _error.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await Run(new NoCluster { Fails = true }, "store", "restore", file, "--force", "--data-dir", _directory));
        using (ClusterLock.TryTake(data))
            Assert.Equal(1, await Run("store", "restore", file, "--force", "--data-dir", _directory));
        Assert.Equal(1, await Run("store", "restore", database, "--force", "--data-dir", _directory));
        Assert.Equal("old", await File.ReadAllTextAsync(database, TestContext.Current.CancellationToken));
        Assert.False(Directory.Exists(new Restoration(data).Staging));

        Assert.Equal(0, await Run("store", "restore", file, "--force", "--data-dir", _directory));
        Assert.Equal("new", await File.ReadAllTextAsync(database, TestContext.Current.CancellationToken));
        Assert.Equal("old", await File.ReadAllTextAsync(Path.Combine(_directory, "replaced/state/state.db"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_check_says_by_its_exit_code_whether_all_is_well()
    {
        Directory.CreateDirectory(new DataDirectory(_directory).State);
        Assert.Equal(0, await Run("store", "check", "--data-dir", _directory));
        Assert.Equal("5 objects at revision 9: all is well\n", _out.ToString());
        Assert.Equal(1, await Run(new NoCluster { Fails = true }, "store", "check", "--data-dir", _directory));
        Assert.Equal(0, await Run("store", "compact", "--data-dir", _directory));
        Assert.EndsWith("freed 1.5 MB; the state takes 2.0 MB\n", _out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Down_keeps_pods_when_asked()
    {
        var host = new NoCluster();
        Assert.Equal(0, await Run(host, "down", "--keep", "--data-dir", _directory));
        Assert.Empty(host.Removed);
    }

    private Task<int> Run(params string[] arguments) => Run(new NoCluster(), arguments);

    private async Task<int> Run(IClusterHost host, params string[] arguments)
    {
        using var stop = new StopSignal();
        var terminal = new Terminal { In = TextReader.Null, Out = _out, Error = _error, IsInteractive = false };
        return await new CommandLine(host, terminal, stop, TimeProvider.System).RunAsync(arguments);
    }

    private sealed class NoCluster : IClusterHost, IStoppedState
    {
        public List<string> Removed { get; } = [];
        public List<string> Rotated { get; } = [];
        public IStoppedState StoppedState => this;

        public Task<IRunningCluster> StartAsync(ClusterOptions options, CancellationToken cancellationToken) =>
            throw new CliException("no cluster in this test");

        public Task<int> RotateKeysAsync(DataDirectory data, CancellationToken cancellationToken)
        {
            Rotated.Add(data.Root);
            return Task.FromResult(3);
        }

        public async Task<BackupReport> BackupAsync(DataDirectory data, Stream? running, Stream output, bool withKeys, CancellationToken cancellationToken)
        {
            await output.WriteAsync("backup"u8.ToArray(), cancellationToken);
            return Fails ? throw new CliException("no space left on the disk") : Backup with { HasKeys = withKeys };
        }

        public bool Fails { get; init; }

        private static BackupReport Backup { get; } = new(9, DateTimeOffset.UnixEpoch, 5, false);

        public Task<BackupReport> ReadBackupAsync(string file, CancellationToken cancellationToken) =>
            Task.FromResult(File.ReadAllText(file) == "backup" ? Backup : throw new CliException($"{file} is not a backup"));

        public Task<long> RestoreAsync(DataDirectory data, string file, string staging, CancellationToken cancellationToken)
        {
            Directory.CreateDirectory(Path.Combine(staging, "state"));
            File.WriteAllText(Path.Combine(staging, "state", "state.db"), "new");
            return Fails ? throw new CliException("no space left on the disk") : Task.FromResult(1_000L);
        }

        public Task<CompactReport> CompactAsync(DataDirectory data, CancellationToken cancellationToken) => Task.FromResult(new CompactReport(9, 0, 1_500_000, 2_000_000));

        public Task<CheckReport> CheckAsync(DataDirectory data, CancellationToken cancellationToken) =>
            Task.FromResult(new CheckReport(9, 5, Fails ? ["/pods/a is there twice"] : []));

        public Task RemovePodsAsync(DataDirectory data, TimeSpan grace, CancellationToken cancellationToken)
        {
            Removed.Add(data.Root);
            return Task.CompletedTask;
        }
    }
}
