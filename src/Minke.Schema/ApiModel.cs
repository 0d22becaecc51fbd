using System;
using System.Collections.Generic;
using System.Linq;

namespace Minke.Schema;

internal enum Shape { String, Bool, Int32, Int64, Double, Bytes, Any, Time, MicroTime, Duration, Quantity, IntOrString, Raw, Struct, List, Map, Box }

/// <summary>A type expression, resolved: aliases followed, enums and open texts turned into text.</summary>
internal sealed class ApiType
{
    public Shape Shape;
    public ApiType? Element;
    public Declaration? Struct;

    /// <summary>The enum, open text or native a scalar came from.</summary>
    public Declaration? Named;

    public bool IsCollection => Shape is Shape.List or Shape.Map or Shape.Bytes or Shape.Box;
    public bool IsNative => Shape is Shape.Time or Shape.MicroTime or Shape.Duration or Shape.Quantity or Shape.IntOrString or Shape.Raw or Shape.Any;

    public string CSharp => Shape switch
    {
        Shape.String => "string",
        Shape.Bool => "bool",
        Shape.Int32 => "int",
        Shape.Int64 => "long",
        Shape.Double => "double",
        Shape.Bytes => "byte[]",
        Shape.Time => "global::Minke.Api.Time",
        Shape.MicroTime => "global::Minke.Api.MicroTime",
        Shape.Duration => "global::Minke.Api.Duration",
        Shape.Quantity => "global::Minke.Api.Quantity",
        Shape.IntOrString => "global::Minke.Api.IntOrString",
        Shape.Raw or Shape.Any => "global::Minke.Api.RawJson",
        Shape.Struct => Struct!.CSharpName,
        Shape.List or Shape.Box => $"global::Minke.Api.ApiList<{Element!.CSharp}>",
        _ => $"global::Minke.Api.ApiMap<{Element!.CSharp}>",
    };

    /// <summary>As Go's JSON decoder names it in errors.</summary>
    public string Go => Shape switch
    {
        Shape.String => Named is null ? "string" : Named.GoType,
        Shape.Bool => "bool",
        Shape.Int32 => "int32",
        Shape.Int64 => "int64",
        Shape.Double => "float64",
        Shape.Bytes => "[]uint8",
        Shape.List or Shape.Box => "[]" + Element!.Go,
        Shape.Map => "map[string]" + Element!.Go,
        Shape.Struct => Struct!.GoType,
        _ => Shape.ToString().ToLowerInvariant(),
    };
}

internal sealed class ApiField
{
    public FieldDeclaration Declaration = null!;
    public ApiType Type = null!;
    public string Property = "";

    /// <summary>JSON text of the constant default, from the field's line or from defaults.tsv.</summary>
    public string? Default;
    public string JsonName => Declaration.JsonName;
    public bool IsNullable => Declaration.IsNullable;
    public bool IsKept => (Declaration.IsRequired || Declaration.IsKept) && !Declaration.IsOmitted;
}

/// <summary>A field in place, or an inlined struct: protobuf keeps the message JSON dissolves.</summary>
internal sealed class Member
{
    public int Number;
    public ApiField? Field;
    public List<Member>? Inline;
}

internal sealed class ApiRecord
{
    public Declaration Declaration = null!;
    public List<Member> Members = [];

    /// <summary>In JSON order, inlined structs flattened.</summary>
    public List<ApiField> Fields = [];
}

/// <summary>All files together: names resolved and checked.</summary>
internal sealed class ApiModel
{
    private static readonly HashSet<string> GlobalNatives = ["Time", "MicroTime", "Duration", "Quantity", "IntOrString", "RawExtension"];

    private readonly Dictionary<string, ApiFile> _byStem;
    private readonly Dictionary<string, string> _defaults;

    public readonly List<ApiFile> Files;
    public readonly List<ApiRecord> Records = [];
    public readonly List<Problem> Problems = [];

    private sealed class ModelException(string message) : Exception(message);

    public ApiModel(IEnumerable<ApiFile> files, Dictionary<string, string> constantDefaults)
    {
        Files = files.OrderBy(file => file.Stem, StringComparer.Ordinal).ToList();
        _byStem = Files.ToDictionary(file => file.Stem, StringComparer.Ordinal);
        _defaults = constantDefaults;
        foreach (var file in Files)
        {
            Problems.AddRange(file.Problems);
            foreach (var declaration in file.Declarations.Values.Where(declaration => declaration.IsRecord))
            {
                var record = new ApiRecord { Declaration = declaration };
                record.Members = Resolve(declaration, declaration, record.Fields, 0);
                Records.Add(record);
                CheckNames(record);
            }
        }
    }

    public Declaration? Find(ApiFile file, string name)
    {
        var dot = name.IndexOf('.');
        var home = dot >= 0 ? _byStem.TryGetValue(name.Substring(0, dot) + ".v1", out var other) ? other : null
            : GlobalNatives.Contains(name) ? _byStem["meta.v1"] : file;
        return home is not null && home.Declarations.TryGetValue(name.Substring(dot + 1), out var found) ? found : null;
    }

    private List<Member> Resolve(Declaration declaration, Declaration owner, List<ApiField> flat, int depth)
    {
        var members = new List<Member>();
        foreach (var field in declaration.Fields)
        {
            try
            {
                if (field.IsInline)
                {
                    var inlined = Find(declaration.File, field.Type) is { Word: "type" } found && depth < 4
                        ? found : throw new ModelException($"\"{field.Type}\": only a plain struct can be inlined");
                    members.Add(new Member { Number = field.Number, Inline = Resolve(inlined, owner, flat, depth + 1) });
                    continue;
                }
                var type = Type(declaration.File, field.Type.TrimEnd('?'));
                if (field.IsNullable && type.Shape is Shape.List or Shape.Map && field.IsNullable)
                    throw new ModelException("lists and maps have no \"?\"");
                var property = Names.Property(field.JsonName);
                var resolved = new ApiField
                {
                    Declaration = field,
                    Type = type,
                    Property = property == owner.Name ? property + "Value" : property,
                    Default = field.Default ?? (_defaults.TryGetValue($"{declaration.File.Stem}.{declaration.Name}.{field.JsonName}", out var value) ? value : null),
                };
                flat.Add(resolved);
                members.Add(new Member { Number = field.Number, Field = resolved });
            }
            catch (ModelException e)
            {
                Problems.Add(new Problem(declaration.File.Path, field.Line, e.Message));
            }
        }
        return members;
    }

    private ApiType Type(ApiFile file, string expression)
    {
        if (expression.StartsWith("[]", StringComparison.Ordinal))
            return new ApiType { Shape = Shape.List, Element = Type(file, expression.Substring(2)) };
        if (expression.StartsWith("map<", StringComparison.Ordinal) && expression.EndsWith(">", StringComparison.Ordinal))
        {
            var comma = expression.IndexOf(',');
            if (comma < 0)
                throw new ModelException($"\"{expression}\": map<KEY,VALUE> expected");
            var key = Type(file, expression.Substring(4, comma - 4));
            if (key.Shape != Shape.String)
                throw new ModelException($"\"{expression}\": a map's key is text");
            return new ApiType { Shape = Shape.Map, Element = Type(file, expression.Substring(comma + 1, expression.Length - comma - 2)) };
        }
        switch (expression)
        {
            case "string":
                return new ApiType { Shape = Shape.String };
            case "bool":
                return new ApiType { Shape = Shape.Bool };
            case "int32":
                return new ApiType { Shape = Shape.Int32 };
            case "int64":
                return new ApiType { Shape = Shape.Int64 };
            case "double":
                return new ApiType { Shape = Shape.Double };
            case "bytes":
                return new ApiType { Shape = Shape.Bytes };
            case "any":
                return new ApiType { Shape = Shape.Any };
        }
        var declaration = Find(file, expression) ?? throw new ModelException($"unknown type \"{expression}\"");
        return declaration.Word switch
        {
            "enum" or "string" => new ApiType { Shape = Shape.String, Named = declaration },
            "alias" => Type(declaration.File, declaration.Target),
            "box" => new ApiType { Shape = Shape.Box, Element = Type(declaration.File, declaration.Target).Element, Named = declaration },
            "native" => declaration.Name switch
            {
                "Time" => new ApiType { Shape = Shape.Time, Named = declaration },
                "MicroTime" => new ApiType { Shape = Shape.MicroTime, Named = declaration },
                "Duration" => new ApiType { Shape = Shape.Duration, Named = declaration },
                "Quantity" => new ApiType { Shape = Shape.Quantity, Named = declaration },
                "IntOrString" => new ApiType { Shape = Shape.IntOrString, Named = declaration },
                "RawExtension" or "FieldsV1" or "JSON" => new ApiType { Shape = Shape.Raw, Named = declaration },
                _ => new ApiType { Shape = Shape.Struct, Struct = declaration },
            },
            _ => new ApiType { Shape = Shape.Struct, Struct = declaration },
        };
    }

    private void CheckNames(ApiRecord record)
    {
        foreach (var twice in record.Fields.GroupBy(field => field.JsonName).Where(group => group.Count() > 1))
            Problems.Add(new Problem(record.Declaration.File.Path, twice.Last().Declaration.Line, $"field \"{twice.Key}\" is declared twice"));
        foreach (var twice in record.Declaration.Fields.Where(field => field.Number > 0).GroupBy(field => field.Number).Where(group => group.Count() > 1))
            Problems.Add(new Problem(record.Declaration.File.Path, twice.Last().Line, $"field number {twice.Key} is used twice"));
        foreach (var field in record.Fields)
        {
            foreach (var key in field.Declaration.MapKeys.Concat(field.Declaration.MergeKey.Length > 0 ? [field.Declaration.MergeKey] : Array.Empty<string>()))
            {
                var element = field.Type.Element?.Struct;
                if (element is null || !HasField(element, key))
                    Problems.Add(new Problem(record.Declaration.File.Path, field.Declaration.Line, $"\"{field.Declaration.Type}\" has no key \"{key}\""));
            }
        }
    }

    private bool HasField(Declaration declaration, string jsonName) => declaration.Fields.Any(field =>
        field.JsonName == jsonName || (field.IsInline && Find(declaration.File, field.Type) is { } inlined && HasField(inlined, jsonName)));
}
