using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Cli.Manifests;

/// <summary>Finds and reads manifests as <c>kubectl apply -f</c> does: files, the YAML and JSON files of a directory, standard input.</summary>
internal static class ManifestReader
{
    /// <summary>Why a value may not be what its writer thinks.</summary>
    public const string Unquoted = " YAML takes y, n, yes, no, on and off for booleans and digits for numbers: quote what is meant as text.";

    private static readonly string[] Extensions = [".yaml", ".yml", ".json"];

    /// <summary>All objects in the order they are to be applied: as written, except that namespaces and definitions come first.</summary>
    /// <exception cref="CliException">A file cannot be read, or an object lacks what it needs; nothing was applied.</exception>
    public static async Task<IReadOnlyList<Manifest>> ReadAsync(IEnumerable<string> paths, TextReader standardInput, CancellationToken cancellationToken)
    {
        var manifests = new List<Manifest>();
        foreach (var path in paths)
        {
            if (path == "-")
                manifests.AddRange(Parse("standard input", await standardInput.ReadToEndAsync(cancellationToken)));
            else
                foreach (var file in Files(path))
                    manifests.AddRange(Parse(file, await ReadFileAsync(file, cancellationToken)));
        }
        return [.. manifests.OrderBy(manifest => manifest.Kind switch { "Namespace" => 0, "CustomResourceDefinition" => 1, _ => 2 })];
    }

    private static IEnumerable<string> Files(string path)
    {
        if (File.Exists(path))
            return [path];
        if (!Directory.Exists(path))
            throw new CliException($"-f {path}: there is no such file or directory");
        var files = Directory.GetFiles(path).Where(file => Extensions.Contains(Path.GetExtension(file), StringComparer.Ordinal)).ToArray();
        if (files.Length == 0)
            throw new CliException($"-f {path}: the directory has no .yaml, .yml or .json files");
        return files.Order(StringComparer.Ordinal);
    }

    private static async Task<string> ReadFileAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllTextAsync(file, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"-f {file}: {exception.Message}", exception);
        }
    }

    internal static IEnumerable<Manifest> Parse(string source, string text)
    {
        IReadOnlyList<(int Line, JsonNode Document)> documents;
        try
        {
            documents = text.AsSpan().TrimStart().StartsWith('{') ? ReadJson(text) : YamlReader.Read(text);
        }
        catch (FormatException exception)
        {
            throw new CliException($"{source}: {exception.Message}", exception);
        }
        return documents.SelectMany(document => Expand($"{source}:{document.Line}", document.Document));
    }

    /// <summary>One JSON value after another. What is not JSON may still be YAML that begins with a brace.</summary>
    private static IReadOnlyList<(int Line, JsonNode Document)> ReadJson(string text)
    {
        var documents = new List<(int, JsonNode)>();
        var utf8 = Encoding.UTF8.GetBytes(text);
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { AllowMultipleValues = true, MaxDepth = 200 });
        try
        {
            while (reader.Read())
            {
                var line = 1 + utf8.AsSpan(0, (int)reader.TokenStartIndex).Count((byte)'\n');
                if (JsonNode.Parse(ref reader) is { } document)
                {
                    LookAtEach(document);
                    documents.Add((line, document));
                }
            }
            return documents;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            return YamlReader.Read(text);
        }
    }

    /// <summary>A key that stands twice is found out when somebody looks at its object.</summary>
    /// <exception cref="ArgumentException">There is one.</exception>
    private static void LookAtEach(JsonNode? node)
    {
        foreach (var part in node switch { JsonObject map => map.Select(member => member.Value), JsonArray list => list, _ => Enumerable.Empty<JsonNode?>() })
            LookAtEach(part);
    }

    private static IEnumerable<Manifest> Expand(string source, JsonNode document)
    {
        if (document is not JsonObject written)
            throw new CliException($"{source}: an object was expected, with apiVersion, kind and metadata");
        if (written["items"] is JsonArray items && written["kind"] is JsonValue kind && kind.ToString().EndsWith("List", StringComparison.Ordinal))
            return items.Where(item => item is not null).SelectMany(item => Expand(source, item!.DeepClone()));
        var manifest = new Manifest(source, written);
        foreach (var (path, value) in manifest.Names)
        {
            if (value is not null && value.GetValueKind() != JsonValueKind.String)
                throw new CliException($"{source}: {path} must be text, but is {value.ToJsonString()}.{Unquoted}");
        }
        if (manifest.ApiVersion.Length == 0 || manifest.Kind.Length == 0)
            throw new CliException($"{source}: {(manifest.ApiVersion.Length == 0 ? "apiVersion" : "kind")} is missing");
        if (manifest.Name.Length == 0)
            throw new CliException($"{source}: {manifest.Kind} has no metadata.name");
        return [manifest];
    }
}
