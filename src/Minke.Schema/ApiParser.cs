using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Minke.Schema;

/// <summary>Reads the text of one <c>.api</c> file. Goes on after an error, so that one build shows them all.</summary>
internal static class ApiParser
{
    private static readonly string[] AllVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    private sealed class SyntaxException(string message) : Exception(message);

    public static ApiFile Parse(string path, string text)
    {
        var name = path.Substring(path.LastIndexOf('/') + 1);
        var file = new ApiFile { Path = path, Stem = name.Substring(0, name.Length - ".api".Length) };
        Declaration? current = null;
        var lines = text.Split('\n');
        for (var number = 1; number <= lines.Length; number++)
        {
            var line = lines[number - 1];
            try
            {
                var (tokens, comment) = Split(line);
                if (tokens.Count == 0)
                    continue;
                if (!line.StartsWith(" ", StringComparison.Ordinal))
                    current = Head(file, tokens, number, comment);
                else if (current is null)
                    throw new SyntaxException("line outside a declaration");
                else
                    Body(current, tokens, number, comment);
            }
            catch (SyntaxException e)
            {
                file.Problems.Add(new Problem(path, number, e.Message));
            }
        }
        if (file.Group.Length == 0 || file.Package.Length == 0)
            file.Problems.Add(new Problem(path, 1, "\"group\" and \"package\" lines expected first"));
        return file;
    }

    private static Declaration? Head(ApiFile file, List<string> tokens, int number, string comment)
    {
        switch (tokens[0])
        {
            case "group":
                file.Group = At(tokens, 1);
                return null;
            case "package":
                file.Package = At(tokens, 1);
                return null;
        }
        var declaration = new Declaration { File = file, Word = tokens[0], Name = At(tokens, 1), Line = number, Description = comment };
        var rest = tokens.Skip(2).ToList();
        switch (declaration.Word)
        {
            case "kind":
                declaration.Plural = At(tokens, 2);
                declaration.IsNamespaced = At(tokens, 3) switch
                {
                    "namespaced" => true,
                    "cluster" => false,
                    var other => throw new SyntaxException($"scope \"{other}\": namespaced or cluster expected"),
                };
                declaration.Verbs = AllVerbs;
                rest = rest.Skip(2).ToList();
                break;
            case "enum":
            case "string":
                declaration.Values.AddRange(rest.Select(Unquote));
                rest = [];
                break;
            case "alias":
            case "box":
                declaration.Target = At(tokens, 2);
                rest = [];
                break;
            case "object":
            case "options":
            case "type":
            case "native":
                break;
            default:
                throw new SyntaxException($"unknown word \"{declaration.Word}\"");
        }
        foreach (var attribute in rest)
        {
            var (key, value) = KeyValue(attribute);
            switch (key)
            {
                case "short":
                    declaration.ShortNames = value.Split(',');
                    break;
                case "categories":
                    declaration.Categories = value.Split(',');
                    break;
                case "verbs":
                    declaration.Verbs = value.Split(',');
                    break;
                case "package":
                    declaration.Package = value;
                    break;
                case "apiVersion":
                    declaration.ApiVersion = value;
                    break;
                case "atomic":
                    declaration.IsAtomic = true;
                    break;
                case "union":
                    declaration.IsUnion = true;
                    break;
                default:
                    throw new SyntaxException($"unknown attribute \"{attribute}\"");
            }
        }
        if (file.Declarations.ContainsKey(declaration.Name))
            throw new SyntaxException($"\"{declaration.Name}\" is declared twice");
        file.Declarations.Add(declaration.Name, declaration);
        return declaration;
    }

    private static void Body(Declaration current, List<string> tokens, int number, string comment)
    {
        if (current.Word is "enum" or "string")
        {
            current.Values.AddRange(tokens.Select(Unquote));
        }
        else if (tokens[0] == "-" || char.IsDigit(tokens[0][0]))
        {
            current.Fields.Add(Field(tokens, number, comment));
        }
        else if (current.Word != "kind")
        {
            throw new SyntaxException("a field starts with its number or \"-\"");
        }
        else if (tokens[0] == "sub")
        {
            current.Subresources.Add(Subresource(tokens, number));
        }
        else
        {
            current.Select.AddRange(tokens[0] == "select" ? tokens.Skip(1) : tokens);
        }
    }

    private static SubresourceDeclaration Subresource(List<string> tokens, int number)
    {
        var sub = new SubresourceDeclaration { Name = At(tokens, 1), Verbs = At(tokens, 2).Split(','), Line = number };
        foreach (var attribute in tokens.Skip(3))
        {
            var (key, value) = KeyValue(attribute);
            switch (key)
            {
                case "connect":
                    sub.IsConnect = true;
                    break;
                case "kind":
                    sub.Kind = value;
                    break;
                case "options":
                    sub.Options = value;
                    break;
                case "gate":
                    sub.Gate = value;
                    break;
                default:
                    throw new SyntaxException($"unknown attribute \"{attribute}\"");
            }
        }
        return sub;
    }

    private static FieldDeclaration Field(List<string> tokens, int number, string comment)
    {
        var field = new FieldDeclaration { JsonName = At(tokens, 1), Type = At(tokens, 2), Line = number, Description = comment };
        if (tokens[0] != "-" && !int.TryParse(tokens[0], NumberStyles.None, CultureInfo.InvariantCulture, out field.Number))
            throw new SyntaxException($"field number \"{tokens[0]}\"");
        for (var i = 3; i < tokens.Count; i++)
        {
            var token = tokens[i];
            if (token == "=")
            {
                field.Default = At(tokens, ++i);
                continue;
            }
            if (token.StartsWith("map(", StringComparison.Ordinal) && token.EndsWith(")", StringComparison.Ordinal))
            {
                field.MapKeys = token.Substring(4, token.Length - 5).Split(',');
                continue;
            }
            if (token.StartsWith("merge(", StringComparison.Ordinal) && token.EndsWith(")", StringComparison.Ordinal))
            {
                field.IsMerged = true;
                field.MergeKey = token.Substring(6, token.Length - 7);
                continue;
            }
            var (key, value) = KeyValue(token);
            switch (key)
            {
                case "required":
                    field.IsRequired = true;
                    break;
                case "keep":
                    field.IsKept = true;
                    break;
                case "omit":
                    field.IsOmitted = true;
                    break;
                case "atomic":
                    field.IsAtomic = true;
                    break;
                case "set":
                    field.IsSet = true;
                    break;
                case "granular":
                    field.IsGranular = true;
                    break;
                case "merge":
                    field.IsMerged = true;
                    break;
                case "retainKeys":
                    field.RetainsKeys = true;
                    break;
                case "replace":
                    field.IsReplaced = true;
                    break;
                case "discriminator":
                    field.IsDiscriminator = true;
                    break;
                case "oneof":
                    field.OneOf = value;
                    break;
                case "gate":
                    field.Gate = value;
                    break;
                default:
                    throw new SyntaxException($"unknown attribute \"{token}\"");
            }
        }
        return field;
    }

    private static (string Key, string Value) KeyValue(string token)
    {
        var equals = token.IndexOf('=');
        return equals < 0 ? (token, "") : (token.Substring(0, equals), token.Substring(equals + 1));
    }

    private static string At(List<string> tokens, int index) =>
        index < tokens.Count ? tokens[index] : throw new SyntaxException($"a word is missing after \"{tokens[tokens.Count - 1]}\"");

    private static string Unquote(string token) => token.StartsWith("\"", StringComparison.Ordinal) ? token.Substring(1, token.Length - 2) : token;

    /// <summary>Words of a line, quoted ones with their quotes; what follows a word starting with "#" is the description.</summary>
    private static (List<string> Tokens, string Comment) Split(string line)
    {
        var tokens = new List<string>();
        var position = 0;
        while (true)
        {
            while (position < line.Length && char.IsWhiteSpace(line[position]))
                position++;
            if (position == line.Length)
                return (tokens, "");
            if (line[position] == '#')
                return (tokens, line.Substring(position + 1).Trim());
            var word = new StringBuilder();
            if (line[position] == '"')
            {
                do
                {
                    word.Append(line[position]);
                    if (line[position] == '\\' && position + 1 < line.Length)
                        word.Append(line[++position]);
                    position++;
                }
                while (position < line.Length && line[position] != '"');
                if (position == line.Length)
                    throw new SyntaxException("a quote is not closed");
                word.Append('"');
                position++;
            }
            else
            {
                while (position < line.Length && !char.IsWhiteSpace(line[position]) && line[position] != '"')
                    word.Append(line[position++]);
            }
            tokens.Add(word.ToString());
        }
    }
}
