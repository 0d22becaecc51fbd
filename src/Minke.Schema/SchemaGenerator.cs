using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Minke.Schema;

/// <summary>Turns <c>api/*.api</c> and the constant rows of <c>defaults.tsv</c> into records, codecs and schema tables.</summary>
[Generator(LanguageNames.CSharp)]
public sealed class SchemaGenerator : IIncrementalGenerator
{
    private static readonly DiagnosticDescriptor Broken = new(
        "MINKE001", "API schema error", "{0}", "Minke.Schema", DiagnosticSeverity.Error, isEnabledByDefault: true);

    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var texts = context.AdditionalTextsProvider
            .Where(text => text.Path.EndsWith(".api", StringComparison.Ordinal) || text.Path.EndsWith("defaults.tsv", StringComparison.Ordinal))
            .Select((text, cancellation) => (text.Path, Text: text.GetText(cancellation)?.ToString() ?? ""))
            .Collect();
        context.RegisterSourceOutput(texts, Generate);
    }

    private static void Generate(SourceProductionContext context, ImmutableArray<(string Path, string Text)> texts)
    {
        if (texts.IsEmpty)
            return;
        var defaults = texts.Where(text => text.Path.EndsWith("defaults.tsv", StringComparison.Ordinal)).SelectMany(text => ConstantDefaults(text.Text))
            .ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        var files = texts.Where(text => text.Path.EndsWith(".api", StringComparison.Ordinal)).Select(text => ApiParser.Parse(text.Path.Replace('\\', '/'), text.Text)).ToList();
        var model = new ApiModel(files, defaults);
        foreach (var problem in model.Problems)
            context.ReportDiagnostic(Diagnostic.Create(Broken, LocationOf(problem, texts), problem.Message));
        if (model.Problems.Count > 0)
            return;

        var emitter = new Emitter(model);
        foreach (var file in model.Files)
            context.AddSource(file.Stem + ".g.cs", SourceText.From(emitter.File(file), Encoding.UTF8));
        context.AddSource("Kinds.g.cs", SourceText.From(emitter.Kinds(), Encoding.UTF8));
    }

    /// <summary>Rows of <c>TYPE.field ⇥ JSON literal ⇥</c> without a condition, keyed <c>stem.Type.field</c>; the others are code.</summary>
    private static IEnumerable<KeyValuePair<string, string>> ConstantDefaults(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            var cells = line.TrimEnd('\r').Split('\t');
            if (line.StartsWith("#", StringComparison.Ordinal) || cells.Length != 3 || cells[2].Length > 0)
                continue;
            var path = cells[0].Split('.');
            var isVersioned = path.Length > 1 && path[1].Length > 1 && path[1][0] == 'v' && char.IsDigit(path[1][1]);
            if (path.Length != (isVersioned ? 4 : 3))
                continue;
            if (cells[1] == "{}" || cells[1] is "true" or "false" || cells[1].StartsWith("\"", StringComparison.Ordinal) || cells[1].All(char.IsDigit))
                yield return new(isVersioned ? cells[0] : $"{path[0]}.v1.{path[1]}.{path[2]}", cells[1]);
        }
    }

    private static Location LocationOf(Problem problem, ImmutableArray<(string Path, string Text)> texts)
    {
        var text = SourceText.From(texts.First(candidate => candidate.Path.Replace('\\', '/') == problem.Path).Text);
        var line = text.Lines[Math.Min(problem.Line, text.Lines.Count) - 1];
        return Location.Create(problem.Path, line.Span, text.Lines.GetLinePositionSpan(line.Span));
    }
}
