using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text;

namespace Minke.TestSupport.Fuzzing;

/// <summary>
/// Feeds a parser with its corpus and with what is made of it. Every input is read or refused by an exception the parser is known to
/// throw, ends, and takes memory in proportion to its size. Equal on every run; <c>MINKE_FUZZ_SECONDS</c> goes on for so long, with other
/// inputs every time.
/// </summary>
internal static class Fuzz
{
    private const int Rounds = 4000;
    private const string SecondsVariable = "MINKE_FUZZ_SECONDS";

    // A hang and nothing else takes so long.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <param name="parser">The folder of its corpus.</param>
    /// <param name="read">Throws what <paramref name="expected"/> names, and asserts what holds of whatever can be read.</param>
    /// <param name="expected">How the parser refuses.</param>
    /// <param name="bytesPerByte">How much may be allocated for each byte of the input, beside a MiB for all of it.</param>
    /// <param name="rounds">Inputs made of the corpus.</param>
    public static void Run(string parser, Action<byte[]> read, IReadOnlyList<Type> expected, int bytesPerByte = 2_000, int rounds = Rounds)
    {
        var run = new FuzzRun(read, expected, bytesPerByte);
        var corpus = Corpus.Of(parser);
        ExceptionDispatchInfo? failure = null;
        var worker = new Thread(() =>
        {
            try
            {
                foreach (var (name, content) in corpus.Seeds)
                    run.Try($"corpus/{parser}/{name}", content);
                Mutate(parser, corpus, run, rounds);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        { IsBackground = true };
        worker.Start();
        for (var seen = run.Count; !worker.Join(Patience); seen = run.Count)
            Assert.False(seen == run.Count, $"{parser}: an input does not end: {run.Described}");
        failure?.Throw();
    }

    /// <summary>As <see cref="Run"/>, of a parser of text.</summary>
    public static void RunText(string parser, Action<string> read, IReadOnlyList<Type> expected, int bytesPerByte = 2_000) =>
        Run(parser, input => read(Encoding.UTF8.GetString(input)), expected, bytesPerByte);

    private static void Mutate(string parser, Corpus corpus, FuzzRun run, int rounds)
    {
        var seconds = int.TryParse(Environment.GetEnvironmentVariable(SecondsVariable), CultureInfo.InvariantCulture, out var asked) ? asked : 0;
        var end = TimeProvider.System.GetUtcNow().AddSeconds(seconds);
        var seed = seconds > 0 ? Environment.TickCount : 1;
        var mutation = new Mutation(corpus, new Random(seed));
        for (var round = 0; round < rounds || TimeProvider.System.GetUtcNow() < end; round++)
            run.Try($"{parser}, seed {seed}, round {round}", mutation.Next());
    }
}
