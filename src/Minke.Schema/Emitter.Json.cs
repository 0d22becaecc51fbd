using System.Linq;

namespace Minke.Schema;

/// <summary>JSON: Kubernetes' omit and keep rules, and one pass that reports every unknown and duplicate field.</summary>
internal sealed partial class Emitter
{
    private static void WriteJson(CodeText code, ApiRecord record)
    {
        var declaration = record.Declaration;
        code.Open("public void WriteJson(Utf8JsonWriter w)");
        code.Line("w.WriteStartObject();");
        if (declaration.HasTypeMeta)
        {
            code.Line("w.WriteString(\"kind\"u8, Kind);");
            code.Line("w.WriteString(\"apiVersion\"u8, ApiVersion);");
        }
        code.Line("WriteJsonMembers(w);");
        code.Line("w.WriteEndObject();");
        code.Close();
        code.Open("public void WriteJsonMembers(Utf8JsonWriter w)");
        foreach (var field in record.Fields)
            WriteField(code, field);
        code.Close();
    }

    private static void WriteField(CodeText code, ApiField field)
    {
        var name = $"w.WritePropertyName({CodeText.Literal(field.JsonName)}u8);";
        var condition = field.IsNullable ? $"{field.Property} is {{ }} {Local(field)}" : field.IsKept ? "" : field.Type.Shape switch
        {
            Shape.String => $"{field.Property}.Length != 0",
            Shape.Bool => field.Property,
            Shape.Int32 or Shape.Int64 or Shape.Double => $"{field.Property} != 0",
            Shape.List or Shape.Map or Shape.Box => $"!{field.Property}.IsEmpty",
            Shape.Bytes => $"{field.Property} is {{ Length: > 0 }}",
            _ => "",
        };
        var value = field.IsNullable ? Local(field) : field.Property;
        var write = field.Type.Shape == Shape.Bytes && field.IsKept
            ? $"if ({value} is null) w.WriteNullValue(); else w.WriteBase64StringValue({value});"
            : WriteValue(field.Type, value) + ";";
        if (condition.Length == 0)
        {
            code.Line($"{name} {write}");
            return;
        }
        code.Line($"if ({condition}) {{ {name} {write} }}");
        if (field.IsNullable && field.IsKept)
            code.Line($"else w.WriteNull({CodeText.Literal(field.JsonName)}u8);");
    }

    private static string Local(ApiField field) => "v" + field.Property;

    private static string WriteValue(ApiType type, string value) => type.Shape switch
    {
        Shape.String => $"w.WriteStringValue({value})",
        Shape.Bool => $"w.WriteBooleanValue({value})",
        Shape.Int32 or Shape.Int64 => $"w.WriteNumberValue({value})",
        Shape.Double => $"Json.WriteDouble(w, {value})",
        Shape.Bytes => $"w.WriteBase64StringValue({value})",
        Shape.Duration or Shape.Quantity => $"w.WriteStringValue({value}.ToString())",
        Shape.IntOrString => $"Json.WriteIntOrString(w, {value})",
        Shape.List or Shape.Box when type.Element!.Shape == Shape.String => $"Json.WriteStrings(w, {value})",
        Shape.List or Shape.Box => $"Json.WriteList(w, {value}, static (w, x) => {WriteValue(type.Element!, "x")})",
        Shape.Map => $"Json.WriteMap(w, {value}, static (w, x) => {WriteValue(type.Element!, "x")})",
        _ => $"{value}.WriteJson(w)",
    };

    private static void ReadJson(CodeText code, ApiRecord record)
    {
        var declaration = record.Declaration;
        var empty = declaration.Word == "kind" ? "new()" : "Empty";
        code.Open($"public static {declaration.Name} ReadJson(ref Utf8JsonReader r, JsonReadContext c)");
        code.Line($"if (!c.BeginObject(ref r, {CodeText.Literal(declaration.Name)}, {CodeText.Literal(declaration.GoType)})) return {empty};");
        DeclareLocals(code, record);
        var names = record.Fields.Select((field, index) => (Name: field.JsonName, Index: index, Field: (ApiField?)field)).ToList();
        if (declaration.HasTypeMeta)
        {
            names.Add(("kind", names.Count, null));
            names.Add(("apiVersion", names.Count, null));
        }
        for (var word = 0; word <= names.Count / 64; word++)
            code.Line($"ulong seen{word} = 0;");
        code.Open("while (c.NextProperty(ref r, out var name))");
        if (names.Count > 0)
        {
            code.Open("switch (name.Length)");
            foreach (var group in names.GroupBy(entry => System.Text.Encoding.UTF8.GetByteCount(entry.Name)).OrderBy(group => group.Key))
            {
                code.Line($"case {group.Key}:");
                foreach (var (name, index, field) in group)
                {
                    var assignment = field is null ? "c.ReadString(ref r)" : $"f{index} = {ReadValue(field.Type)}";
                    code.Line($"    if (name.SequenceEqual({CodeText.Literal(name)}u8)) {{ if (c.Enter(ref r, ref seen{index / 64}, {index % 64}, {CodeText.Literal(name)})) {{ {assignment}; c.Leave(); }} continue; }}");
                }
                code.Line("    break;");
            }
            code.Close();
        }
        code.Line("c.Unknown(ref r, name);");
        code.Close();
        Construct(code, record);
        code.Close();
    }

    private static void DeclareLocals(CodeText code, ApiRecord record)
    {
        for (var i = 0; i < record.Fields.Count; i++)
        {
            var field = record.Fields[i];
            var initial = field.IsNullable || field.Type.Shape == Shape.Bytes ? "null" : field.Type.Shape switch
            {
                Shape.String => "\"\"",
                Shape.Struct => field.Type.CSharp + ".Empty",
                _ => "default",
            };
            code.Line($"{PropertyType(field)} f{i} = {initial};");
        }
    }

    private static void Construct(CodeText code, ApiRecord record) =>
        code.Line($"return new() {{ {string.Join(", ", record.Fields.Select((field, index) => $"{field.Property} = f{index}"))} }};");

    private static string ReadValue(ApiType type) => type.Shape switch
    {
        Shape.String => "c.ReadString(ref r)",
        Shape.Bool => "c.ReadBool(ref r)",
        Shape.Int32 => "c.ReadInt32(ref r)",
        Shape.Int64 => "c.ReadInt64(ref r)",
        Shape.Double => "c.ReadDouble(ref r)",
        Shape.Bytes => "c.ReadBytes(ref r)",
        Shape.Any or Shape.Raw => "c.ReadRawJson(ref r)",
        Shape.Struct => $"{type.CSharp}.ReadJson(ref r, c)",
        Shape.List or Shape.Box => $"c.ReadList<{type.Element!.CSharp}>(ref r, {CodeText.Literal(type.Go)}, {Reader(type.Element!)})",
        Shape.Map => $"c.ReadMap<{type.Element!.CSharp}>(ref r, {CodeText.Literal(type.Go)}, {Reader(type.Element!)})",
        _ => $"c.Read{type.Shape}(ref r)",
    };

    private static string Reader(ApiType type) => type.Shape == Shape.Struct
        ? $"{type.CSharp}.ReadJson"
        : $"static (ref Utf8JsonReader r, JsonReadContext c) => {ReadValue(type)}";

    private static void FromQuery(CodeText code, ApiRecord record)
    {
        code.Line("/// <exception cref=\"global::System.FormatException\">A parameter does not convert; the text is Go's.</exception>");
        code.Line($"public static {record.Declaration.Name} FromQuery(QueryReader q) => new() {{ {string.Join(", ", record.Fields.Select(field => $"{field.Property} = {FromQuery(field)}"))} }};");
    }

    private static string FromQuery(ApiField field)
    {
        var name = CodeText.Literal(field.JsonName);
        return field.Type.Shape switch
        {
            Shape.Bool => field.IsNullable ? $"q.NullableBool({name})" : $"q.Bool({name})",
            Shape.Int64 => field.IsNullable ? $"q.NullableInt64({name})" : $"q.Int64({name})",
            Shape.Int32 => $"q.Int32({name})",
            Shape.Time => $"q.NullableTime({name})",
            Shape.List when field.Type.Element!.Shape == Shape.String => $"q.Strings({name})",
            Shape.List => $"q.Int32s({name})",
            _ => $"q.String({name})",
        };
    }
}
