using System.CommandLine;
using Minke.Api;
using Minke.Cli.Api;
using Minke.Cli.Clusters;
using Minke.Cli.Doctor;
using Minke.Cli.Images;
using Minke.Cli.Kubeconfigs;
using Minke.Cli.Verbs;
using Minke.Node.Images;
using Minke.Node.Runtime;

namespace Minke.Cli;

/// <summary>The verbs of <c>minke</c> and their options. Each verb's work is in a class of its own; this says what may be typed.</summary>
/// <param name="host">The parts behind the API.</param>
/// <param name="terminal">Where the user is.</param>
/// <param name="stop">Ctrl-C.</param>
/// <param name="clock">Time.</param>
public sealed class CommandLine(IClusterHost host, Terminal terminal, StopSignal stop, TimeProvider clock)
{
    /// <summary>The exit code of a command ended by Ctrl-C, as shells have it.</summary>
    private const int Interrupted = 130;

    private readonly Option<string> _dataDirectory = new("--data-dir")
    {
        Description = "Where the cluster keeps everything; another directory is another cluster",
        HelpName = "DIR",
        Recursive = true,
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("MINKE_DATA_DIR") is { Length: > 0 } set ? set : DataDirectory.Default,
    };

    /// <summary>Does what was typed.</summary>
    /// <returns>The process's exit code.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var root = Build();
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null, // signals are StopSignal's
            Output = terminal.Out,
            Error = terminal.Error,
        };
        try
        {
            return await root.Parse(arguments).InvokeAsync(configuration, stop.Token);
        }
        catch (CliException exception)
        {
            terminal.Error.WriteLine("minke: " + exception.Message);
            return exception.ExitCode;
        }
        catch (Exception exception) when (exception is ApiException or KubeconfigException or ImageException or IOException)
        {
            terminal.Error.WriteLine("minke: " + exception.Message);
            return 1;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            return Interrupted;
        }
    }

    private RootCommand Build()
    {
        var root = new RootCommand("Minke: Kubernetes in one small binary.\n\n  sudo minke up -f examples/hello    a cluster with pods in it")
        {
            Up(), Down(), Status(), Kubeconfigs(), Logs(), Images(), Store(), Doctors(), Version(), Completion(), Run(),
        };
        root.Add(_dataDirectory);
        return root;
    }

    private Command Up()
    {
        var files = new Option<string[]>("--filename", "-f") { Description = "Apply a manifest, the manifests of a directory, or those on standard input (-)", HelpName = "FILE|DIR|-", Arity = ArgumentArity.OneOrMore };
        var detach = new Option<bool>("--detach", "-d") { Description = "Leave the cluster running in the background" };
        var wait = new Option<bool?>("--wait") { Description = "Wait until everything applied is ready; with --detach only when asked", Arity = ArgumentArity.ZeroOrOne };
        var timeout = new Option<int>("--timeout") { Description = "Seconds to wait", HelpName = "SECONDS", DefaultValueFactory = _ => 300 };
        var (listen, registries, logSize) = (Listen(), Registries(), ContainerLogMaxSize());
        var up = new Command("up", "Start a cluster, or apply to the one that runs") { files, detach, wait, timeout, listen, registries, logSize };
        var access = new AccessFlags();
        access.AddTo(up);
        up.SetAction((parsed, _) =>
        {
            RequireRoot("up");
            var isDetached = parsed.GetValue(detach);
            return new UpVerb(host, terminal, stop, clock).RunAsync(new()
            {
                Data = Data(parsed),
                Listen = parsed.GetRequiredValue(listen),
                Files = parsed.GetValue(files) ?? [],
                Detach = isDetached,
                // "--wait" alone means yes.
                Wait = parsed.GetResult(wait) is null ? !isDetached : parsed.GetValue(wait) ?? true,
                Timeout = TimeSpan.FromSeconds(parsed.GetValue(timeout)),
                RegistriesFile = parsed.GetValue(registries),
                Access = access.Read(parsed),
                ContainerLogMaxBytes = parsed.GetValue(logSize),
            });
        });
        return up;
    }

    private Command Run()
    {
        var (listen, registries, logSize) = (Listen(), Registries(), ContainerLogMaxSize());
        var run = new Command("run") { listen, registries, logSize };
        var access = new AccessFlags();
        access.AddTo(run);
        run.Hidden = true;
        run.SetAction((parsed, _) => new RunVerb(host, stop, clock).RunAsync(new(Data(parsed), parsed.GetRequiredValue(listen), parsed.GetValue(registries), parsed.GetValue(logSize), access.Read(parsed))));
        return run;
    }

    private Command Down()
    {
        var keep = new Option<bool>("--keep") { Description = "Leave the pods running; the next up takes them over" };
        var purge = new Option<bool>("--purge") { Description = "Delete the data directory too: objects, images, certificates" };
        var grace = new Option<int>("--grace") { Description = "Seconds a container may take to end", HelpName = "SECONDS", DefaultValueFactory = _ => (int)DownVerb.DefaultGrace.TotalSeconds };
        var down = new Command("down", "Stop the cluster and its pods, and leave nothing of them behind") { keep, purge, grace };
        down.Validators.Add(result =>
        {
            if (result.GetValue(keep) && result.GetValue(purge))
                result.AddError("--keep leaves pods running, whose files --purge would delete: choose one");
        });
        down.SetAction((parsed, cancellationToken) =>
        {
            RequireRoot("down");
            return new DownVerb(host, terminal, clock).RunAsync(
                new(Data(parsed), parsed.GetValue(keep), parsed.GetValue(purge), TimeSpan.FromSeconds(parsed.GetValue(grace))), cancellationToken);
        });
        return down;
    }

    private Command Store()
    {
        StoreVerbs Verbs(ParseResult parsed, string verb, Option<string?>? output = null)
        {
            RequireRoot($"store {verb}", "opens what only root may read");
            return new(host.StoppedState, Data(parsed), terminal, output is not null && parsed.GetValue(output) == "json");
        }

        var written = new Argument<string>("FILE") { Description = "Where to; - for standard output" };
        var withKeys = new Option<bool>("--with-keys") { Description = "Put the key of the Secrets and the cluster's certificates in it: all a lost machine needs, and all a thief needs" };
        var backupOutput = OutputFormat();
        var backup = new Command("backup", "Write everything the cluster knows to one file, also while it runs") { written, withKeys, backupOutput };
        backup.SetAction((parsed, cancellationToken) =>
            Verbs(parsed, "backup", backupOutput).BackupAsync(parsed.GetRequiredValue(written), parsed.GetValue(withKeys), cancellationToken));

        var read = new Argument<string>("FILE") { Description = "What minke store backup wrote" };
        var force = new Option<bool>("--force") { Description = "Replace the state of a cluster that is there" };
        var restoreOutput = OutputFormat();
        var restore = new Command("restore", "Make the state of a backup the cluster's; it must be down, or new") { read, force, restoreOutput };
        restore.SetAction((parsed, cancellationToken) =>
            Verbs(parsed, "restore", restoreOutput).RestoreAsync(parsed.GetRequiredValue(read), parsed.GetValue(force), cancellationToken));

        var compactOutput = OutputFormat();
        var compact = new Command("compact", "Forget the past and give back space, also while the cluster runs") { compactOutput };
        compact.SetAction((parsed, cancellationToken) => Verbs(parsed, "compact", compactOutput).CompactAsync(cancellationToken));

        var checkOutput = OutputFormat();
        var check = new Command("check", "Look for damage, also while the cluster runs; exit code 1 when there is some") { checkOutput };
        check.SetAction((parsed, cancellationToken) => Verbs(parsed, "check", checkOutput).CheckAsync(cancellationToken));

        var rotate = new Command("rotate-keys", "Seal every Secret with a new key, and forget the old ones; the cluster must be down");
        rotate.SetAction((parsed, cancellationToken) => Verbs(parsed, "rotate-keys").RotateKeysAsync(cancellationToken));
        return new Command("store", "Look after the state on disk") { backup, restore, compact, check, rotate };
    }

    private Command Status()
    {
        var output = OutputFormat();
        var status = new Command("status", "Say who runs, where it answers, and which pods it has; exit code 1 when nothing runs") { output };
        status.SetAction((parsed, cancellationToken) => new StatusVerb(terminal).RunAsync(Data(parsed), parsed.GetValue(output) == "json", cancellationToken));
        return status;
    }

    private Command Kubeconfigs()
    {
        var merge = new Option<bool>("--merge") { Description = "Add the context to your own kubeconfig, also under sudo, instead of printing it" };
        var use = new Option<bool>("--use") { Description = "With --merge: make it the current context" };
        var name = new Option<string>("--context") { Description = "Name of the context", HelpName = "NAME", DefaultValueFactory = _ => "minke" };
        var kubeconfig = new Command("kubeconfig", "Print the kubeconfig of the cluster's administrator") { merge, use, name };
        kubeconfig.SetAction((parsed, cancellationToken) => new KubeconfigVerb(terminal).RunAsync(
            new(Data(parsed), parsed.GetValue(merge), parsed.GetValue(use), parsed.GetRequiredValue(name)), cancellationToken));
        return kubeconfig;
    }

    private Command Logs()
    {
        var pod = new Argument<string?>("POD") { Description = "A pod, as name or namespace/name; without one, Minke's own log", Arity = ArgumentArity.ZeroOrOne };
        var @namespace = new Option<string>("--namespace", "-n") { Description = "Of the pod", DefaultValueFactory = _ => "default" };
        var container = new Option<string?>("--container", "-c") { Description = "Of the pod, when it has several" };
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on as more is written" };
        var previous = new Option<bool>("--previous", "-p") { Description = "Of the container's run before this one" };
        var tail = new Option<int?>("--tail") { Description = "Only the last lines", HelpName = "LINES" };
        var logs = new Command("logs", "Print Minke's log, or a pod's") { pod, @namespace, container, follow, previous, tail };
        logs.SetAction((parsed, cancellationToken) => new LogsVerb(terminal).RunAsync(new()
        {
            Data = Data(parsed),
            Pod = parsed.GetValue(pod),
            Namespace = parsed.GetRequiredValue(@namespace),
            Container = parsed.GetValue(container),
            Follow = parsed.GetValue(follow),
            Previous = parsed.GetValue(previous),
            Tail = parsed.GetValue(tail),
        }, cancellationToken));
        return logs;
    }

    private Command Images()
    {
        ImageVerbs Verbs(ParseResult parsed) => new(Data(parsed), terminal, clock);
        Argument<string[]> References() => new("IMAGE") { Arity = ArgumentArity.OneOrMore };

        var (pulled, registries) = (References(), Registries());
        var pull = new Command("pull", "Bring images from a registry") { pulled, registries };
        pull.SetAction((parsed, cancellationToken) =>
            Verbs(parsed).PullAsync(parsed.GetRequiredValue(pulled), parsed.GetValue(registries), cancellationToken));

        var archives = new Argument<string[]>("FILE") { Description = "OCI layout (directory or tar) or docker-archive; - or nothing for standard input", Arity = ArgumentArity.ZeroOrMore };
        var name = new Option<string?>("--name") { Description = "A name for the image instead of the archive's", HelpName = "IMAGE" };
        var load = new Command("load", "Load images from archives") { archives, name };
        load.SetAction((parsed, cancellationToken) =>
            Verbs(parsed).LoadAsync(parsed.GetValue(archives) is { Length: > 0 } some ? some : ["-"], parsed.GetValue(name), cancellationToken));

        var saved = References();
        var output = new Option<string>("--output", "-o") { Description = "Where to; - for standard output", HelpName = "FILE", DefaultValueFactory = _ => "-" };
        var format = new Option<string>("--format") { Description = "docker (which is an OCI layout as well) or oci", HelpName = "FORMAT", DefaultValueFactory = _ => "docker" };
        format.AcceptOnlyFromAmong("docker", "oci");
        var save = new Command("save", "Save images as one archive") { saved, output, format };
        save.SetAction((parsed, cancellationToken) => Verbs(parsed).SaveAsync(parsed.GetRequiredValue(saved), parsed.GetRequiredValue(output),
            parsed.GetValue(format) == "oci" ? ArchiveFormat.Oci : ArchiveFormat.Docker, cancellationToken));

        var rootfs = new Argument<string>("FILE") { Description = "Tar of a root file system, plain or gzip; - for standard input" };
        var imported = new Argument<string>("IMAGE") { Description = "Its name" };
        var entrypoint = new Option<string[]>("--entrypoint") { Description = "Word of the entrypoint; once for each word", HelpName = "WORD" };
        var command = new Option<string[]>("--cmd") { Description = "Word of the default command; once for each word", HelpName = "WORD" };
        var variables = new Option<string[]>("--env", "-e") { Description = "Environment variable", HelpName = "NAME=VALUE" };
        var workingDirectory = new Option<string>("--workdir") { Description = "Working directory", HelpName = "DIR", DefaultValueFactory = _ => "" };
        var user = new Option<string>("--user") { Description = "User, as name or uid, with :group", DefaultValueFactory = _ => "" };
        var import = new Command("import", "Make an image of a root file system") { rootfs, imported, entrypoint, command, variables, workingDirectory, user };
        import.SetAction((parsed, cancellationToken) => Verbs(parsed).ImportAsync(parsed.GetRequiredValue(rootfs), parsed.GetRequiredValue(imported), new()
        {
            Entrypoint = parsed.GetValue(entrypoint) ?? [],
            Cmd = parsed.GetValue(command) ?? [],
            Env = parsed.GetValue(variables) ?? [],
            WorkingDir = parsed.GetRequiredValue(workingDirectory),
            User = parsed.GetRequiredValue(user),
        }, cancellationToken));

        var listFormat = OutputFormat();
        var list = new Command("list", "List the images that are here") { listFormat };
        list.Aliases.Add("ls");
        list.SetAction(parsed => Verbs(parsed).List(parsed.GetValue(listFormat) == "json"));

        var inspected = References();
        var inspect = new Command("inspect", "Describe images as JSON") { inspected };
        inspect.SetAction(parsed => Verbs(parsed).Inspect(parsed.GetRequiredValue(inspected)));

        var removed = References();
        var remove = new Command("remove", "Remove images, or one of the names of an image that has several") { removed };
        remove.Aliases.Add("rm");
        remove.SetAction((parsed, cancellationToken) => Verbs(parsed).RemoveAsync(parsed.GetRequiredValue(removed), cancellationToken));

        return new Command("image", "The images pods start from") { pull, load, save, import, list, inspect, remove };
    }

    private Command Doctors()
    {
        var output = OutputFormat();
        var doctor = new Command("doctor", "Check this machine: kernel, cgroups, tools, libraries; exit code 1 when something needed is missing") { output };
        doctor.SetAction(parsed => new DoctorVerb(terminal, MachineFacts.Read()).Run(parsed.GetValue(output) == "json"));
        return doctor;
    }

    private Command Version()
    {
        var version = new Command("version", "Print the version of Minke and of the Kubernetes it behaves as");
        version.SetAction(_ => terminal.Out.WriteLine(
            $"Minke {MinkeVersion.Own}{(MinkeVersion.Commit.Length > 0 ? $" ({MinkeVersion.Commit})" : "")}, Kubernetes {MinkeVersion.Kubernetes}"));
        return version;
    }

    private Command Completion()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong(CompletionVerb.Shells);
        var completion = new Command("completion", "Print a script that completes minke's verbs and options") { shell };
        completion.SetAction(parsed => terminal.Out.Write(CompletionVerb.Script(parsed.GetRequiredValue(shell))));
        return completion;
    }

    private static Option<ListenAddress> Listen() => new("--listen")
    {
        Description = "Where the API listens: ADDRESS, ADDRESS:PORT or :PORT. Without a port: 6443, or the next that is free",
        HelpName = "ADDRESS",
        DefaultValueFactory = _ => ListenAddress.Default,
        CustomParser = result =>
        {
            if (ListenAddress.TryParse(result.Tokens[0].Value, out var address))
                return address;
            result.AddError($"--listen {result.Tokens[0].Value}: write it as 127.0.0.1, 0.0.0.0:6443, [::1]:6443 or :6443");
            return null;
        },
    };

    private static Option<long?> ContainerLogMaxSize() => new("--container-log-max-size")
    {
        Description = "Put a container's log aside when it is this long, such as 50Mi; five files are kept. Without it: 10Mi",
        HelpName = "SIZE",
        CustomParser = result =>
        {
            if (Quantity.TryParse(result.Tokens[0].Value, out var size) && size.ToInt64() > 0)
                return size.ToInt64();
            result.AddError($"--container-log-max-size {result.Tokens[0].Value}: a size such as 50Mi was expected");
            return null;
        },
    };

    private static Option<string?> Registries() => new("--registries")
    {
        Description = "Mirrors, credentials and certificates of image registries (the format of k3s's registries.yaml)",
        HelpName = "FILE",
        Validators =
        {
            result =>
            {
                if (result.Tokens is [var file] && !File.Exists(file.Value))
                    result.AddError($"--registries {file.Value}: there is no such file");
            },
        },
    };

    private static Option<string?> OutputFormat()
    {
        var output = new Option<string?>("--output", "-o") { Description = "json", HelpName = "FORMAT" };
        output.AcceptOnlyFromAmong("json");
        return output;
    }

    private DataDirectory Data(ParseResult parsed) => new(parsed.GetRequiredValue(_dataDirectory));

    private static void RequireRoot(string verb, string because = "sets up containers and networks, which needs root")
    {
        if (!Environment.IsPrivilegedProcess)
            throw new CliException($"{verb} {because}: sudo minke {verb} …");
    }
}
