using System.Threading.Channels;

namespace Minke.Node.Runtime;

/// <summary>Hands every event to every subscriber. One that falls far behind is told so instead of being fed gaps.</summary>
internal sealed class RuntimeEventHub
{
    /// <summary>Far more than a full node makes at once: 500 pods with ten containers each, started and stopped.</summary>
    private const int MaxPending = 16_384;

    private readonly Lock _gate = new(); // guards _subscribers
    private readonly List<Channel<RuntimeEvent>> _subscribers = [];

    public void Publish(RuntimeEvent happened)
    {
        lock (_gate)
        {
            for (var i = _subscribers.Count - 1; i >= 0; i--)
            {
                if (_subscribers[i].Writer.TryWrite(happened))
                    continue;
                _subscribers[i].Writer.TryComplete(
                    new RuntimeException($"read runtime events: the reader is {MaxPending} events behind; subscribe and list again"));
                _subscribers.RemoveAt(i);
            }
        }
    }

    /// <summary>Events from this call on, whether or not the reader has begun to read.</summary>
    public IAsyncEnumerable<RuntimeEvent> SubscribeAsync(CancellationToken cancellationToken)
    {
        var channel = Channel.CreateBounded<RuntimeEvent>(
            new BoundedChannelOptions(MaxPending) { SingleReader = true, AllowSynchronousContinuations = false });
        lock (_gate)
            _subscribers.Add(channel);
        return ReadAsync(channel, cancellationToken);
    }

    public void Complete()
    {
        lock (_gate)
        {
            foreach (var subscriber in _subscribers)
                subscriber.Writer.TryComplete();
            _subscribers.Clear();
        }
    }

    private async IAsyncEnumerable<RuntimeEvent> ReadAsync(
        Channel<RuntimeEvent> channel,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var happened in channel.Reader.ReadAllAsync(cancellationToken))
                yield return happened;
        }
        finally
        {
            lock (_gate)
                _subscribers.Remove(channel);
        }
    }
}
