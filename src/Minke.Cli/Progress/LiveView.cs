using Spectre.Console;

namespace Minke.Cli.Progress;

/// <summary>A table that redraws itself as pods come up: a line a pod, its steps with milliseconds.</summary>
internal sealed class LiveView(IAnsiConsole console) : IProgressView
{
    /// <summary>A table longer than the screen would scroll away; the rest is counted.</summary>
    private const int MaxRows = 30;

    private readonly List<PodTimeline> _pods = [];
    private LiveDisplayContext? _live;

    // Past the console: a command to copy must not be broken at the width of the screen.
    public void Say(string line) => console.Profile.Out.Writer.WriteLine(line);

    public void Show(PodTimeline pod, IReadOnlyList<PodStep> steps)
    {
        if (!_pods.Contains(pod))
            _pods.Add(pod);
        _live?.UpdateTarget(Table());
    }

    public Task LiveAsync(Func<Task> body) => console.Live(Table()).StartAsync(async live =>
    {
        _live = live;
        try
        {
            await body();
        }
        finally
        {
            live.UpdateTarget(Table());
            _live = null;
        }
    });

    private Table Table()
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = false };
        table.AddColumn("").AddColumn("").AddColumn("");
        foreach (var pod in _pods.Take(MaxRows))
        {
            var (sign, color) = pod.Readiness.State switch
            {
                ReadyState.Ready => ("✓", "green"),
                ReadyState.Failed => ("✗", "red"),
                _ => ("…", pod.Note.Length > 0 ? "yellow" : "blue"),
            };
            var steps = string.Join(" · ", pod.Steps.Select(step => $"{Markup.Escape(step.Name)} [grey]{step.After.TotalMilliseconds:0} ms[/]"));
            var note = pod.Note.Length == 0 ? "" : $"{(steps.Length > 0 ? "  " : "")}[{color}]{Markup.Escape(pod.Note)}[/]";
            table.AddRow($"[{color}]{sign}[/]", Markup.Escape(pod.FullName), steps + note);
        }
        if (_pods.Count > MaxRows)
            table.AddRow("", $"[grey]and {_pods.Count - MaxRows} more[/]", "");
        return table;
    }
}
