using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>One OCI runtime binary and where it keeps its state.</summary>
/// <param name="Handler">Name of the handler, for messages.</param>
/// <param name="Path">The binary to run.</param>
/// <param name="Root">Directory of its state.</param>
/// <param name="IsCrun">It is crun, whose ways are known; others get only what the specification promises.</param>
internal sealed record OciRuntime(string Handler, string Path, string Root, bool IsCrun)
{
    private const string StartFifo = "exec.fifo";

    /// <summary>What a compiled seccomp filter depends on besides its profile.</summary>
    public string Identity { get; } = $"{Path}:{File.GetLastWriteTimeUtc(Path).Ticks}";

    public string StateOf(ContainerId container) => $"{Root}/{container.Value}";

    /// <summary>Lets a created container's first process go.</summary>
    /// <remarks>
    /// crun's <c>start</c> does nothing but write a byte to a FIFO the process waits on, so the byte is written here: that
    /// spares a process of 3 ms. Any other runtime is asked.
    /// </remarks>
    public void Start(ContainerId container)
    {
        var fifo = $"{StateOf(container)}/{StartFifo}";
        if (IsCrun && File.Exists(fifo))
        {
            using var handle = Descriptors.OpenForWriting(fifo);
            File.Delete(fifo);
            Descriptors.Write(handle, [0], $"start container {container}");
            return;
        }
        var (code, errors) = Run("start", container.Value);
        if (code != 0)
            throw new RuntimeException($"{Handler} start {container}: {errors}");
    }

    /// <summary>True while a created container waits to be started.</summary>
    public bool IsWaiting(ContainerId container) => File.Exists($"{StateOf(container)}/{StartFifo}");

    /// <summary>Forgets a container whose processes have ended.</summary>
    public void Delete(ContainerId container)
    {
        if (!Directory.Exists(StateOf(container)))
            return;
        if (IsCrun)
        {
            // What crun keeps is this directory; processes and cgroups are gone by now.
            Directory.Delete(StateOf(container), recursive: true);
            return;
        }
        var (code, errors) = Run("delete", "--force", container.Value);
        if (code != 0 && Directory.Exists(StateOf(container)))
            throw new RuntimeException($"{Handler} delete {container}: {errors}");
    }

    /// <summary>Runs the runtime to its end: its exit code and what it wrote to standard error.</summary>
    public (int Code, string Errors) Run(params string[] arguments)
    {
        var (read, write) = Descriptors.Pipe();
        using (read)
        {
            int pid;
            using (write)
            using (var nothing = Descriptors.OpenReadWrite("/dev/null"))
                pid = Processes.Spawn(Path, [System.IO.Path.GetFileName(Path), "--root", Root, .. arguments], Conmon.Environment, [nothing, nothing, write]);
            // First its end, then what it wrote: a container it leaves behind holds the pipe open. What it says fits into one.
            var code = Processes.Wait(pid);
            Descriptors.SetNonBlocking(read);
            var errors = new byte[64 * 1024];
            var length = Descriptors.TryRead(read, errors) ?? 0;
            return (code, System.Text.Encoding.UTF8.GetString(errors, 0, length).Trim());
        }
    }
}
