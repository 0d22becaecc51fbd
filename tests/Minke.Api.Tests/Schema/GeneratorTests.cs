using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;
using Minke.Schema;

namespace Minke.Api.Tests.Schema;

public sealed class GeneratorTests
{
    private const string Meta = "group meta.k8s.io/v1\npackage k8s.io/apimachinery/pkg/apis/meta/v1\n\ntype ObjectMeta\n   1  name  string\n";

    [Theory]
    [InlineData("type A\n   1  x  Nowhere\n", 5, "unknown type \"Nowhere\"")]
    [InlineData("type A\n   1  x  string  shiny\n", 5, "unknown attribute \"shiny\"")]
    [InlineData("type A\n   1  x  string\n   1  y  string\n", 6, "field number 1 is used twice")]
    [InlineData("type A\n   1  x  string\n   2  x  string\n", 6, "field \"x\" is declared twice")]
    [InlineData("type A\n   1  x  []A  merge(name)\n", 5, "\"[]A\" has no key \"name\"")]
    [InlineData("thing A\n", 4, "unknown word \"thing\"")]
    [InlineData("kind A  as  everywhere\n", 4, "scope \"everywhere\": namespaced or cluster expected")]
    [InlineData("type A\n\ntype A\n", 6, "\"A\" is declared twice")]
    [InlineData("type A\n   1  x  string  = \"open\n", 5, "a quote is not closed")]
    public void A_mistake_is_reported_at_its_line(string text, int line, string message)
    {
        var diagnostics = Run(("/api/demo.v1.api", "group demo/v1\npackage k8s.io/api/demo/v1\n\n" + text), ("/api/meta.v1.api", Meta));
        var diagnostic = Assert.Single(diagnostics);
        Assert.Equal("MINKE001", diagnostic.Id);
        Assert.Equal(message, diagnostic.GetMessage(null));
        Assert.Equal("/api/demo.v1.api", diagnostic.Location.GetLineSpan().Path);
        Assert.Equal(line, diagnostic.Location.GetLineSpan().StartLinePosition.Line + 1);
    }

    [Fact]
    public void A_description_follows_a_hash()
    {
        var sources = Generate(("/api/demo.v1.api", "group demo/v1\npackage k8s.io/api/demo/v1\n\ntype A  # What A is.\n   1  x  string  = \"#no\"  # What x is.\n"), ("/api/meta.v1.api", Meta));
        Assert.Contains("What A is.", sources, StringComparison.Ordinal);
        Assert.Contains("Description = \"What x is.\"", sources, StringComparison.Ordinal);
        Assert.Contains("#no", sources, StringComparison.Ordinal);
    }

    private static IReadOnlyList<Diagnostic> Run(params (string Path, string Text)[] files) => Drive(files).Diagnostics;

    private static string Generate(params (string Path, string Text)[] files) =>
        string.Join('\n', Drive(files).GeneratedTrees.Select(tree => tree.ToString()));

    private static GeneratorDriverRunResult Drive((string Path, string Text)[] files) => CSharpGeneratorDriver
        .Create([new SchemaGenerator().AsSourceGenerator()], files.Select(file => (AdditionalText)new TextFile(file.Path, file.Text)))
        .RunGenerators(CSharpCompilation.Create("demo"), TestContext.Current.CancellationToken)
        .GetRunResult();

    private sealed class TextFile(string path, string text) : AdditionalText
    {
        public override string Path => path;
        public override SourceText GetText(CancellationToken cancellationToken = default) => SourceText.From(text);
    }
}
