using System.Text.Json;

namespace Minke.Server.Streaming;

/// <summary>
/// Reads the resize stream: JSON objects <c>{"Width":80,"Height":24}</c>, one after the other, cut into frames anywhere. Field names
/// match in any case, as Go reads them; fields it does not know are skipped.
/// </summary>
internal sealed class TerminalSizes
{
    /// <summary>One object; far more than any client sends.</summary>
    private const int MaxObjectBytes = 4096;

    private readonly byte[] _buffer = new byte[MaxObjectBytes];
    private int _count;

    /// <summary>Hands each size on until the stream ends or says something that is no size, which ends it too.</summary>
    public async Task ReadAllAsync(IStreamChannel channel, Func<int, int, CancellationToken, Task> resize, CancellationToken cancellationToken)
    {
        while (_count < _buffer.Length)
        {
            var read = await channel.ReadAsync(_buffer.AsMemory(_count), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return;
            _count += read;
            while (true)
            {
                var found = TryTake(out var width, out var height);
                if (found is null)
                    return;
                if (found is false)
                    break;
                await resize(width, height, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>True with a size, false when the buffer ends within one, null when it holds something else.</summary>
    private bool? TryTake(out int width, out int height)
    {
        (width, height) = (0, 0);
        var reader = new Utf8JsonReader(_buffer.AsSpan(0, _count), isFinalBlock: false, new JsonReaderState(new() { AllowMultipleValues = true }));
        try
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType != JsonTokenType.StartObject)
                return null;
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.EndObject)
                {
                    var used = (int)reader.BytesConsumed;
                    _buffer.AsSpan(used, _count - used).CopyTo(_buffer);
                    _count -= used;
                    return true;
                }
                var isWidth = Named(ref reader, "width");
                var isHeight = Named(ref reader, "height");
                if (!reader.Read())
                    return false;
                if (!isWidth && !isHeight)
                {
                    if (!reader.TrySkip())
                        return false;
                    continue;
                }
                if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt16(out var value))
                    return null;
                if (isWidth)
                    width = value;
                else
                    height = value;
            }
            return false;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool Named(ref Utf8JsonReader reader, string name) =>
        reader.ValueSpan.Length == name.Length && string.Equals(reader.GetString(), name, StringComparison.OrdinalIgnoreCase);
}
