using System.Globalization;
using System.Net;
using Minke.Cli.Api;
using Minke.Cli.Clusters;

namespace Minke.Cli.Verbs;

/// <summary><c>minke logs</c>: Minke's own log; with a pod, that pod's.</summary>
internal sealed class LogsVerb(Terminal terminal)
{
    public sealed record Options
    {
        public required DataDirectory Data { get; init; }

        /// <summary><c>name</c> or <c>namespace/name</c>; null for Minke's own.</summary>
        public string? Pod { get; init; }
        public string Namespace { get; init; } = "default";
        public string? Container { get; init; }
        public bool Follow { get; init; }
        public bool Previous { get; init; }
        public int? Tail { get; init; }
    }

    public Task<int> RunAsync(Options options, CancellationToken cancellationToken) =>
        options.Pod is null ? OwnAsync(options, cancellationToken) : PodAsync(options, options.Pod, cancellationToken);

    private async Task<int> PodAsync(Options options, string pod, CancellationToken cancellationToken)
    {
        var (@namespace, name) = pod.Split('/', 2) is [var first, var second] ? (first, second) : (options.Namespace, pod);
        var query = new List<string>();
        if (options.Container is { } container)
            query.Add("container=" + WebUtility.UrlEncode(container));
        if (options.Follow)
            query.Add("follow=true");
        if (options.Previous)
            query.Add("previous=true");
        if (options.Tail is { } tail)
            query.Add("tailLines=" + tail.ToString(CultureInfo.InvariantCulture));
        using var api = new ApiConnection(UpVerb.KubeconfigOf(options.Data));
        using var log = await api.StreamAsync(
            $"/api/v1/namespaces/{WebUtility.UrlEncode(@namespace)}/pods/{WebUtility.UrlEncode(name)}/log?{string.Join('&', query)}", cancellationToken);
        await CopyAsync(log, cancellationToken);
        return 0;
    }

    private async Task<int> OwnAsync(Options options, CancellationToken cancellationToken)
    {
        FileStream log;
        try
        {
            log = new FileStream(options.Data.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CliException($"there is no log in {options.Data.Root}: no cluster has run there", exception);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new CliException($"{options.Data.LogFile} belongs to another user: use sudo", exception);
        }
        using (log)
        {
            if (options.Tail is { } tail)
                SeekToLastLines(log, tail);
            using var watcher = new FileSystemWatcher(options.Data.Root, Path.GetFileName(options.Data.LogFile));
            using var grown = new SemaphoreSlim(0);
            watcher.Changed += (_, _) => grown.Release();
            watcher.EnableRaisingEvents = options.Follow;
            do
                await CopyAsync(log, cancellationToken);
            while (options.Follow && await grown.WaitAsync(Timeout.Infinite, cancellationToken));
        }
        return 0;
    }

    private async Task CopyAsync(Stream log, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(log, leaveOpen: true);
        var buffer = new char[8192];
        while (await reader.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            terminal.Out.Write(buffer.AsSpan(0, read));
            terminal.Out.Flush();
        }
    }

    private static void SeekToLastLines(FileStream log, int lines)
    {
        var at = log.Length;
        for (var seen = 0; at > 0; at--)
        {
            log.Position = at - 1;
            if (log.ReadByte() == '\n' && at != log.Length && ++seen == lines)
                break;
        }
        log.Position = lines <= 0 ? log.Length : at;
    }
}
