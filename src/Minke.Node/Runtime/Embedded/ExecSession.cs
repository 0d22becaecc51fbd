using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Images.Layers;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// A command in a running container: one <c>crun exec</c>, whose standard streams are ours. With a terminal, crun makes it inside the
/// container and hands us its other side over a socket.
/// </summary>
internal sealed class ExecSession : IProcessStreams
{
    private readonly int _pid;
    private readonly string _directory;
    private readonly string _command;
    private readonly DescriptorStream? _terminal;
    private readonly DescriptorStream?[] _streams;
    private readonly SafeFileHandle? _process;
    private readonly Task<int> _exit;
    private readonly Poller _poller;

    /// <summary>Written by the runtime once the command runs.</summary>
    private readonly string _pidFile;
    private bool _isCommandsExit;

    private ExecSession(int pid, string directory, string command, Poller poller, DescriptorStream? stdin, DescriptorStream? stdout, DescriptorStream? stderr,
        DescriptorStream? terminal)
    {
        (_pid, _directory, _command, _terminal, _poller) = (pid, directory, command, terminal, poller);
        _pidFile = $"{directory}/pid";
        _streams = [stdin, stdout, stderr, terminal];
        Stdin = terminal is null ? stdin : new TerminalInput(terminal);
        Stdout = terminal ?? stdout;
        Stderr = stderr is null ? null : new CommandErrors(stderr, IsCommandRunningAsync);
        _process = Processes.OpenPidFd(pid);
        _exit = RunAsync();
    }

    public Stream? Stdin { get; }
    public Stream? Stdout { get; }
    public Stream? Stderr { get; }

    public static ExecSession Start(OciRuntime runtime, ContainerId container, ExecRequest request, EmbeddedFiles files, Poller poller)
    {
        // Only root may look inside: the command's environment has values of Secrets.
        var directory = Directory.CreateDirectory($"{files.Execs}/{RandomNumberGenerator.GetHexString(16, lowercase: true)}",
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        try
        {
            List<string> arguments =
            [
                Path.GetFileName(runtime.Path), "--root", runtime.Root, "--log", $"{directory}/log",
                "exec", "--pid-file", $"{directory}/pid", "--process", $"{directory}/process.json",
            ];
            File.WriteAllBytes($"{directory}/process.json", BundleWriter.Process(File.ReadAllBytes(files.Bundle(container, "config.json")), request));
            return request.Tty ? StartWithTerminal(runtime, container, request, directory, arguments, poller)
                : StartWithPipes(runtime, container, request, directory, arguments, poller);
        }
        catch
        {
            Directory.Delete(directory, recursive: true);
            throw;
        }
    }

    public Task ResizeAsync(int width, int height, CancellationToken cancellationToken)
    {
        if (_terminal is not null)
            Terminals.Resize(_terminal.Handle, width, height);
        return Task.CompletedTask;
    }

    public Task<int> WaitAsync(CancellationToken cancellationToken) => _exit.WaitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (!_exit.IsCompleted)
            Kill();
        try
        {
            await _exit;
        }
        catch (RuntimeException)
        {
            // For whoever waits for it.
        }
        foreach (var stream in _streams)
        {
            if (stream is not null)
                await stream.DisposeAsync();
        }
    }

    private static ExecSession StartWithPipes(
        OciRuntime runtime, ContainerId container, ExecRequest request, string directory, List<string> arguments, Poller poller)
    {
        List<SafeFileHandle> theirs = [];
        SafeFileHandle Nothing()
        {
            var nothing = Descriptors.OpenReadWrite("/dev/null");
            theirs.Add(nothing);
            return nothing;
        }
        SafeFileHandle? stdin = null, stdout = null, stderr = null;
        try
        {
            SafeFileHandle[] descriptors = new SafeFileHandle[3];
            if (request.Stdin)
                (descriptors[0], stdin) = Descriptors.Pipe();
            if (request.Stdout)
                (stdout, descriptors[1]) = Descriptors.Pipe();
            if (request.Stderr)
                (stderr, descriptors[2]) = Descriptors.Pipe();
            theirs.AddRange(descriptors.Where(descriptor => descriptor is not null));
            for (var i = 0; i < descriptors.Length; i++)
                descriptors[i] ??= Nothing();
            var pid = Processes.Spawn(runtime.Path, [.. arguments, container.Value], Conmon.Environment, descriptors);
            return new ExecSession(pid, directory, request.Command[0], poller,
                stdin is null ? null : new DescriptorStream(poller, stdin, FileAccess.Write),
                stdout is null ? null : new DescriptorStream(poller, stdout, FileAccess.Read),
                stderr is null ? null : new DescriptorStream(poller, stderr, FileAccess.Read), null);
        }
        catch
        {
            stdin?.Dispose();
            stdout?.Dispose();
            stderr?.Dispose();
            throw;
        }
        finally
        {
            foreach (var descriptor in theirs)
                descriptor.Dispose();
        }
    }

    private static ExecSession StartWithTerminal(
        OciRuntime runtime, ContainerId container, ExecRequest request, string directory, List<string> arguments, Poller poller)
    {
        var socketPath = $"{directory}/console";
        using var listener = UnixSockets.Listen(socketPath);
        using var nothing = Descriptors.OpenReadWrite("/dev/null");
        var pid = Processes.Spawn(runtime.Path,
            [.. arguments, "--tty", "--console-socket", socketPath, container.Value], Conmon.Environment, [nothing, nothing, nothing]);
        // Either the terminal comes, or the runtime ends without one, because there is no such command, say.
        SafeFileHandle? terminal = null;
        using (var process = Processes.OpenPidFd(pid))
        {
            if (process is not null && Descriptors.WaitReadable(listener, process) == 0)
            {
                using var connection = UnixSockets.Accept(listener);
                if (Descriptors.WaitReadable(connection, process) == 0)
                    terminal = UnixSockets.ReceiveDescriptor(connection);
            }
        }
        return new ExecSession(pid, directory, request.Command[0], poller, null, null, null,
            terminal is null ? new DescriptorStream(poller, Descriptors.OpenReadWrite("/dev/null"), FileAccess.ReadWrite)
                : new DescriptorStream(poller, terminal, FileAccess.ReadWrite));
    }

    /// <summary>Waits until there is a command, or until the runtime has ended without one.</summary>
    private async Task<bool> IsCommandRunningAsync()
    {
        if (File.Exists(_pidFile))
            return true;
        try
        {
            using var changes = new Inotify(_poller, _directory);
            using var enough = new CancellationTokenSource();
            var comes = ComesAsync(changes, enough.Token);
            await Task.WhenAny(comes, _exit);
            await enough.CancelAsync();
            await comes.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (LinuxException)
        {
            // The directory goes when the runtime has ended.
        }
        if (File.Exists(_pidFile))
            return true;
        await ((Task)_exit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _isCommandsExit;
    }

    private async Task ComesAsync(Inotify changes, CancellationToken cancellationToken)
    {
        if (File.Exists(_pidFile))
            return;
        await foreach (var name in changes.NamesAsync(cancellationToken))
        {
            if (name is null or "pid")
                return;
        }
    }

    private async Task<int> RunAsync()
    {
        try
        {
            if (_process is not null)
            {
                using var watch = _poller.Add(_process);
                await watch.ReadableAsync();
            }
            var code = Processes.Wait(_pid);
            _isCommandsExit = File.Exists(_pidFile);
            // Children the command left behind may hold the streams open; what is in them now is what the command wrote.
            foreach (var stream in _streams)
                stream?.EndWhenEmpty();
            if (code != 0 && !_isCommandsExit && TryReadLog() is { Length: > 0 } error)
                throw new RuntimeException(
                    $"failed to exec in container: failed to start exec \"{_command}\": OCI runtime exec failed: exec failed: "
                    + $"unable to start container process: {StartErrors.Translate(error)}: unknown");
            return code;
        }
        finally
        {
            _process?.Dispose();
            Directory.Delete(_directory, recursive: true);
        }
    }

    private string TryReadLog() => File.Exists($"{_directory}/log") ? File.ReadAllText($"{_directory}/log").Trim() : "";

    private void Kill()
    {
        try
        {
            // The command is below the runtime, which ends with it; the runtime's file with its number may come late.
            var command = Processes.Descendants(_pid);
            foreach (var pid in command)
                Processes.Signal(pid, Processes.SIGKILL);
            if (command.Count == 0 && _process is not null)
                Processes.Signal(_process, Processes.SIGKILL);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // It has just ended.
        }
    }

    /// <summary>What the command says on standard error. Without a command it is the runtime that speaks, and its log has the same words.</summary>
    private sealed class CommandErrors(DescriptorStream stream, Func<Task<bool>> isCommandRunning) : ReadOnlyStream
    {
        private bool? _isCommands;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await stream.ReadAsync(buffer, cancellationToken);
            if (count > 0)
                _isCommands ??= await isCommandRunning().WaitAsync(cancellationToken);
            return _isCommands == false ? 0 : count;
        }
    }
}
