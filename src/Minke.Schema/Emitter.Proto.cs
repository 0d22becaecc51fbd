using System.Collections.Generic;
using System.Linq;

namespace Minke.Schema;

/// <summary>Protobuf, written from the end to the beginning: descending field numbers here come out ascending.</summary>
internal sealed partial class Emitter
{
    private static void Proto(CodeText code, ApiRecord record)
    {
        code.Open("public void WriteProto(ProtoWriter w)");
        WriteMembers(code, record.Members, 0);
        code.Close();

        code.Open($"public static {record.Declaration.Name} ReadProto(global::System.ReadOnlySpan<byte> message)");
        DeclareLocals(code, record);
        for (var i = 0; i < record.Fields.Count; i++)
        {
            var type = record.Fields[i].Type;
            if (type.Shape == Shape.List)
                code.Line($"global::System.Collections.Generic.List<{type.Element!.CSharp}>? l{i} = null;");
            if (type.Shape == Shape.Map)
                code.Line($"global::System.Collections.Generic.List<global::System.Collections.Generic.KeyValuePair<string, {type.Element!.CSharp}>>? l{i} = null;");
        }
        ReadMembers(code, record, record.Members, "message", 0);
        for (var i = 0; i < record.Fields.Count; i++)
        {
            if (record.Fields[i].Type.Shape == Shape.List)
                code.Line($"if (l{i} is not null) f{i} = l{i};");
            if (record.Fields[i].Type.Shape == Shape.Map)
                code.Line($"if (l{i} is not null) f{i} = ApiMap.From(l{i});");
        }
        Construct(code, record);
        code.Close();
    }

    private static void WriteMembers(CodeText code, List<Member> members, int depth)
    {
        foreach (var member in members.Where(member => member.Number > 0).OrderByDescending(member => member.Number))
        {
            if (member.Inline is not null)
            {
                code.Open("");
                code.Line($"var m{depth} = w.Length;");
                WriteMembers(code, member.Inline, depth + 1);
                code.Line($"w.EndMessage({member.Number}, m{depth});");
                code.Close();
                continue;
            }
            var field = member.Field!;
            if (field.IsNullable || field.Type.Shape == Shape.Bytes)
                code.Line($"if ({field.Property} is {{ }} {Local(field)}) {{ {WriteProtoValue(field.Type, member.Number, Local(field))} }}");
            else
                code.Line(WriteProtoValue(field.Type, member.Number, field.Property));
        }
    }

    private static string WriteProtoValue(ApiType type, int number, string value) => type.Shape switch
    {
        Shape.String => $"w.String({number}, {value});",
        Shape.Bool => $"w.Bool({number}, {value});",
        Shape.Int32 or Shape.Int64 => $"w.Int({number}, {value});",
        Shape.Double => $"w.Double({number}, {value});",
        Shape.Bytes => $"w.Bytes({number}, {value});",
        Shape.Struct => $"{{ var m = w.Length; {value}.WriteProto(w); w.EndMessage({number}, m); }}",
        Shape.List => $"for (var i = {value}.Count - 1; i >= 0; i--) {{ var x = {value}[i]; {WriteProtoValue(type.Element!, number, "x")} }}",
        Shape.Box => $"if (!{value}.IsNull) {{ var b = w.Length; for (var i = {value}.Count - 1; i >= 0; i--) {{ var x = {value}[i]; {WriteProtoValue(type.Element!, 1, "x")} }} w.EndMessage({number}, b); }}",
        Shape.Map => $"foreach (var e in global::System.Linq.Enumerable.Reverse({value})) {{ var n = w.Length; {WriteProtoValue(type.Element!, 2, "e.Value")} w.String(1, e.Key); w.EndMessage({number}, n); }}",
        _ => $"ProtoNatives.Write(w, {number}, {value});",
    };

    private static void ReadMembers(CodeText code, ApiRecord record, List<Member> members, string message, int depth)
    {
        code.Line($"var r{depth} = new ProtoReader({message});");
        code.Open($"while (r{depth}.Next(out var n{depth}))");
        code.Open($"switch (n{depth})");
        foreach (var member in members.Where(member => member.Number > 0).OrderBy(member => member.Number))
        {
            if (member.Inline is not null)
            {
                code.Open($"case {member.Number}:");
                ReadMembers(code, record, member.Inline, $"r{depth}.Bytes()", depth + 1);
                code.Line("break;");
                code.Close();
                continue;
            }
            var index = record.Fields.IndexOf(member.Field!);
            code.Line($"case {member.Number}: {ReadProtoField(member.Field!.Type, index, $"r{depth}")} break;");
        }
        code.Line($"default: r{depth}.Skip(); break;");
        code.Close();
        code.Close();
    }

    private static string ReadProtoField(ApiType type, int index, string reader)
    {
        switch (type.Shape)
        {
            case Shape.List when type.Element!.Shape is Shape.Int32 or Shape.Int64:
                return $"{reader}.Ints(l{index} ??= [], static x => ({type.Element.CSharp})x);";
            case Shape.List:
                return $"(l{index} ??= []).Add({ReadProtoValue(type.Element!, reader)});";
            case Shape.Map:
                return $"{{ var e = new ProtoReader({reader}.Bytes()); var k = \"\"; {type.Element!.CSharp} v = {Zero(type.Element!)}; "
                    + $"while (e.Next(out var en)) {{ if (en == 1) k = e.String(); else if (en == 2) v = {ReadProtoValue(type.Element!, "e")}; else e.Skip(); }} "
                    + $"(l{index} ??= []).Add(new(k, v)); }}";
            default:
                return $"f{index} = {ReadProtoValue(type, reader)};";
        }
    }

    private static string Zero(ApiType type) => type.Shape switch
    {
        Shape.String => "\"\"",
        Shape.Bytes => "[]",
        Shape.Struct => type.CSharp + ".Empty",
        _ => "default",
    };

    private static string ReadProtoValue(ApiType type, string reader) => type.Shape switch
    {
        Shape.String => $"{reader}.String()",
        Shape.Bool => $"{reader}.Bool()",
        Shape.Int32 => $"(int){reader}.Int()",
        Shape.Int64 => $"{reader}.Int()",
        Shape.Double => $"{reader}.Double()",
        Shape.Bytes => $"{reader}.Bytes().ToArray()",
        Shape.Struct => $"{type.CSharp}.ReadProto({reader}.Bytes())",
        Shape.Box => $"ProtoNatives.ReadBox({reader}.Bytes())",
        Shape.Any or Shape.Raw => $"ProtoNatives.ReadRawJson({reader}.Bytes())",
        _ => $"ProtoNatives.Read{type.Shape}({reader}.Bytes())",
    };
}
