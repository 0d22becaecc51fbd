using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// One conmon process stands beside each container: it holds the container's standard streams, writes its log, keeps its exit code and
/// outlives us.
/// </summary>
/// <remarks>
/// Its files in the bundle: <c>pid</c> and <c>conmon.pid</c>, <c>attach</c> (a socket of packets: input as it is, output with a first
/// byte 2 or 3 for standard output or error), <c>ctl</c> (a FIFO of lines: <c>1 HEIGHT WIDTH</c> sets the terminal's size,
/// <c>2 0 0</c> opens the log anew). In the exit directory: a file named as the container with the exit code in decimal.
/// </remarks>
internal sealed class Conmon(string path, EmbeddedFiles files)
{
    public const byte StdoutPacket = 2;
    public const byte StderrPacket = 3;

    /// <summary>Longer than any sane start; a runtime that hangs (a dead network file system below a volume) must not hold a lane for ever.</summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);

    private const int SyncDescriptor = 3;

    /// <summary>All the environment that conmon and the OCI runtime need.</summary>
    public static readonly string[] Environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TZ=UTC"];

    private static readonly string[] EnvironmentWithSync = [.. Environment, $"_OCI_SYNCPIPE={SyncDescriptor}"];

    /// <summary>Creates a container, which then waits to be started, and its monitor.</summary>
    /// <returns>The process number of the container's first process.</returns>
    /// <exception cref="RuntimeException">The OCI runtime could not; the message is its own.</exception>
    public int Create(OciRuntime runtime, ContainerId container, ContainerConfig config, string logPath)
    {
        var bundle = files.Bundle(container);
        List<string> arguments =
        [
            "conmon", "--api-version", "1", "-c", container.Value, "-u", container.Value, "-n", config.Name,
            "-r", runtime.Path, "-b", bundle, "-p", $"{bundle}/pid", "-P", $"{bundle}/conmon.pid",
            "--exit-dir", files.Exits, "-l", $"k8s-file:{logPath}", "--log-level", "error", "--full-attach", "--no-sync-log",
            "--runtime-arg", "--root", "--runtime-arg", runtime.Root,
        ];
        if (config.Tty)
            arguments.Add("-t");
        if (config.Stdin)
        {
            arguments.Add("-i");
            if (!config.StdinOnce)
                arguments.Add("--leave-stdin-open");
        }

        byte[] answer;
        var (read, write) = Descriptors.Pipe();
        using (read)
        {
            int pid;
            using (write)
            using (var nothing = Descriptors.OpenReadWrite("/dev/null"))
                pid = Processes.Spawn(path, arguments, EnvironmentWithSync, [nothing, nothing, nothing, write]);
            answer = Descriptors.ReadLine(read, StartLimit, $"start conmon for container {container}");
            // The process started here only forks the monitor, which has answered: this does not wait.
            Processes.Wait(pid);
        }
        var parsed = answer.Length == 0 ? null : JsonSerializer.Deserialize(answer, EmbeddedJson.Default.ConmonAnswer);
        return parsed switch
        {
            null => throw new RuntimeException($"create container {config.Name}: conmon ended without an answer"),
            { Data: > 0 } => parsed.Data,
            _ => throw new RuntimeException((parsed.Message ?? "conmon gave no reason").Trim()),
        };
    }

    /// <summary>Process number of a container's monitor; 0 when it has not said.</summary>
    public int MonitorPid(ContainerId container) =>
        File.Exists(files.Bundle(container, "conmon.pid")) && int.TryParse(File.ReadAllText(files.Bundle(container, "conmon.pid")), out var pid) ? pid : 0;

    public void ReopenLog(ContainerId container) => Control(container, "2 0 0\n");

    public void Resize(ContainerId container, int width, int height) => Control(container, $"1 {height} {width}\n");

    public SafeFileHandle ConnectAttach(ContainerId container) => UnixSockets.ConnectPackets(files.Bundle(container, "attach"));

    private void Control(ContainerId container, string line)
    {
        using var fifo = Descriptors.OpenForWriting(files.Bundle(container, "ctl"));
        Descriptors.Write(fifo, Encoding.ASCII.GetBytes(line), $"tell the monitor of container {container}");
    }
}
