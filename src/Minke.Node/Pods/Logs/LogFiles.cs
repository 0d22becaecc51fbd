using System.Globalization;
using System.Text;

namespace Minke.Node.Pods.Logs;

/// <summary>The files of one container instance's log: the one being written, and those rotated away, named by the time of their rotation.</summary>
internal static class LogFiles
{
    private static readonly EnumerationOptions Simple = new() { MatchType = MatchType.Simple };

    /// <summary>Every file there is, the newest first: <c>0.log</c>, then <c>0.log.20300101-120000</c>, ….</summary>
    public static IReadOnlyList<string> Of(string logPath)
    {
        var directory = Path.GetDirectoryName(logPath);
        if (directory is null || !Directory.Exists(directory))
            return [];
        var rotated = Rotated(logPath).OrderDescending(StringComparer.Ordinal);
        return File.Exists(logPath) ? [logPath, .. rotated] : [.. rotated];
    }

    /// <summary>Only the files that were put aside, in no order.</summary>
    public static IEnumerable<string> Rotated(string logPath)
    {
        var directory = Path.GetDirectoryName(logPath);
        if (directory is null || !Directory.Exists(directory))
            return [];
        // Simple matching: by the default rules "0.log.*" would match "0.log" too. conmon's "0.log.tmp" is about to be "0.log".
        return Directory.EnumerateFiles(directory, Path.GetFileName(logPath) + ".*", Simple)
            .Where(file => char.IsAsciiDigit(file[logPath.Length + 1]));
    }

    /// <summary>The first attempt of a container that has no log in its directory, nor has any after it.</summary>
    public static uint NextAttempt(string directory)
    {
        if (!Directory.Exists(directory))
            return 0;
        var attempts = Directory.EnumerateFiles(directory, "*.log*", Simple)
            .Select(file => uint.TryParse(Path.GetFileName(file).Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var attempt) ? attempt + 1 : 0);
        return attempts.DefaultIfEmpty().Max();
    }

    public static string RotatedName(string logPath, DateTimeOffset at) =>
        logPath + at.UtcDateTime.ToString(".yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);

    /// <summary>At most the last <paramref name="maxBytes"/> bytes of a file as text.</summary>
    public static string ReadEnd(string path, int maxBytes)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > maxBytes)
            file.Position = file.Length - maxBytes;
        var buffer = new byte[Math.Min(file.Length, maxBytes)];
        var read = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return Encoding.UTF8.GetString(buffer, 0, read);
    }

    /// <summary>The text of the last lines of a log in CRI's format, at most so many bytes.</summary>
    public static string LastLines(string path, int maxLines, int maxBytes)
    {
        // Each entry carries about 45 bytes of time, stream and tag.
        var raw = ReadEnd(path, (maxBytes * 2) + (maxLines * 64));
        var lines = raw.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var text = new StringBuilder();
        foreach (var line in lines.TakeLast(maxLines))
        {
            var parts = line.Split(' ', 4);
            if (parts.Length < 4 || parts[2] is not ("F" or "P"))
                continue;
            text.Append(parts[3]);
            if (parts[2] == "F")
                text.Append('\n');
        }
        return text.Length <= maxBytes ? text.ToString() : text.ToString(text.Length - maxBytes, maxBytes);
    }
}
