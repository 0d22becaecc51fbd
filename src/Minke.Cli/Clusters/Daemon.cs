using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Minke.Cli.Clusters;

/// <summary>A process of its own for a cluster that outlives the command which started it.</summary>
/// <remarks>
/// The parent starts this program again with the hidden verb <c>run</c> and reads its standard output: one line, <c>ready</c> or what
/// went wrong; an end of file without one means that it died. The child leaves the terminal's session first thing and lets go of
/// every inherited stream.
/// </remarks>
internal static partial class Daemon
{
    public const string Ready = "ready";

    private const int StandardOutput = 1;
    private const int StandardError = 2;
    private const int Terminate = 15;
    private const int Kill = 9;

    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(10);

    /// <summary>Starts it and returns once it is ready.</summary>
    /// <exception cref="CliException">It did not come up; the message is its own.</exception>
    public static async Task StartAsync(DataDirectory data, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["run", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            // The runtime duplicates its streams before we can send them to the log: inherited, the terminal or a pipe such as
            // `minke up --detach | tee` would be held for as long as the cluster runs.
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        string? line;
        try
        {
            line = await process.StandardOutput.ReadLineAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Signal(process.Id, Terminate);
            throw;
        }
        if (line == Ready)
            return;
        throw new CliException(string.IsNullOrEmpty(line)
            ? $"the cluster did not start; the end of {data.LogFile}:\n{Tail(data.LogFile, 15)}"
            : line.Replace('\u0001', '\n'));
    }

    /// <summary>In the child: leaves the session, and lets everything that is printed go to the log.</summary>
    public static void LeaveTerminal(string logFile)
    {
        NewSession(); // fails only for one that leads a session already
        RedirectToLog(StandardError, logFile);
    }

    /// <summary>In the child: tells the parent how it went, and lets go of the pipe.</summary>
    public static void Report(string line, string logFile)
    {
        try
        {
            using var output = Console.OpenStandardOutput();
            output.Write(System.Text.Encoding.UTF8.GetBytes(line.Replace('\n', '\u0001') + "\n"));
        }
        catch (IOException)
        {
            // The parent is gone already; the cluster is wanted all the same.
        }
        RedirectToLog(StandardOutput, logFile);
    }

    /// <summary>Asks the process of a record to end, waits, and in the end makes it.</summary>
    public static async Task StopAsync(ClusterRecord record, TimeSpan patience, CancellationToken cancellationToken)
    {
        foreach (var (signal, wait) in ((int, TimeSpan)[])[(Terminate, patience), (Kill, KillPatience)])
        {
            if (!record.IsAlive)
                return;
            Signal(record.Pid, signal);
            if (await HasEndedAsync(record, wait, cancellationToken))
                return;
        }
        throw new CliException($"process {record.Pid} does not end, not even when killed: it waits for the kernel, see: cat /proc/{record.Pid}/stack");
    }

    private static async Task<bool> HasEndedAsync(ClusterRecord record, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(patience);
        try
        {
            using var process = Process.GetProcessById(record.Pid);
            if (record.IsAlive)
                await process.WaitForExitAsync(deadline.Token);
            return true;
        }
        catch (ArgumentException)
        {
            return true; // ended before we looked
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return !record.IsAlive;
        }
    }

    public static string Tail(string file, int lines)
    {
        try
        {
            return string.Join('\n', File.ReadLines(file).TakeLast(lines));
        }
        catch (IOException)
        {
            return "(there is no log)";
        }
    }

    private static void RedirectToLog(int descriptor, string logFile)
    {
        const int writeOnly = 1, create = 0x40, append = 0x400, closeOnExec = 0x80000;
        var log = Open(logFile, writeOnly | create | append | closeOnExec, 0x180 /* rw------- */);
        if (log < 0 || Duplicate(log, descriptor) < 0)
            throw new CliException($"write {logFile}: {Marshal.GetLastPInvokeErrorMessage()}");
        _ = Close(log);
    }

    private static void Signal(int pid, int signal)
    {
        if (SendSignal(pid, signal) != 0 && Marshal.GetLastPInvokeError() == 1 /* EPERM */)
            throw new CliException($"stop process {pid}: it belongs to another user; use sudo");
    }

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    private static partial int NewSession();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Duplicate(int from, int to);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);
}
