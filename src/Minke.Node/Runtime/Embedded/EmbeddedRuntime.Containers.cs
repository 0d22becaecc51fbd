using Microsoft.Extensions.Logging;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <content>Making a container: from what the pod asks and what the image says to a bundle on a mounted root file system.</content>
public sealed partial class EmbeddedRuntime
{
    private const string DefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private const UnixFileMode EveryoneMayEnter = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    private readonly WarnOnce _warned = new();

    public async Task<ContainerId> CreateContainerAsync(SandboxId sandbox, ContainerConfig config, CancellationToken cancellationToken)
    {
        var home = Find(sandbox) ?? throw new RuntimeException($"create container {config.Name}: sandbox {sandbox} does not exist");
        var image = _images.Find(config.ImageId)
            ?? throw new RuntimeException($"create container {config.Name}: image {config.ImageId} is not here") { Reason = "CreateContainerError" };
        var id = new ContainerId(NewId());
        var attempt = ($"{sandbox.Value}/{config.Name}", config.Attempt);
        lock (_gate)
        {
            if (home.Record.IsStopped)
                throw new RuntimeException($"create container {config.Name}: sandbox {sandbox} is not ready");
            if (_containers.Values.Any(other => other.Record.Sandbox == sandbox && other.Record.Config.Name == config.Name
                && other.Record.Config.Attempt == config.Attempt) || !_beingMade.Add(attempt))
                throw new RuntimeException($"create container {config.Name}: attempt {config.Attempt} exists already in sandbox {sandbox}");
        }
        try
        {
            var entry = await _lanes.RunAsync(() => MakeContainer(id, home, config, image));
            var gone = false;
            lock (_gate)
            {
                if (_sandboxes.ContainsKey(sandbox) && !home.Record.IsStopped)
                    _containers.Add(id, entry);
                else
                    gone = true;
            }
            if (gone)
            {
                await _lanes.RunAsync(() => UnmakeContainer(entry.Record, entry.Runtime));
                throw new RuntimeException($"create container {config.Name}: sandbox {sandbox} was stopped meanwhile");
            }
            _events.Publish(new RuntimeEvent(RuntimeEventKind.Created, sandbox, id));
            return id;
        }
        finally
        {
            lock (_gate)
                _beingMade.Remove(attempt);
        }
    }

    private ContainerEntry MakeContainer(ContainerId id, SandboxEntry home, ContainerConfig config, ImageInfo image)
    {
        List<string> mounts = [];
        try
        {
            Directory.CreateDirectory(_files.Container(id));
            Directory.CreateDirectory(_files.Bundle(id));
            var rootfs = MountRootfs(id, image, mounts);
            var user = ImageUser.Resolve(config.Security, image.Config.User,
                ImageUser.ReadInRoot(rootfs, "etc/passwd"), ImageUser.ReadInRoot(rootfs, "etc/group"));
            var capabilities = Capabilities.For(config.Security, _heldCapabilities);
            var (seccomp, seccompKey) = SeccompCache.For(config.Security, capabilities, home.Runtime.Identity);
            var logPath = Path.GetFullPath(Path.Combine(home.Record.Config.LogDirectory, config.LogPath));
            Directory.CreateDirectory(Path.GetDirectoryName(logPath)!);
            var cgroup = $"{PodCgroup(home.Record.Config)}/{id.Value}";
            var bundle = new Bundle
            {
                Arguments = Arguments(config, image.Config),
                Environment = EnvironmentOf(config, image.Config, home.Record.Config, user),
                WorkingDirectory = config.WorkingDir.Length > 0 ? config.WorkingDir : image.Config.WorkingDir is { Length: > 0 } own ? own : "/",
                User = user,
                Capabilities = capabilities,
                Security = config.Security,
                Resources = config.Resources,
                CgroupPath = cgroup,
                Mounts = ContainerMounts.For(
                    home.Record, config, _files, mount => MountImage(id, mount, mounts), ImageVolumes(id, config, image.Config, rootfs, mounts)),
                Namespaces = [("mount", ""), .. PidNamespace(home.Record, config), .. JoinedNamespaces(home.Record)],
                Terminal = config.Tty,
                OomScoreAdj = AllowedOomScore(config.Resources.OomScoreAdj),
                IsUnified = _cgroups.IsUnified,
                LimitsHugePages = HasHugePages(config.Resources),
                Seccomp = seccomp,
                CompiledSeccomp = home.Runtime.IsCrun ? _seccomp.Find(seccompKey) : null,
            };
            using (var file = File.Create(_files.Bundle(id, "config.json"), bufferSize: 0))
                file.Write(BundleWriter.Write(bundle, rootfs));
            var record = new ContainerRecord
            {
                Id = id,
                Sandbox = home.Record.Id,
                Config = config,
                CreatedAt = _time.GetUtcNow(),
                LogPath = logPath,
                BootId = _bootId,
                CgroupPath = cgroup,
                StopSignal = config.StopSignal ?? image.Config.StopSignal,
                Uid = user.Uid,
                Gid = user.Gid,
                Groups = user.Groups,
                Mounts = mounts,
                SeccompKey = seccompKey,
                OwnsPidNamespace = bundle.Namespaces.Contains(("pid", "")),
            };
            Save(record);
            return new ContainerEntry(record, new ContainerProgress(), home.Runtime);
        }
        catch (Exception e)
        {
            Each($"undo container {id}", () => Unmount(mounts), () => DeleteBundle(id), () => DeleteDirectory(_files.Container(id)));
            if (e is IOException or UnauthorizedAccessException)
                throw new RuntimeException($"create container {config.Name}: {e.Message}", e) { Reason = "CreateContainerError" };
            throw;
        }
    }

    private string MountRootfs(ContainerId id, ImageInfo image, List<string> mounts)
    {
        var rootfs = _files.Bundle(id, "rootfs");
        var (upper, work) = (_files.Container(id, "upper"), _files.Container(id, "work"));
        foreach (var directory in (string[])[rootfs, upper, work])
            Directory.CreateDirectory(directory);
        // The upper directory's mode is that of the container's root, whatever our umask.
        File.SetUnixFileMode(upper, EveryoneMayEnter);
        // An image without layers is a file system without files; overlayfs wants at least one lower directory.
        var lower = image.LayerDirectories.Count > 0 ? image.LayerDirectories : [Directory.CreateDirectory(_files.Bundle(id, "empty")).FullName];
        Mounts.Overlay(lower, upper, work, rootfs);
        mounts.Add(rootfs);
        return rootfs;
    }

    /// <summary>Mounts another image read-only and returns the path on the machine that the container's mount shows.</summary>
    private string MountImage(ContainerId id, ContainerMount mount, List<string> mounts)
    {
        var image = _images.Find(mount.ImageId!)
            ?? throw new RuntimeException($"mount image {mount.ImageId} on {mount.ContainerPath}: it is not here") { Reason = "CreateContainerError" };
        var target = _files.Bundle(id, $"image-{mounts.Count}");
        Directory.CreateDirectory(target);
        Mounts.Overlay(image.LayerDirectories, null, null, target);
        mounts.Add(target);
        if (mount.ImageSubPath.Length == 0)
            return target;
        using var within = FileSystems.OpenInRoot(target, mount.ImageSubPath)
            ?? throw new RuntimeException($"mount image {mount.ImageId} on {mount.ContainerPath}: it has no {mount.ImageSubPath}")
            { Reason = "CreateContainerError" };
        return new FileInfo($"/proc/self/fd/{within.DangerousGetHandle()}").ResolveLinkTarget(returnFinalTarget: false)!.FullName;
    }

    /// <summary>
    /// Directories the image declares as volumes stay writable when the root file system is not. With a writable one they need nothing:
    /// what is written to them ends with the container either way.
    /// </summary>
    private List<BundleMount> ImageVolumes(ContainerId id, ContainerConfig config, ImageConfig image, string rootfs, List<string> mounts)
    {
        List<BundleMount> volumes = [];
        if (!config.Security.ReadOnlyRootFilesystem)
            return volumes;
        foreach (var path in image.Volumes.Where(path => config.Mounts.All(mount => mount.ContainerPath.TrimEnd('/') != path.TrimEnd('/'))))
        {
            using var within = FileSystems.OpenInRoot(rootfs, path);
            var lower = within is not null ? $"/proc/self/fd/{within.DangerousGetHandle()}"
                : Directory.CreateDirectory($"{_files.Container(id)}/no-volume").FullName;
            var name = $"volume-{mounts.Count}";
            var (target, upper, work) = (_files.Bundle(id, name), $"{_files.Container(id, name)}/upper", $"{_files.Container(id, name)}/work");
            foreach (var directory in (string[])[target, upper, work])
                Directory.CreateDirectory(directory);
            File.SetUnixFileMode(upper, EveryoneMayEnter);
            Mounts.Overlay([lower], upper, work, target);
            mounts.Add(target);
            volumes.Add(new BundleMount(path, "bind", target, "rbind", "rprivate", "rw"));
        }
        return volumes;
    }

    private static List<string> Arguments(ContainerConfig config, ImageConfig image)
    {
        List<string> arguments = [.. config.Command ?? image.Entrypoint, .. config.Args ?? (config.Command is null ? image.Cmd : [])];
        return arguments.Count > 0 ? arguments
            : throw new RuntimeException(
                $"failed to generate container spec: no command specified: neither the pod nor the image of container {config.Name} names one")
            { Reason = "CreateContainerError" };
    }

    private static List<string> EnvironmentOf(ContainerConfig config, ImageConfig image, SandboxConfig sandbox, ImageUser user)
    {
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        List<string> environment = [];
        void Set(string variable)
        {
            var equals = variable.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? variable : variable[..equals];
            if (names.TryAdd(name, environment.Count))
                environment.Add(equals < 0 ? $"{variable}=" : variable);
            else
                environment[names[name]] = variable;
        }
        Set(DefaultPath);
        Set($"HOSTNAME={(Hostname(sandbox) is { Length: > 0 } own ? own : Environment.MachineName)}");
        if (config.Tty)
            Set("TERM=xterm");
        foreach (var variable in image.Env)
            Set(variable);
        foreach (var (name, value) in config.Env)
            Set($"{name}={value}");
        if (!names.ContainsKey("HOME"))
            Set($"HOME={user.Home}");
        return environment;
    }

    private IEnumerable<(string, string)> PidNamespace(SandboxRecord sandbox, ContainerConfig config)
    {
        if (config.TargetContainer is { } target && Find(target) is { Progress: { State: ContainerState.Running } running })
            return [("pid", $"/proc/{running.Pid}/ns/pid")];
        return sandbox.Config.Pid switch
        {
            NamespaceMode.Pod => [("pid", $"/proc/{sandbox.InitPid}/ns/pid")],
            NamespaceMode.Container => [("pid", "")],
            _ => [],
        };
    }

    /// <summary>Without CAP_SYS_RESOURCE the kernel lets nobody below the lowest value he was given himself.</summary>
    private int? AllowedOomScore(int? wanted)
    {
        if (wanted is not { } score || _heldCapabilities.Contains("SYS_RESOURCE"))
            return wanted;
        var own = int.Parse(File.ReadAllText("/proc/self/oom_score_adj"), System.Globalization.CultureInfo.InvariantCulture);
        if (score >= own)
            return score;
        if (_warned.First("oom_score_adj"))
            LogOomScoreRefused(score, own);
        return own;
    }

    private bool HasHugePages(LinuxResources resources)
    {
        if (resources.HugepageLimits.Count == 0 || _cgroups.LimitsHugePages)
            return _cgroups.LimitsHugePages;
        if (resources.HugepageLimits.Any(limit => limit.Value > 0) && _warned.First("hugetlb"))
            LogNoHugePages();
        return false;
    }

    private static void Unmount(IReadOnlyList<string> mounts)
    {
        foreach (var mount in mounts.Reverse())
            Mounts.Unmount(mount);
    }

    [LoggerMessage(LogLevel.Warning, "No CAP_SYS_RESOURCE: an oom_score_adj of {Wanted} is refused, containers keep {Kept}")]
    private partial void LogOomScoreRefused(int wanted, int kept);

    [LoggerMessage(LogLevel.Warning, "No hugetlb cgroup is mounted here: limits on huge pages are not enforced")]
    private partial void LogNoHugePages();

    /// <summary>Remembers which warnings have been given.</summary>
    private sealed class WarnOnce
    {
        private readonly Lock _gate = new(); // guards _given
        private readonly HashSet<string> _given = new(StringComparer.Ordinal);

        public bool First(string what)
        {
            lock (_gate)
                return _given.Add(what);
        }
    }
}
