namespace Minke.Server.Flow;

/// <summary>One queue of a priority level: who waits in it, and what was seated from it. First in, first out.</summary>
internal sealed class FlowQueue
{
    public LinkedList<FlowTicket> Waiting { get; } = [];

    /// <summary>Of those who wait, together.</summary>
    public int SeatsWaiting { get; set; }

    public int SeatsInUse { get; set; }
    public int Executing { get; set; }

    /// <summary>When, in seat-seconds, the next one begins in the imaginary world where all queues are served at once and equally.</summary>
    public double NextStart { get; set; }

    public bool IsIdle => Waiting.Count == 0 && Executing == 0;

    /// <summary>Who does not use his turn does not save it up: nothing begins before it has arrived.</summary>
    public void BoundNextStart()
    {
        if (Waiting.First is { Value.ArrivedAt: var arrived } && NextStart < arrived)
            NextStart = arrived;
    }
}
