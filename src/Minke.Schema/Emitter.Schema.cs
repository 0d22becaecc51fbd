using System.Collections.Generic;
using System.Linq;

namespace Minke.Schema;

/// <summary>Constant defaults and the schema tables.</summary>
internal sealed partial class Emitter
{
    /// <summary>Types with a constant default of their own or below.</summary>
    private void FindTypesWithDefaults()
    {
        bool grew;
        do
        {
            grew = false;
            foreach (var record in _model.Records.Where(record => record.Declaration.Word != "options"))
            {
                if (!_withDefaults.Contains(record.Declaration)
                    && record.Fields.Any(field => field.Default is not null || HasDefaults(field.Type)))
                    grew |= _withDefaults.Add(record.Declaration);
            }
        }
        while (grew);
    }

    private bool HasDefaults(ApiType type) =>
        type.Shape == Shape.Struct ? _withDefaults.Contains(type.Struct!) : type.Element is not null && HasDefaults(type.Element);

    private void Defaults(CodeText code, ApiRecord record)
    {
        if (record.Declaration.Word == "options")
            return;
        code.Line("/// <summary>Absent fields filled in with the constants of <c>api/</c>, here and below; this instance when none was absent.</summary>");
        if (!_withDefaults.Contains(record.Declaration))
        {
            code.Line($"public {record.Declaration.Name} WithConstantDefaults() => this;");
            return;
        }
        code.Open($"public {record.Declaration.Name} WithConstantDefaults()");
        var locals = new List<string>();
        var tests = new List<string>();
        foreach (var field in record.Fields.Where(field => field.Default is not null || HasDefaults(field.Type)))
        {
            var local = "d" + field.Property;
            var value = field.Property;
            if (field.Default is not null)
            {
                var literal = field.Default == "{}" ? "new()" : field.Default;
                value = field.IsNullable ? $"({value} ?? {literal})"
                    : field.Type.Shape == Shape.String ? $"({value}.Length == 0 ? {literal} : {value})"
                    : field.Type.Shape is Shape.Struct ? value
                    : $"({value} == default ? {literal} : {value})";
            }
            if (HasDefaults(field.Type))
            {
                value = field.Type.Shape == Shape.Struct
                    ? $"{value}{(field.IsNullable && field.Default is null ? "?" : "")}.WithConstantDefaults()"
                    : $"{value}.Map(static x => x.WithConstantDefaults())";
            }
            code.Line($"var {local} = {value};");
            locals.Add($"{field.Property} = {local}");
            tests.Add(field.Type.Shape switch
            {
                Shape.Struct => $"ReferenceEquals({local}, {field.Property})",
                Shape.List or Shape.Map => $"{local}.IsSameInstance({field.Property})",
                _ => $"{local} == {field.Property}",
            });
        }
        code.Line($"return {string.Join(" && ", tests)} ? this : this with {{ {string.Join(", ", locals)} }};");
        code.Close();
    }

    private void Schema(CodeText code, ApiRecord record)
    {
        var declaration = record.Declaration;
        var apiVersion = !declaration.HasTypeMeta ? "" : declaration.ApiVersion.Length > 0 ? declaration.ApiVersion : declaration.File.Group;
        code.Line("public static TypeSchema TypeSchema => SchemaTable.Value;");
        code.Open("private static class SchemaTable");
        code.Line($"internal static readonly TypeSchema Value = new({CodeText.Literal(declaration.DefinitionName)}, {CodeText.Literal(declaration.Name)}, "
            + $"{CodeText.Literal(declaration.Description)}, {(declaration.IsAtomic ? "true" : "false")}, {CodeText.Literal(apiVersion)}, "
            + $"{CodeText.Literal(declaration.HasTypeMeta ? declaration.Name : "")},");
        code.Line("[");
        foreach (var field in record.Fields)
            code.Line($"    new FieldSchema {{ {FieldAttributes(field)} }},");
        code.Line("]);");
        code.Close();
    }

    private string FieldAttributes(ApiField field)
    {
        var declaration = field.Declaration;
        var listType = declaration.IsAtomic ? "Atomic" : declaration.IsSet ? "Set" : declaration.MapKeys.Length > 0 ? "Map" : declaration.IsGranular ? "Granular" : "";
        // A patch key says how to merge under server-side apply as well, unless the line says otherwise.
        var mapKeys = listType == "Map" ? declaration.MapKeys
            : listType.Length == 0 && declaration.MergeKey.Length > 0 ? [declaration.MergeKey] : [];
        if (listType.Length == 0 && declaration.IsMerged)
            listType = declaration.MergeKey.Length > 0 ? "Map" : "Set";
        var attributes = new List<string>
        {
            $"JsonName = {CodeText.Literal(field.JsonName)}",
            $"Type = {TypeRef(field.Type)}",
        };
        void Add(bool condition, string attribute)
        {
            if (condition)
                attributes.Add(attribute);
        }
        Add(field.IsNullable, "IsNullable = true");
        Add(declaration.IsRequired, "IsRequired = true");
        Add(field.IsKept, "IsKept = true");
        Add(listType.Length > 0, $"ListType = ListType.{listType}");
        Add(mapKeys.Length > 0, $"ListMapKeys = {Texts(mapKeys)}");
        Add(declaration.IsMerged, "IsMerged = true");
        Add(declaration.MergeKey.Length > 0, $"MergeKey = {CodeText.Literal(declaration.MergeKey)}");
        Add(declaration.RetainsKeys, "RetainsKeys = true");
        Add(declaration.IsReplaced, "IsReplaced = true");
        Add(declaration.IsDiscriminator, "IsDiscriminator = true");
        Add(declaration.OneOf.Length > 0, $"OneOf = {CodeText.Literal(declaration.OneOf)}");
        Add(declaration.Gate.Length > 0, $"Gate = {CodeText.Literal(declaration.Gate)}");
        Add(declaration.Default is not null, $"Default = {CodeText.Literal(declaration.Default ?? "")}");
        Add(declaration.Description.Length > 0, $"Description = {CodeText.Literal(declaration.Description)}");
        return string.Join(", ", attributes);
    }

    private static string TypeRef(ApiType type)
    {
        var attributes = new List<string>
        {
            "Type = SchemaType." + type.Shape switch { Shape.Bool => "Boolean", Shape.Box => "List", var shape => shape.ToString() },
        };
        if (type.Element is not null)
            attributes.Add($"Element = {TypeRef(type.Element)}");
        if (type.Struct is not null)
            attributes.Add($"StructFactory = static () => {type.CSharp}.TypeSchema");
        if (type.Named is { Word: "enum" })
            attributes.Add($"EnumValues = {Texts(type.Named.Values.OrderBy(value => value, System.StringComparer.Ordinal))}");
        if ((type.Named is { Word: "native" } ? type.Named : type.Struct) is { } named)
            attributes.Add($"DefinitionName = {CodeText.Literal(named.DefinitionName)}");
        return $"new TypeRef {{ {string.Join(", ", attributes)} }}";
    }
}
