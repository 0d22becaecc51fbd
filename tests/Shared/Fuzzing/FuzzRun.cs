namespace Minke.TestSupport.Fuzzing;

/// <summary>One parser and the input it is reading. What breaks it is cut down to what still does.</summary>
internal sealed class FuzzRun(Action<byte[]> read, IReadOnlyList<Type> expected, int bytesPerByte)
{
    private const long BaseBytes = 1 << 20;
    private static readonly TimeSpan CuttingTime = TimeSpan.FromSeconds(10);

    private byte[] _input = [];
    private long _count;

    /// <summary>Inputs begun.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>The input, as a file of the corpus would hold it.</summary>
    public string Described => $"{_input.Length} bytes, base64: {Convert.ToBase64String(_input)}";

    public void Try(string place, byte[] input)
    {
        _input = input;
        Interlocked.Increment(ref _count);
        if (Break(input) is not { } broken)
            return;
        _input = CutDown(input, broken.GetType());
        throw new InvalidOperationException($"{place}: {broken.GetType().Name}: {broken.Message}\n{Described}\n{broken.StackTrace}", broken);
    }

    /// <summary>What the parser did that it must not; null when all was well.</summary>
    private Exception? Break(byte[] input)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read(input);
        }
        catch (Exception e)
        {
            if (!expected.Any(type => type.IsInstanceOfType(e)))
                return e;
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated <= BaseBytes + ((long)input.Length * bytesPerByte) ? null : new InsufficientMemoryException($"{allocated} bytes for {input.Length}");
    }

    private byte[] CutDown(byte[] input, Type broken)
    {
        var begun = TimeProvider.System.GetTimestamp();
        for (var size = input.Length / 2; size > 0; size /= 2)
        {
            for (var at = 0; at + size <= input.Length && TimeProvider.System.GetElapsedTime(begun) < CuttingTime;)
            {
                byte[] shorter = [.. input[..at], .. input[(at + size)..]];
                if (Break(shorter)?.GetType() == broken)
                    input = shorter;
                else
                    at += size;
            }
        }
        return input;
    }
}
