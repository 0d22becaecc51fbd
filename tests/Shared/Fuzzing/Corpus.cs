using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Minke.TestSupport.Fuzzing;

/// <summary>
/// What the inputs of one parser are made from: the files of <c>tests/corpus/PARSER</c>, each a whole input (good, bad, or one that once
/// broke something), and the words that stand in them.
/// </summary>
internal sealed partial record Corpus(IReadOnlyList<(string Name, byte[] Content)> Seeds, IReadOnlyList<byte[]> Words)
{
    /// <summary>A file of this ending holds its input as base64, so that it can be read in a review.</summary>
    private const string Encoded = ".base64";

    // What a parser of any kind may stumble over.
    private static readonly string[] Always =
    [
        "0", "-1", "1e309", "2147483648", "9223372036854775808", "18446744073709551616", "99999999999999999999999999999999", "-0.0", ".5", "null", "\0", "\ufeff", "\ud7ff", "\u202e", "é",
        "\r\n", "\t", " ", "\"", "'", "\\", "\\u0000", "\\ud800", "{", "}", "[", "]", "(", ")", ":", ",", "/", "%00", "%", "*", "&a", "*a", "../", "true",
    ];

    public static Corpus Of(string parser)
    {
        var seeds = Directory.GetFiles(Path.Combine(Root(), parser)).Order(StringComparer.Ordinal).Select(file => (Path.GetFileName(file), Content(file))).ToList();
        var words = seeds.SelectMany(seed => Word().Matches(Encoding.UTF8.GetString(seed.Item2)).Select(match => match.Value)).Concat(Always).Distinct(StringComparer.Ordinal);
        return new(seeds, [.. words.Select(Encoding.UTF8.GetBytes)]);
    }

    private static byte[] Content(string file) => file.EndsWith(Encoded, StringComparison.Ordinal) ? Convert.FromBase64String(File.ReadAllText(file)) : File.ReadAllBytes(file);

    private static string Root([CallerFilePath] string file = "") => Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "corpus");

    [GeneratedRegex(@"[\p{L}\p{N}_$.-]{1,40}|[^\p{L}\p{N}\s]{1,3}")]
    private static partial Regex Word();
}
