using System.Globalization;
using System.Text;
using Minke.Api;

namespace Minke.Server.Apply;

/// <summary>Whether a document fits a type, in upstream's words.</summary>
internal static class TypedValidation
{
    /// <summary>Null when it fits; else all that is wrong: one problem on a line, or several under a heading.</summary>
    public static string? Check(Value value, TypeShape shape, bool allowDuplicates)
    {
        var problems = new List<string>();
        Walk(value, shape, "", allowDuplicates, problems);
        return problems.Count switch
        {
            0 => null,
            1 => problems[0],
            _ => "errors:\n" + string.Join('\n', problems.Select(problem => "  " + problem)),
        };
    }

    private static void Walk(Value value, TypeShape shape, string path, bool allowDuplicates, List<string> problems)
    {
        switch (shape.FormOf(value))
        {
            case ShapeForm.Map:
                if (value.IsObject)
                    WalkMembers(value, shape.Map!, path, allowDuplicates, problems);
                else if (!value.IsNull)
                    Add(problems, path, $"expected map, got &{{{GoText(value)}}}");
                break;
            case ShapeForm.List:
                if (value.IsArray)
                    WalkItems(value, shape.List!, path, allowDuplicates, problems);
                else if (!value.IsNull)
                    Add(problems, path, $"expected list, got &{{{GoText(value)}}}");
                break;
            default:
                if (ScalarProblem(value, shape.Scalar) is { } problem)
                    Add(problems, path, problem);
                break;
        }
    }

    private static void WalkMembers(Value value, MapShape map, string path, bool allowDuplicates, List<string> problems)
    {
        var cursor = 0;
        foreach (var member in value)
        {
            var below = path + "." + member.Name;
            var shape = map.Fields.Find(member.RawName, ref cursor)?.Shape ?? map.Element;
            if (shape is null)
            {
                Add(problems, below, "field not declared in schema");
                return;
            }
            Walk(member, shape, below, allowDuplicates, problems);
        }
    }

    private static void WalkItems(Value value, ListShape list, string path, bool allowDuplicates, List<string> problems)
    {
        var seen = new HashSet<PathElement>();
        var index = 0;
        foreach (var item in value)
        {
            var element = PathElement.Index(index);
            if (list.IsAssociative)
            {
                if (ListItems.ElementOf(list, item, out var problem) is not { } known)
                {
                    Add(problems, path, string.Create(CultureInfo.InvariantCulture, $"element {index}: {problem}"));
                    return;
                }
                element = known;
                if (!seen.Add(element) && !allowDuplicates)
                    Add(problems, path, $"duplicate entries for key {element}");
            }
            Walk(item, list.Element, path + element, allowDuplicates, problems);
            index++;
        }
    }

    private static string? ScalarProblem(Value value, ScalarShape scalar) => value.IsNull ? null : scalar switch
    {
        ScalarShape.Number when !value.IsNumber => $"expected numeric (int or float), got {GoType(value)}",
        ScalarShape.Text when !value.IsString => $"expected string, got &value.valueUnstructured{{Value:{GoSyntax(value)}}}",
        ScalarShape.Boolean when !value.IsBool => $"expected boolean, got &{{{GoText(value)}}}",
        _ => null,
    };

    private static void Add(List<string> problems, string path, string problem) => problems.Add(path.Length == 0 ? problem : $"{path}: {problem}");

    private static string GoType(Value value) => value.IsString ? "string" : value.IsBool ? "bool"
        : value.IsArray ? "[]interface {}" : value.IsObject ? "map[string]interface {}" : "<nil>";

    /// <summary>Go's <c>%v</c>: <c>map[a:1 b:[x y]]</c>.</summary>
    private static string GoText(Value value)
    {
        if (value.IsString)
            return value.Text;
        if (value.IsNull)
            return "<nil>";
        if (value.IsArray)
            return "[" + string.Join(' ', Items(value).Select(GoText)) + "]";
        return value.IsObject
            ? "map[" + string.Join(' ', Items(value).OrderBy(member => member.Name, StringComparer.Ordinal).Select(member => $"{member.Name}:{GoText(member)}")) + "]"
            : Encoding.UTF8.GetString(value.Raw);
    }

    /// <summary>Go's <c>%#v</c>: <c>map[string]interface {}{"a":1}</c>.</summary>
    private static string GoSyntax(Value value)
    {
        if (value.IsString)
            return FieldErrors.Quote(value.Text);
        if (value.IsNull)
            return "interface {}(nil)";
        if (value.IsArray)
            return "[]interface {}{" + string.Join(", ", Items(value).Select(GoSyntax)) + "}";
        return value.IsObject
            ? "map[string]interface {}{" + string.Join(", ", Items(value).OrderBy(member => member.Name, StringComparer.Ordinal)
                .Select(member => $"{FieldErrors.Quote(member.Name)}:{GoSyntax(member)}")) + "}"
            : Encoding.UTF8.GetString(value.Raw);
    }

    private static List<Value> Items(Value value)
    {
        var items = new List<Value>(value.Count);
        foreach (var item in value)
            items.Add(item);
        return items;
    }
}
