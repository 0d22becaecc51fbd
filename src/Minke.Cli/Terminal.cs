using Minke.Cli.Progress;
using Spectre.Console;

namespace Minke.Cli;

/// <summary>Where a command reads and writes.</summary>
public sealed class Terminal
{
    public required TextReader In { get; init; }
    public required TextWriter Out { get; init; }

    /// <summary>For what is not the answer itself: progress, warnings, errors.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Whether a person watches the output: colours, and a view that redraws itself.</summary>
    public required bool IsInteractive { get; init; }

    /// <summary>What to type to get here again: the script says how it was called.</summary>
    public string CommandName { get; init; } = Environment.GetEnvironmentVariable("MINKE_COMMAND") is { Length: > 0 } typed ? typed : "minke";

    public static Terminal Standard() => new()
    {
        In = Console.In,
        Out = Console.Out,
        Error = Console.Error,
        IsInteractive = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb"),
    };

    internal IProgressView ProgressView() =>
        IsInteractive ? new LiveView(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Out) })) : new PlainView(Out);
}
