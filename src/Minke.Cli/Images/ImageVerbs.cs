using System.Text.Json;
using System.Text.Json.Serialization;
using Minke.Cli.Clusters;
using Minke.Node.Images;
using Minke.Node.Images.Registries;
using Minke.Node.Runtime;
using Spectre.Console;

namespace Minke.Cli.Images;

/// <summary>
/// <c>minke image …</c>: the node's images, whether or not the cluster runs. Images are the one thing the API has no verbs for, so this
/// works on the store itself, which several processes may have open.
/// </summary>
internal sealed class ImageVerbs(DataDirectory data, Terminal terminal, TimeProvider clock)
{
    public async Task<int> PullAsync(IReadOnlyList<string> references, string? registriesFile, CancellationToken cancellationToken)
    {
        using var store = Open();
        var registries = registriesFile is null ? RegistriesConfig.Empty : RegistriesConfig.Load(registriesFile);
        using var images = new ImageService(store, registries, new PullOptions(), clock, new Random());
        foreach (var reference in references)
        {
            var image = await WithProgressAsync(progress => images.PullAsync(reference, [], progress, cancellationToken));
            terminal.Out.WriteLine($"{reference}  {Short(image.Id)}  {Size(image.SizeBytes)}");
        }
        return 0;
    }

    /// <param name="paths">Archives or OCI layouts; <c>-</c> for standard input.</param>
    /// <param name="name">A name instead of those in the archive; null to keep them.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<int> LoadAsync(IReadOnlyList<string> paths, string? name, CancellationToken cancellationToken)
    {
        using var store = Open();
        var archive = new ImageArchive(store, clock);
        foreach (var path in paths)
        {
            using var input = path == "-" ? Console.OpenStandardInput() : null;
            foreach (var image in input is null
                ? await archive.LoadAsync(path, name, null, cancellationToken)
                : await archive.LoadAsync(input, name, null, cancellationToken))
                Say(image);
        }
        return 0;
    }

    public async Task<int> SaveAsync(IReadOnlyList<string> references, string output, ArchiveFormat format, CancellationToken cancellationToken)
    {
        using var store = Open();
        var archive = new ImageArchive(store, clock);
        if (output == "-")
        {
            if (terminal.IsInteractive)
                throw new CliException("an archive is nothing to look at: name a file with -o, or pipe the output");
            using var pipe = Console.OpenStandardOutput();
            await archive.SaveAsync(references, pipe, format, cancellationToken);
            return 0;
        }
        var temporary = output + ".new";
        try
        {
            await using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write))
                await archive.SaveAsync(references, file, format, cancellationToken);
            File.Move(temporary, output, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
        return 0;
    }

    public async Task<int> ImportAsync(string path, string reference, ImportedConfig config, CancellationToken cancellationToken)
    {
        using var store = Open();
        var layout = Directory.CreateTempSubdirectory("minke-import-").FullName;
        try
        {
            using (var input = path == "-" ? Console.OpenStandardInput() : OpenRead(path))
                await RootfsLayout.WriteAsync(input, layout, config, Platform.Host, cancellationToken);
            foreach (var image in await new ImageArchive(store, clock).LoadAsync(layout, reference, null, cancellationToken))
                Say(image);
        }
        finally
        {
            Directory.Delete(layout, recursive: true);
        }
        return 0;
    }

    public int List(bool asJson)
    {
        using var store = Open();
        var images = store.List().OrderBy(image => NameOf(image), StringComparer.Ordinal);
        if (asJson)
        {
            terminal.Out.WriteLine(JsonSerializer.Serialize([.. images.Select(ImageDescription.Of)], ImageJson.Default.ListImageDescription));
            return 0;
        }
        var rows = images.SelectMany(image => image.Tags.Concat(image.Tags.Count > 0 ? [] : image.Digests).DefaultIfEmpty("<none>")
            .Select(name => (Name: name, Id: Short(image.Id), Size: Size(image.SizeBytes)))).ToArray();
        var width = rows.Select(row => row.Name.Length).Append("IMAGE".Length).Max();
        terminal.Out.WriteLine($"{"IMAGE".PadRight(width)}  {"ID",-12}  SIZE");
        foreach (var row in rows)
            terminal.Out.WriteLine($"{row.Name.PadRight(width)}  {row.Id,-12}  {row.Size}");
        return 0;
    }

    public int Inspect(IReadOnlyList<string> references)
    {
        using var store = Open();
        var found = references.Select(reference => ImageDescription.Of(store.Find(reference) ?? throw NotHere(reference))).ToList();
        terminal.Out.WriteLine(JsonSerializer.Serialize(found, ImageJson.Default.ListImageDescription));
        return 0;
    }

    public async Task<int> RemoveAsync(IReadOnlyList<string> references, CancellationToken cancellationToken)
    {
        using var store = Open();
        foreach (var reference in references)
        {
            var removal = await store.UntagAsync(reference, cancellationToken) ?? throw NotHere(reference);
            foreach (var name in removal.Names)
                terminal.Out.WriteLine($"untagged {name}");
            if (removal.IsRemoved)
                terminal.Out.WriteLine($"removed {Short(removal.Id)}, {Size(removal.FreedBytes)} freed");
        }
        return 0;
    }

    /// <summary>Loads the archives that lie beside manifests: <c>DIR/images/*.tar</c>, also compressed.</summary>
    public async Task LoadBesideAsync(IEnumerable<string> manifestPaths, Action<string> say, CancellationToken cancellationToken)
    {
        var archives = manifestPaths.Select(path => Path.Combine(path, "images")).Where(Directory.Exists)
            .SelectMany(directory => Directory.GetFiles(directory).Order(StringComparer.Ordinal))
            .Where(file => file.EndsWith(".tar", StringComparison.Ordinal) || file.EndsWith(".tar.gz", StringComparison.Ordinal)
                || file.EndsWith(".tgz", StringComparison.Ordinal) || file.EndsWith(".tar.zst", StringComparison.Ordinal)).ToArray();
        if (archives.Length == 0)
            return;
        using var store = Open();
        foreach (var file in archives)
        {
            foreach (var image in await new ImageArchive(store, clock).LoadAsync(file, null, null, cancellationToken))
                say($"image {NameOf(image)} loaded");
        }
    }

    private ImageStore Open()
    {
        data.Create();
        try
        {
            return ImageStore.Open(data.Images, clock);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new CliException($"the images in {data.Images} belong to another user: use sudo", exception);
        }
    }

    private static FileStream OpenRead(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{path}: {exception.Message}", exception);
        }
    }

    private Task<ImageInfo> WithProgressAsync(Func<IProgress<PullProgress>?, Task<ImageInfo>> pull)
    {
        if (!terminal.IsInteractive)
            return pull(null);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Out) });
        return console.Progress().AutoClear(true).HideCompleted(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn())
            .StartAsync(context => pull(new LayerBars(context)));
    }

    private void Say(ImageInfo image) =>
        terminal.Out.WriteLine($"{NameOf(image)}  {Short(image.Id)}  {Size(image.SizeBytes)}");

    private static string NameOf(ImageInfo image) => image.Tags is [var tag, ..] ? tag : image.Digests is [var digest, ..] ? digest : "<none>";

    private static CliException NotHere(string reference) => new($"image \"{reference}\" is not here; see: minke image list");

    private static string Short(string id) => id["sha256:".Length..][..12];

    private static string Size(long bytes) => bytes switch
    {
        < 1 << 10 => $"{bytes} B",
        < 1 << 20 => $"{bytes / 1024.0:0.0} KiB",
        < 1 << 30 => $"{bytes / 1048576.0:0.0} MiB",
        _ => $"{bytes / 1073741824.0:0.0} GiB",
    };

    /// <summary>A bar for each layer.</summary>
    private sealed class LayerBars(ProgressContext context) : IProgress<PullProgress>
    {
        private readonly Lock _lock = new(); // guards _bars: layers report from several threads
        private readonly Dictionary<string, ProgressTask> _bars = new(StringComparer.Ordinal);

        public void Report(PullProgress value)
        {
            lock (_lock)
            {
                if (!_bars.TryGetValue(value.Layer, out var bar))
                    _bars[value.Layer] = bar = context.AddTask(Markup.Escape(Short(value.Layer)), maxValue: Math.Max(value.TotalBytes, 1));
                bar.Value = value.DoneBytes;
            }
        }

        private static string Short(string layer) => layer.StartsWith("sha256:", StringComparison.Ordinal) && layer.Length > 19 ? layer[7..19] : layer;
    }
}

/// <summary>What <c>minke image list -o json</c> and <c>inspect</c> print.</summary>
internal sealed record ImageDescription(
    string Id, IReadOnlyList<string> Tags, IReadOnlyList<string> Digests, long SizeBytes, bool IsPinned, DateTimeOffset LastUsedAt, ImageConfig Config)
{
    public static ImageDescription Of(ImageInfo image) =>
        new(image.Id, image.Tags, image.Digests, image.SizeBytes, image.IsPinned, image.LastUsedAt, image.Config);
}

[JsonSerializable(typeof(List<ImageDescription>))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class ImageJson : JsonSerializerContext;
