namespace Minke.Cli.Progress;

/// <summary>What a person sees while pods start: a live table on a terminal, lines elsewhere.</summary>
internal interface IProgressView
{
    /// <summary>Something that was done, once.</summary>
    void Say(string line);

    /// <summary>A pod has come further; <paramref name="steps"/> are the new ones, perhaps none.</summary>
    void Show(PodTimeline pod, IReadOnlyList<PodStep> steps);

    /// <summary>Runs the part during which pods are shown.</summary>
    Task LiveAsync(Func<Task> body);
}
