using System.Text;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Server.Apply;

namespace Minke.Server.Tests.Apply;

/// <summary>One object and its managers, written and applied without a server around it.</summary>
internal sealed class ApplyState(TypeShape shape) : IVersions
{
    private readonly Dictionary<string, FieldSet> _ignored = new(StringComparer.Ordinal);

    private static TypeSchema Item { get; } = Struct("item",
        Field("name", SchemaType.String), Field("value", SchemaType.Int64),
        new() { JsonName = "set", Type = ListOf(SchemaType.String), ListType = ListType.Set });

    private static TypeSchema Port { get; } = Struct("port",
        new() { JsonName = "port", Type = new() { Type = SchemaType.Int32 } },
        new() { JsonName = "protocol", Type = new() { Type = SchemaType.String }, Default = "\"TCP\"" }, Field("name", SchemaType.String));

    /// <summary>A leaf of every kind, lists of every kind, nested maps and structs, and keys with a default.</summary>
    public static TypeShape Everything { get; } = new TypeShapes().OfKind(Struct("everything",
        Field("numeric", SchemaType.Int64), Field("string", SchemaType.String), Field("bool", SchemaType.Boolean), Field("any", SchemaType.Any),
        new() { JsonName = "set", Type = ListOf(SchemaType.String), ListType = ListType.Set },
        new() { JsonName = "atomicList", Type = ListOf(SchemaType.String) },
        new() { JsonName = "items", Type = ListOf(() => Item), ListType = ListType.Map, ListMapKeys = ["name"] },
        new() { JsonName = "ports", Type = ListOf(() => Port), ListType = ListType.Map, ListMapKeys = ["port", "protocol"] },
        new() { JsonName = "map", Type = new() { Type = SchemaType.Map, Element = new() { Type = SchemaType.String } } },
        new() { JsonName = "atomicMap", Type = new() { Type = SchemaType.Map, Element = new() { Type = SchemaType.String } }, ListType = ListType.Atomic },
        new() { JsonName = "mapOfMaps", Type = new() { Type = SchemaType.Map, Element = new() { Type = SchemaType.Map, Element = new() { Type = SchemaType.String } } } },
        new() { JsonName = "struct", Type = new() { Type = SchemaType.Struct, StructFactory = () => Item } },
        new() { JsonName = "atomicStruct", Type = new() { Type = SchemaType.Struct, StructFactory = () => Item }, ListType = ListType.Atomic }));

    public string Live { get; private set; } = "{}";
    public List<Manager> Managers { get; private set; } = [];

    public ApplyState Ignoring(string field)
    {
        _ignored["v1"] = FieldSet.OfPaths([field]);
        return this;
    }

    public ApplyState Update(string manager, string json)
    {
        using var old = Typed(Live);
        using var @new = Typed(json);
        OwnershipUpdate.Write(old, @new, Managers, Writer(manager, Manager.Update), this);
        Live = json;
        return this;
    }

    /// <summary>The conflicts, or empty.</summary>
    public string Apply(string manager, string json, bool force = false)
    {
        using var config = Typed(json);
        Assert.Null(TypedValidation.Check(config.Root, shape, allowDuplicates: false));
        using var live = Typed(Live);
        var managers = new List<Manager>(Managers);
        var (applied, conflicts) = OwnershipUpdate.Apply(live, config, managers, Writer(manager, Manager.Apply), force, this);
        if (conflicts is not null)
            return conflicts.Fields.ToString();
        Managers = managers;
        if (applied is not null)
            Live = Text(applied.Json);
        return "";
    }

    /// <summary>What a manager owns, a path a line, sorted as text.</summary>
    public string Owned(string manager) =>
        string.Join(' ', (Managers.SingleOrDefault(one => one.Name == manager)?.Fields.Paths() ?? []).Select(path => PathElement.ToText(path)));

    public void IsLive(string json)
    {
        using var expected = Typed(json);
        using var actual = Typed(Live);
        Assert.True(expected.Root.SameAs(actual.Root), $"expected {json}\n     got {Live}");
    }

    public TypedObject Typed(string json) => new(Encoding.UTF8.GetBytes(JsonNode.Parse(json)!.ToJsonString()), "v1", shape);

    public TypedObject? Convert(TypedObject value, string apiVersion) => apiVersion == "v1" ? value : null;

    public FieldSet Ignored(string apiVersion) => _ignored.GetValueOrDefault(apiVersion, FieldSet.Empty);

    public static string Text(ReadOnlyMemory<byte> json) => Encoding.UTF8.GetString(json.Span);

    private static Manager Writer(string name, string operation) => new() { Name = name, Operation = operation, ApiVersion = "v1" };

    private static TypeSchema Struct(string name, params FieldSchema[] fields) => new(name, name, "", false, "", "", fields);

    private static FieldSchema Field(string name, SchemaType type) => new() { JsonName = name, Type = new() { Type = type } };

    private static TypeRef ListOf(SchemaType type) => new() { Type = SchemaType.List, Element = new() { Type = type } };

    private static TypeRef ListOf(Func<TypeSchema> schema) =>
        new() { Type = SchemaType.List, Element = new() { Type = SchemaType.Struct, StructFactory = schema } };
}
