namespace Minke.TestSupport.Fuzzing;

/// <summary>Spoils inputs: bytes and bits, pieces cut, doubled, moved or taken from another input, words of the corpus in the place of others.</summary>
internal sealed class Mutation(Corpus corpus, Random random)
{
    private const int MaxBytes = 16 * 1024;
    private const int MaxChanges = 6;
    private const int MaxRepeats = 300;

    public byte[] Next()
    {
        var input = Seed();
        for (var changes = random.Next(1, MaxChanges + 1); changes > 0; changes--)
            input = Change(input);
        return input.Length <= MaxBytes ? input : input[..MaxBytes];
    }

    private byte[] Seed() => corpus.Seeds[random.Next(corpus.Seeds.Count)].Content;

    private byte[] Change(byte[] input)
    {
        var (start, end) = Piece(input);
        switch (random.Next(11))
        {
            case 0 when input.Length > 0:
                var flipped = (byte[])input.Clone();
                flipped[random.Next(input.Length)] ^= (byte)(1 << random.Next(8));
                return flipped;
            case 1 when input.Length > 0:
                var replaced = (byte[])input.Clone();
                replaced[random.Next(input.Length)] = (byte)random.Next(256);
                return replaced;
            case 2:
                return input[..start];
            case 3:
                return [.. input[..start], .. input[end..]];
            case 4:
                return [.. input[..end], .. input[start..]];
            case 5:
                var repeats = Math.Min(random.Next(1, MaxRepeats), MaxBytes / Math.Max(end - start, 1));
                return [.. input[..start], .. Enumerable.Repeat(input[start..end], repeats).SelectMany(piece => piece), .. input[end..]];
            case 6:
                var other = Seed();
                var (from, to) = Piece(other);
                return [.. input[..start], .. other[from..to], .. input[end..]];
            case 7:
                return [.. input[end..], .. input[..end]];
            case 8:
                return [.. input[..start], .. Word(), .. input[start..]];
            default:
                return InPlaceOfAWord(input);
        }
    }

    private byte[] InPlaceOfAWord(byte[] input)
    {
        var sought = Word();
        var at = sought.Length == 0 ? -1 : input.AsSpan().IndexOf(sought);
        return at < 0 ? [.. input, .. Word()] : [.. input[..at], .. Word(), .. input[(at + sought.Length)..]];
    }

    private byte[] Word() => corpus.Words[random.Next(corpus.Words.Count)];

    /// <summary>Mostly short.</summary>
    private (int Start, int End) Piece(byte[] input)
    {
        var start = random.Next(input.Length + 1);
        var length = random.Next(3) == 0 ? random.Next(input.Length - start + 1) : random.Next(Math.Min(input.Length - start, 12) + 1);
        return (start, start + length);
    }
}
