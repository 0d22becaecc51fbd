using System;
using System.Collections.Generic;
using System.Linq;

namespace Minke.Schema;

/// <summary>One <c>GROUP.VERSION.api</c> file, parsed. The grammar is in <c>api/README.md</c>.</summary>
internal sealed class ApiFile
{
    public string Path = "";

    /// <summary>File name without ending, e.g. <c>core.v1</c>.</summary>
    public string Stem = "";

    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string Group = "";
    public string Package = "";
    public readonly Dictionary<string, Declaration> Declarations = new(StringComparer.Ordinal);
    public readonly List<Problem> Problems = [];

    /// <summary>Name other files refer to it by: the stem's first part, which always means its <c>v1</c>.</summary>
    public string Alias => Stem.Split('.')[0];
    public string Namespace => "Minke.Api." + string.Join(".", Stem.Split('.').Select(Names.Capitalise));
}

internal sealed class Declaration
{
    public ApiFile File = null!;
    public string Word = "";
    public string Name = "";
    public int Line;
    public string Description = "";
    public string Plural = "";
    public bool IsNamespaced;
    public string ApiVersion = "";
    public string Package = "";
    public bool IsAtomic;
    public bool IsUnion;
    public string[] ShortNames = [];
    public string[] Categories = [];
    public string[] Verbs = [];
    public readonly List<FieldDeclaration> Fields = [];
    public readonly List<SubresourceDeclaration> Subresources = [];
    public readonly List<string> Select = [];
    public readonly List<string> Values = [];

    /// <summary>Type expression of an alias or box.</summary>
    public string Target = "";
    public bool HasTypeMeta => Word is "kind" or "object";
    public bool IsRecord => Word is "kind" or "object" or "type" or "options";
    public string CSharpName => "global::" + File.Namespace + "." + Name;
    public string GoPackage => Package.Length > 0 ? Package : File.Package;
    public string GoType => GoPackage.Split('/').Last() + "." + Name;

    public string DefinitionName
    {
        get
        {
            var parts = GoPackage.Split('/');
            return string.Join(".", Enumerable.Reverse(parts[0].Split('.')).Concat(parts.Skip(1))) + "." + Name;
        }
    }
}

internal sealed class SubresourceDeclaration
{
    public string Name = "";
    public string[] Verbs = [];
    public bool IsConnect;
    public string Kind = "";
    public string Options = "";
    public string Gate = "";
    public int Line;
}

internal sealed class FieldDeclaration
{
    /// <summary>Protobuf number; 0 when the field is not in protobuf.</summary>
    public int Number;
    public string JsonName = "";
    public string Type = "";
    public int Line;
    public string Description = "";
    public bool IsRequired, IsKept, IsOmitted, IsAtomic, IsSet, IsGranular, IsMerged, RetainsKeys, IsReplaced, IsDiscriminator;
    public string[] MapKeys = [];
    public string MergeKey = "";
    public string OneOf = "";
    public string Gate = "";

    /// <summary>JSON text of the constant default, or null.</summary>
    public string? Default;
    public bool IsInline => JsonName == "(inline)";
    public bool IsNullable => Type.EndsWith("?", StringComparison.Ordinal);
}

/// <summary>Something wrong in an <c>.api</c> file, for a compiler diagnostic at its line.</summary>
internal sealed class Problem(string path, int line, string message)
{
    public string Path { get; } = path;

    /// <summary>From 1.</summary>
    public int Line { get; } = line;
    public string Message { get; } = message;
}

internal static class Names
{
    public static string Capitalise(string word) => word.Length == 0 ? word : char.ToUpperInvariant(word[0]) + word.Substring(1);

    /// <summary>JSON name to C# name: punctuation dropped, words capitalised.</summary>
    public static string Property(string jsonName) =>
        string.Concat(jsonName.Split(['-', '_', '.', '/', '$', '*', ' '], StringSplitOptions.RemoveEmptyEntries).Select(Capitalise));
}
