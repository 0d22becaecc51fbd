using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Minke.Logs;

/// <summary>Writes log lines to one file: time, level, category, message. A file that has grown too long is set aside once, at the start.</summary>
/// <remarks>
/// <code>2026-11-21T07:29:20.123Z warn Minke.Node.Pods: …</code>
/// Lines of an exception follow, indented. A full disk loses lines, never a request.
/// </remarks>
internal sealed class FileLoggerProvider : ILoggerProvider
{
    private const long SetAsideBytes = 16 << 20;

    private readonly Lock _lock = new(); // guards _file
    private readonly FileStream _file;
    private readonly TimeProvider _clock;

    public FileLoggerProvider(string path, TimeProvider clock)
    {
        _clock = clock;
        if (new FileInfo(path) is { Exists: true, Length: > SetAsideBytes })
            File.Move(path, path + ".1", overwrite: true);
        _file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose() => _file.Dispose();

    private void Write(string line)
    {
        var bytes = Encoding.UTF8.GetBytes(line);
        try
        {
            lock (_lock)
                _file.Write(bytes);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // There is nowhere to say it.
        }
    }

    private sealed class Logger(FileLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var level = logLevel switch
            {
                LogLevel.Trace => "trace",
                LogLevel.Debug => "debug",
                LogLevel.Information => "info",
                LogLevel.Warning => "warn",
                LogLevel.Error => "error",
                _ => "fatal",
            };
            var time = provider._clock.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            var line = $"{time} {level} {category}: {formatter(state, exception)}\n";
            if (exception is not null)
                line += "    " + exception.ToString().ReplaceLineEndings("\n    ") + "\n";
            provider.Write(line);
        }
    }
}
