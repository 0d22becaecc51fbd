using System.Text;
using Minke.Api.Apiextensions.V1;

namespace Minke.Api;

/// <summary>Paths into a schema, as rules and selectable fields name them: <c>.spec.color</c>, <c>.spec['a.b']</c>. (cel.ValidFieldPath)</summary>
public static class SchemaPaths
{
    private const int MaxSelectableFields = 8;

    public static bool IsValid(string path, JSONSchemaProps schema) => Follow(path, schema, allowBrackets: true).Error is null;

    /// <summary>As errors show it: <c>spec.a.b</c>; empty where it is not valid.</summary>
    public static string Normal(string path, JSONSchemaProps schema) => Follow(path, schema, allowBrackets: true).Path;

    public static void ValidateSelectable(ApiList<SelectableField> fields, JSONSchemaProps? schema, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < fields.Count; i++)
        {
            var (text, at) = (fields[i].JsonPath, path.Index(i).Child("jsonPath"));
            if (text.Length == 0)
            {
                errors.Required(at);
                continue;
            }
            var (found, target, error) = Follow(text, schema, allowBrackets: false);
            if (error is not null)
            {
                errors.Invalid(at, text, "is an invalid path: " + error);
                continue;
            }
            if (found.Split('.', '[')[0] == "metadata")
                errors.Invalid(at, text, "must not point to fields in metadata");
            if (target?.Type is not ("string" or "boolean" or "integer"))
                errors.Invalid(at, text, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.");
            if (!seen.Add(found))
                errors.Duplicate(at, text);
        }
        if (seen.Count > MaxSelectableFields)
            errors.TooMany(path, seen.Count, MaxSelectableFields);
    }

    private static (string Path, JSONSchemaProps? Schema, string? Error) Follow(string text, JSONSchemaProps? schema, bool allowBrackets)
    {
        const string nowhere = "does not refer to a valid field", ends = "unexpected end of JSON path";
        var path = FieldPath.Root;
        var tokens = new Queue<string>(Tokens(text));
        while (tokens.TryDequeue(out var token))
        {
            if (token is not ("." or "["))
                return Error("expected [ or . but got: " + token);
            if (token == "[" && !allowBrackets)
                return Error("array notation is not allowed");
            if (!tokens.TryDequeue(out var name))
                return Error(ends);
            if (token == "[")
            {
                if (name.Length < 2 || name[0] != '\'' || name[^1] != '\'')
                    return Error("expected single quoted string but got " + name);
                if (Unescape(name[1..^1], out var bad) is not { } plain)
                    return Error("invalid string literal: invalid escape char " + bad);
                name = plain;
            }
            if (schema is { Properties.IsEmpty: false })
            {
                if (!schema.Properties.TryGetValue(name, out var property))
                    return Error(nowhere);
                (path, schema) = (path.Child(name), property);
            }
            else if (schema?.AdditionalProperties is { } additional)
            {
                (path, schema) = (path.Key(name), additional.Schema);
            }
            else
            {
                return Error(nowhere);
            }
            if (token == ".")
                continue;
            if (!tokens.TryDequeue(out var end))
                return Error(ends);
            if (end != "]")
                return Error("expected ] but got " + end);
        }
        return (path.Text, schema, null);

        static (string, JSONSchemaProps?, string?) Error(string why) => ("", null, why);
    }

    /// <summary>The marks by themselves, what is between them, and quoted text as a whole.</summary>
    private static IEnumerable<string> Tokens(string text)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = start + 1;
            if (text[start] == '\'')
            {
                while (end < text.Length && (text[end] != '\'' || text[end - 1] == '\\'))
                    end++;
                end = Math.Min(end + 1, text.Length);
            }
            else if (text[start] is not ('.' or '[' or ']'))
            {
                while (end < text.Length && text[end] is not ('.' or '[' or ']'))
                    end++;
            }
            yield return text[start..end];
            start = end;
        }
    }

    private static string? Unescape(string text, out string bad)
    {
        bad = "";
        var plain = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                plain.Append(text[i]);
                continue;
            }
            var at = "abfnrtv'\\".IndexOf(text[++i], StringComparison.Ordinal);
            if (at < 0)
            {
                bad = "\\" + text[i];
                return null;
            }
            plain.Append("\a\b\f\n\r\t\v'\\"[at]);
        }
        return plain.ToString();
    }
}
