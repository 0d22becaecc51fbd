using System.Text.RegularExpressions;

namespace Minke.Cli.Progress;

/// <summary>One line for each thing that happens: for logs and pipes.</summary>
internal sealed partial class PlainView(TextWriter output) : IProgressView
{
    private readonly Dictionary<string, string> _notes = new(StringComparer.Ordinal);

    public void Say(string line) => output.WriteLine(line);

    public void Show(PodTimeline pod, IReadOnlyList<PodStep> steps)
    {
        foreach (var step in steps)
            output.WriteLine($"pod {pod.FullName}: {step}");
        // Ten lines a pull are enough for a log.
        var note = Percent().Replace(pod.Note, "${tens}0 %");
        if (note != _notes.GetValueOrDefault(pod.FullName, "") && note.Length > 0)
            output.WriteLine($"pod {pod.FullName}: {pod.Note}");
        _notes[pod.FullName] = note;
    }

    [GeneratedRegex("(?<= )(?<tens>10|[0-9]??)[0-9] %(?= of )")]
    private static partial Regex Percent();

    public Task LiveAsync(Func<Task> body) => body();
}
