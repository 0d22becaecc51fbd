namespace Minke;

/// <summary>
/// A running command's standard streams. The caller reads <see cref="Stdout"/> and <see cref="Stderr"/> to their ends, may write to
/// <see cref="Stdin"/> and closes it for end of file. Disposing ends an exec'd command; an attached one goes on.
/// </summary>
public interface IProcessStreams : IAsyncDisposable
{
    Stream? Stdin { get; }
    Stream? Stdout { get; }

    /// <summary>Null when not asked for, and with a terminal, where both come by <see cref="Stdout"/>.</summary>
    Stream? Stderr { get; }

    /// <summary>Sets the terminal's size in characters; ignored without a terminal.</summary>
    Task ResizeAsync(int width, int height, CancellationToken cancellationToken);

    /// <summary>The exit code, once the command has ended; 128 plus the signal's number when one killed it.</summary>
    Task<int> WaitAsync(CancellationToken cancellationToken);
}
