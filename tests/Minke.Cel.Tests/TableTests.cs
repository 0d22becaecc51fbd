namespace Minke.Cel.Tests;

/// <summary>The tables in testdata: a line is an expression, <c> => </c> and what it gives (<c>#</c> begins a comment, <c>\n</c> is a line break in an answer).</summary>
public class TableTests
{
    private static readonly (string, string)[] Variables =
    [
        ("object", """{"spec":{"replicas":3,"name":"web","ratio":1.5,"tags":["a","b","c"],"labels":{"app":"web","tier":"front"},"none":null},"items":[{"n":1,"s":"x"},{"n":2,"s":"y"}]}"""),
        ("x", "5"),
        ("nothing", "null"),
    ];

    [Theory]
    [InlineData("literals")]
    [InlineData("operators")]
    [InlineData("conversions")]
    [InlineData("macros")]
    [InlineData("optionals")]
    [InlineData("strings")]
    [InlineData("times")]
    [InlineData("libraries")]
    [InlineData("regexes")]
    [InlineData("errors")]
    [InlineData("syntax")]
    public void Every_line_of_a_table_holds(string table)
    {
        var wrong = new List<string>();
        var count = 0;
        foreach (var (expression, expected) in Read(table))
        {
            count++;
            var actual = Eval.Show(expression, Variables).Replace("\n", "\\n", StringComparison.Ordinal);
            if (actual != expected)
                wrong.Add($"{expression}\n    expected {expected}\n    but was  {actual}");
        }
        Assert.True(count > 5);
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    internal static IEnumerable<(string Expression, string Expected)> Read(string table)
    {
        using var stream = typeof(TableTests).Assembly.GetManifestResourceStream(table)!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '#')
                continue;
            var arrow = line.LastIndexOf(" => ", StringComparison.Ordinal);
            yield return (line[..arrow].Trim(), line[(arrow + 4)..].Trim());
        }
    }
}
