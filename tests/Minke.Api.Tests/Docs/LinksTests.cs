using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Minke.Api.Tests.Docs;

/// <summary>What the documents point at is there.</summary>
public sealed partial class LinksTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "../../.."));

    [Fact]
    public void Every_relative_link_leads_to_a_file()
    {
        var broken = new List<string>();
        foreach (var file in Documents())
        {
            foreach (var target in Link().Matches(File.ReadAllText(file)).Select(match => match.Groups["target"].Value))
            {
                var path = Path.Combine(Path.GetDirectoryName(file)!, target.Split('#')[0]);
                if (!Path.Exists(path))
                    broken.Add($"{Path.GetRelativePath(Root, file)}: {target}");
            }
        }
        Assert.Empty(broken);
    }

    [Fact]
    public void The_walkthrough_names_what_is_in_the_file_beside_it()
    {
        var file = Path.Combine(Root, "docs/walkthrough.md");
        var named = Named().Matches(File.ReadAllText(file));
        Assert.NotEmpty(named);
        var missing = new List<string>();
        foreach (Match match in named)
        {
            var source = File.ReadAllText(Path.Combine(Root, "docs", match.Groups["target"].Value));
            var words = match.Groups["name"].Value.Replace("<T>", "", StringComparison.Ordinal).Split('.');
            missing.AddRange(words.Where(word => !Regex.IsMatch(source, $@"\b{word}\b")).Select(word => $"{match.Groups["target"].Value}: {word}"));
        }
        Assert.Empty(missing);
    }

    private static IEnumerable<string> Documents() =>
        new[] { "api", "docs", "examples", "src" }.SelectMany(directory => Directory.EnumerateFiles(Path.Combine(Root, directory), "*.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Root, "*.md"))
            .Where(file => !file.Contains("/bin/", StringComparison.Ordinal) && !file.Contains("/obj/", StringComparison.Ordinal));

    private static string Here([CallerFilePath] string path = "") => path;

    /// <summary>Not one with a scheme, nor one within its page.</summary>
    [GeneratedRegex(@"\]\((?![a-z]+:|#)(?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    /// <summary><c>`Type` ([File.cs](path))</c></summary>
    [GeneratedRegex(@"`(?<name>[A-Z][\w.]*(<T>)?)`\s+\(\[[^\]]+\]\((?<target>[^)]+\.cs)\)\)")]
    private static partial Regex Named();
}
