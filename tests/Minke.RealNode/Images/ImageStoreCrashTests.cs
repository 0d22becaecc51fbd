using System.Diagnostics;
using System.Globalization;
using Minke.Node.Images;
using Minke.TestSupport;

namespace Minke.RealNode.Images;

/// <summary>Kills a process that loads and removes images without end, at random moments, and looks at what is left.</summary>
public sealed class ImageStoreCrashTests
{
    private const string Variable = "MINKE_TEST_IMAGES_CHILD";
    private const int Rounds = 8;
    private const int Images = 6;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_at_any_moment_every_image_it_lists_is_whole_and_nothing_else_stays()
    {
        var directory = Directory.CreateTempSubdirectory("minke-images-").FullName;
        try
        {
            var random = new Random(20261121);
            var archives = Enumerable.Range(0, Images).Select(Archive).ToList();
            for (var i = 0; i < Images; i++)
                await File.WriteAllBytesAsync(Path.Combine(directory, $"{i}.tar"), archives[i].ToDockerArchive(), Token);
            for (var round = 0; round < Rounds; round++)
            {
                await RunUntilKilledAsync(directory, round, random.Next(1, 12), TimeSpan.FromMilliseconds(random.Next(0, 15)));
                await CheckAsync(Path.Combine(directory, "store"));
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>The process to be killed is this same program, asked for this alone.</summary>
    [Fact(Explicit = true)]
    public async Task Loads_and_removes_until_killed()
    {
        if (Environment.GetEnvironmentVariable(Variable)?.Split('|') is not [var directory, var seed])
            return;
        await using var output = new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true };
        using var store = ImageStore.Open(Path.Combine(directory, "store"), TimeProvider.System);
        var archive = new ImageArchive(store, TimeProvider.System);
        var random = new Random(int.Parse(seed, CultureInfo.InvariantCulture));
        while (!Token.IsCancellationRequested)
        {
            var one = random.Next(Images);
            await archive.LoadAsync(Path.Combine(directory, $"{one}.tar"), null, null, Token);
            await output.WriteLineAsync("did .");
            await store.RemoveAsync($"demo:{random.Next(Images)}", Token);
        }
    }

    /// <summary>Images share their first layer, so removing one must not take it from another.</summary>
    private static BuiltImage Archive(int i) => TestImage.FromLayers(
        $"demo:{i}",
        Enumerable.Range(0, 50).Aggregate(new TestLayer(), (layer, n) => layer.File($"shared/{n}", new byte[5000])),
        Enumerable.Range(0, 50).Aggregate(new TestLayer(), (layer, n) => layer.File($"own/{n}", $"{i}"))).Build();

    private static async Task CheckAsync(string root)
    {
        using var store = ImageStore.Open(root, TimeProvider.System);
        await store.PruneAsync(Token);
        foreach (var image in store.List())
        {
            Assert.Equal(2, image.LayerDirectories.Count);
            Assert.Equal(50, Directory.EnumerateFiles(Path.Combine(image.LayerDirectories[0], "shared")).Count(file => new FileInfo(file).Length == 5000));
            Assert.Equal(50, Directory.EnumerateFiles(Path.Combine(image.LayerDirectories[1], "own")).Count());
            // Saving reads every blob the image says it has.
            await new ImageArchive(store, TimeProvider.System).SaveAsync([image.Id], Stream.Null, ArchiveFormat.Oci, Token);
        }
        var named = store.List().SelectMany(image => image.LayerDirectories).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(named, Directory.EnumerateDirectories(Path.Combine(root, "l")).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(root, "partial")));
    }

    private static async Task RunUntilKilledAsync(string directory, int seed, int lines, TimeSpan further)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            Environment = { [Variable] = $"{directory}|{seed}" },
        };
        foreach (var argument in (string[])["-explicit", "only", "-noColor", "-method", $"{typeof(ImageStoreCrashTests).FullName}.{nameof(Loads_and_removes_until_killed)}"])
            start.ArgumentList.Add(argument);
        using var child = Process.Start(start)!;
        try
        {
            for (var said = 0; said < lines;)
            {
                var line = await child.StandardOutput.ReadLineAsync(Token).AsTask().WaitAsync(Deadline, Token);
                Assert.True(line is not null, "the child ended by itself");
                said += line == "did ." ? 1 : 0;
            }
            // Anywhere inside of the next load or removal.
            await Task.Delay(further, Token);
        }
        finally
        {
            child.Kill();
            await child.WaitForExitAsync(CancellationToken.None);
        }
    }
}
