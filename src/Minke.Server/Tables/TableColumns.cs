using Minke.Api;

namespace Minke.Server.Tables;

/// <param name="Cell">Text, number, flag or null, of an object at a moment.</param>
internal sealed record TableColumn(string Name, string Type, string Format, int Priority, Func<IKubeObject, DateTimeOffset, object?> Cell)
{
    public string Description { get; init; } = "";
}

/// <summary>The columns of every kind, as <c>api/columns.tsv</c> lists them.</summary>
internal static partial class TableColumns
{
    private static readonly TableColumn[] Default =
    [
        Name,
        new("Created At", "date", "", 0, static (value, _) => value.Metadata.CreationTimestamp.IsZero ? null : value.Metadata.CreationTimestamp.ToString()),
    ];

    public static IReadOnlyList<TableColumn> For(KindInfo kind) => ByKind.GetValueOrDefault(kind) ?? OfWorkloads.GetValueOrDefault(kind) ?? OfClusters.GetValueOrDefault(kind) ?? Default;

    public static TableColumn Name => new("Name", "string", "name", 0, static (value, _) => value.Metadata.Name)
    {
        Description = "Name must be unique within a namespace. Is required when creating resources.",
    };

    public const string AgeDescription = "CreationTimestamp is a timestamp representing the server time when this object was created.";

    private static TableColumn Age => new("Age", "string", "", 0, static (value, now) => Ages.Since(value.Metadata.CreationTimestamp, now))
    {
        Description = AgeDescription,
    };

    private static TableColumn Text<T>(string name, Func<T, object?> cell, int priority = 0) where T : class, IKubeObject =>
        new(name, "string", "", priority, (value, _) => cell((T)value));

    private static TableColumn TextAt<T>(string name, Func<T, DateTimeOffset, object?> cell, int priority = 0) where T : class, IKubeObject =>
        new(name, "string", "", priority, (value, now) => cell((T)value, now));

    private static TableColumn Number<T>(string name, Func<T, object?> cell, int priority = 0) where T : class, IKubeObject =>
        new(name, "integer", "", priority, (value, _) => cell((T)value));

    private static TableColumn Flag<T>(string name, Func<T, object?> cell, int priority = 0) where T : class, IKubeObject =>
        new(name, "boolean", "", priority, (value, _) => cell((T)value));
}
