using System.ComponentModel;
using System.Runtime.InteropServices;
using Minke.Bench;

// Called by bench/run, which has made the network namespace we are in:
// --outside FILE (the machine's network namespace) --binary FILE --image FILE --commit TEXT [--quick] [--only SECTION]
string Option(string name) => args.SkipWhile(argument => argument != name).Skip(1).FirstOrDefault() ?? throw new ArgumentException(name + " is missing");
if (args.FirstOrDefault(argument => argument is "--help" or "-h") is not null)
{
    Console.WriteLine("Usage: sudo bench/run [--quick] [--only starting|pods|api|others]");
    return 0;
}

var only = args.Contains("--only") ? Option("--only") : null;
var isQuick = args.Contains("--quick");
var report = new Report(Console.Out);
var bench = new Bench(Option("--binary"), Option("--image"), Option("--outside"), report, isQuick);
report.Head(Option("--commit"));

// Ctrl-C ends the section that runs; what was started is taken down all the same.
var interrupted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
void Interrupt(PosixSignalContext context)
{
    context.Cancel = true;
    interrupted.TrySetException(new OperationCanceledException("interrupted"));
}
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);

var sections = new (string Name, Func<Task> Run)[]
{
    ("starting", () => bench.StartAsync(interrupted.Task)),
    ("pods", () => bench.PodsAsync(interrupted.Task)),
    ("api", () => bench.ApiAsync(interrupted.Task)),
    ("others", () => bench.OthersAsync(interrupted.Task)),
};
var failed = false;
foreach (var (name, run) in sections)
{
    if (interrupted.Task.IsCompleted)
        break;
    if (only is not null && only != name)
        continue;
    try
    {
        await run();
    }
    catch (Exception exception) when (exception is InvalidOperationException or OperationCanceledException or TimeoutException or HttpRequestException or IOException or Win32Exception)
    {
        failed = true;
        report.Missing(name, exception.Message);
    }
}
return failed || interrupted.Task.IsCompleted ? 1 : 0;
