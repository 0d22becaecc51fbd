using System.Text;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.Apply;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>The body of an apply: YAML, of which JSON is a part.</summary>
internal static class ApplyBody
{
    /// <param name="duplicates">Keys that stand twice; the last one holds.</param>
    /// <exception cref="StatusException">400: not YAML, or no object.</exception>
    public static ApplyConfiguration Read(byte[] body, bool force, out IReadOnlyList<string> duplicates)
    {
        var found = new List<string>();
        duplicates = found;
        try
        {
            var documents = YamlReader.Read(Encoding.UTF8.GetString(body), found);
            if (documents.Count == 0)
                return new([], force);
            return new(documents[0].Document as JsonObject ?? throw StatusException.BadRequest(
                "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
                + $"{(documents[0].Document is JsonArray ? "array" : documents[0].Document.GetValueKind().ToString().ToLowerInvariant())} into Go value of type map[string]interface {{}}"), force);
        }
        catch (FormatException e)
        {
            throw StatusException.BadRequest($"error decoding YAML: error converting YAML to JSON: yaml: {e.Message}");
        }
    }

    /// <exception cref="StatusException">400: a key stands twice, and the client wants to know.</exception>
    public static void Report(IReadOnlyList<string> duplicates, FieldValidation validation, WriteContext context)
    {
        if (duplicates.Count == 0 || validation == FieldValidation.Ignore)
            return;
        if (validation == FieldValidation.Strict)
            throw StatusException.BadRequest("error strict decoding YAML: error converting YAML to JSON: " + ObjectDecoder.YamlProblem(duplicates));
        context.Warnings.AddRange(duplicates);
    }
}
