namespace Minke.TestSupport;

/// <summary>A table of a document that is made from the code: between <c>&lt;!-- NAME: begin --&gt;</c> and <c>&lt;!-- NAME: end --&gt;</c>.</summary>
internal static class DocumentTable
{
    /// <summary>Compares it with what the document has; <c>MINKE_WRITE_DOCS=1</c> writes it there instead.</summary>
    /// <param name="document">Under <c>docs/</c>.</param>
    /// <param name="name">Of the table.</param>
    /// <param name="table">Its lines, each with its end.</param>
    public static void Check(string document, string name, string table)
    {
        var path = Path.Combine(Root(), "docs", document);
        var text = File.ReadAllText(path);
        var before = $"<!-- {name}: begin -->";
        var (begin, end) = (text.IndexOf(before, StringComparison.Ordinal) + before.Length, text.IndexOf($"<!-- {name}: end -->", StringComparison.Ordinal));
        var expected = "\n\n" + table + "\n";
        if (Environment.GetEnvironmentVariable("MINKE_WRITE_DOCS") == "1")
            File.WriteAllText(path, text[..begin] + expected + text[end..]);
        else
            Assert.Equal(expected, text[begin..end]);
    }

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Minke.slnx")))
            directory = directory.Parent;
        return directory.FullName;
    }
}
