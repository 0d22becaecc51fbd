using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Minke.Server.Audit;

/// <summary>The file of events, a line each. When it is full it is renamed by the time and a new one begins; old ones beyond a number go.</summary>
internal sealed partial class AuditLog(AuditOptions options, TimeProvider clock, ILogger logger)
{
    private const int WaitingAtMost = 1024;

    // Where the disk is slower than the requests these wait: an event is not lost.
    private readonly Channel<byte[]> _waiting = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(WaitingAtMost) { SingleReader = true });

    public ValueTask WriteAsync(byte[] line) => _waiting.Writer.WriteAsync(line);

    /// <summary>No more events will come; <see cref="RunAsync"/> ends when all are written.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    public async Task RunAsync()
    {
        FileStream? file = null;
        try
        {
            while (await _waiting.Reader.WaitToReadAsync())
            {
                try
                {
                    while (_waiting.Reader.TryRead(out var line))
                    {
                        file ??= Open();
                        if (file.Position > 0 && file.Position + line.Length > options.MaxBytes)
                        {
                            await file.DisposeAsync();
                            file = null;
                            Rotate();
                            file = Open();
                        }
                        await file.WriteAsync(line);
                    }
                    if (file is not null)
                        await file.FlushAsync();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    LogFailed(options.LogPath, e.Message);
                }
            }
        }
        finally
        {
            if (file is not null)
                await file.DisposeAsync();
        }
    }

    private FileStream Open() => new(options.LogPath, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.Read,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    private void Rotate()
    {
        var (directory, name, extension) = (Path.GetDirectoryName(Path.GetFullPath(options.LogPath))!, Path.GetFileNameWithoutExtension(options.LogPath), Path.GetExtension(options.LogPath));
        var time = clock.GetUtcNow();
        string backup;
        do
        {
            backup = Path.Combine(directory, $"{name}-{time.ToString("yyyy-MM-ddTHH-mm-ss.fff", CultureInfo.InvariantCulture)}{extension}");
            time = time.AddMilliseconds(1);
        }
        while (File.Exists(backup));
        File.Move(options.LogPath, backup);
        if (options.MaxBackups == 0)
            return;
        foreach (var old in Directory.GetFiles(directory, $"{name}-*{extension}").Order(StringComparer.Ordinal).SkipLast(options.MaxBackups))
            File.Delete(old);
    }

    [LoggerMessage(LogLevel.Error, "Audit events are lost: write {Path}: {Error}")]
    private partial void LogFailed(string path, string error);
}
