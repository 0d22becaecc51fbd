namespace Minke;

/// <summary>Closes parts in the opposite order of their making.</summary>
internal static class Closing
{
    /// <exception cref="AggregateException">Of those that could not be closed; the others are closed all the same.</exception>
    public static async ValueTask AllAsync(Stack<object> parts)
    {
        var failures = new List<Exception>();
        while (parts.TryPop(out var part))
        {
            try
            {
                if (part is IAsyncDisposable asynchronous)
                    await asynchronous.DisposeAsync();
                else
                    ((IDisposable)part).Dispose();
            }
            catch (Exception exception)
            {
                failures.Add(exception);
            }
        }
        if (failures.Count > 0)
            throw new AggregateException("close the cluster", failures);
    }
}
