namespace Minke.Cli;

/// <summary>A command that could not be done. The message says what was attempted and what to do; it is all the user sees.</summary>
public sealed class CliException : Exception
{
    public CliException(string message, int exitCode = 1) : base(message) => ExitCode = exitCode;
    public CliException(string message, Exception inner) : base(message, inner) => ExitCode = 1;

    public int ExitCode { get; }
}
