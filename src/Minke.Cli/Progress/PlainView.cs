namespace Minke.Cli.Progress;

/// <summary>One line for each thing that happens: for logs and pipes.</summary>
internal sealed class PlainView(TextWriter output) : IProgressView
{
    private readonly Dictionary<string, string> _notes = new(StringComparer.Ordinal);

    public void Say(string line) => output.WriteLine(line);

    public void Show(PodTimeline pod, IReadOnlyList<PodStep> steps)
    {
        foreach (var step in steps)
            output.WriteLine($"pod {pod.FullName}: {step}");
        if (pod.Note != _notes.GetValueOrDefault(pod.FullName, "") && pod.Note.Length > 0)
            output.WriteLine($"pod {pod.FullName}: {pod.Note}");
        _notes[pod.FullName] = pod.Note;
    }

    public Task LiveAsync(Func<Task> body) => body();
}
