namespace Minke.Server.OpenApi;

/// <summary>One method of one path, before it is written in one version of OpenAPI or the other.</summary>
internal sealed record Operation
{
    /// <summary>Lower case: <c>get</c>.</summary>
    public required string Method { get; init; }

    /// <summary>Upstream's name for what is done; empty where no resource is concerned.</summary>
    public string Action { get; init; } = "";
    public required string Id { get; init; }
    public required string Tag { get; init; }
    public required string Description { get; init; }
    public IReadOnlyList<Parameter> Parameters { get; init; } = [];

    /// <summary>Definition of the body; empty for none.</summary>
    public string Body { get; init; } = "";
    public bool IsBodyRequired { get; init; }
    public IReadOnlyList<string> Consumes { get; init; } = ["*/*"];

    /// <summary>Definition of every answer; empty for text.</summary>
    public string Result { get; init; } = "";
    public IReadOnlyList<int> Codes { get; init; } = [200];
    public IReadOnlyList<string> Produces { get; init; } = ["application/json"];
    public (string Group, string Version, string Kind)? Kind { get; init; }
}

/// <param name="Name">As in the path or the query.</param>
/// <param name="Type">JSON's word.</param>
/// <param name="Description">One sentence.</param>
/// <param name="IsInPath">Else in the query.</param>
/// <param name="IsRequired">Paths always are.</param>
internal sealed record Parameter(string Name, string Type, string Description, bool IsInPath = false, bool IsRequired = false)
{
    public static readonly Parameter ObjectName = new("name", "string", "Of the object.", IsInPath: true, IsRequired: true);

    public static readonly Parameter Pretty = new("pretty", "string",
        "Indents the answer unless 'false'. On by default for curl, wget and browsers.");

    public static readonly Parameter Namespace = new("namespace", "string", "Whose objects are meant.", IsInPath: true, IsRequired: true);

    public static readonly Parameter Rest = new("path", "string", "What is asked of the target of the proxy.", IsInPath: true, IsRequired: true);

    private static readonly Parameter Continue = new("continue", "string",
        "Where to go on: the token of the page before. All other parameters stay as they were. A token whose revision is gone answers 410.");

    private static readonly Parameter DryRun = new("dryRun", "string", "'All' does everything but store the result.");

    private static readonly Parameter FieldSelector = new("fieldSelector", "string", "Only objects whose fields match, as in metadata.name=web.");

    private static readonly Parameter LabelSelector = new("labelSelector", "string", "Keeps the list of returned objects to those whose labels match, as in app=web,tier!=db.");

    private static readonly Parameter Limit = new("limit", "integer", "How many objects a page may hold. The answer's metadata.continue leads to the next one.");

    private static readonly Parameter ResourceVersion = new("resourceVersion", "string", "The revision to answer from, as resourceVersionMatch says; a watch begins behind it.");

    private static readonly Parameter ResourceVersionMatch = new("resourceVersionMatch", "string", "NotOlderThan or Exact: how resourceVersion limits a list.");

    private static readonly Parameter SendInitialEvents = new("sendInitialEvents", "boolean",
        "A watch begins with what there is, then a bookmark says that it is complete. Needs resourceVersionMatch=NotOlderThan.");

    private static readonly Parameter TimeoutSeconds = new("timeoutSeconds", "integer", "Ends the list or watch after so many seconds.");

    private static readonly Parameter FieldManager = new("fieldManager", "string", "Who makes the change: at most 128 printable characters. Server-side apply requires it.");

    private static readonly Parameter FieldValidation = new("fieldValidation", "string",
        "What unknown and duplicate fields do: Ignore drops them, Warn (the default) drops them with a warning, Strict refuses the request.");

    public static readonly IReadOnlyList<Parameter> List =
    [
        new("allowWatchBookmarks", "boolean", "The watch may be sent BOOKMARK events, which carry nothing but a newer resourceVersion."),
        Continue, FieldSelector, LabelSelector, Limit, ResourceVersion, ResourceVersionMatch, SendInitialEvents, TimeoutSeconds,
        new("watch", "boolean", "Watch for changes to the described resources: a stream of them rather than a list."),
    ];

    public static readonly IReadOnlyList<Parameter> Write = [DryRun, FieldManager, FieldValidation];

    public static readonly IReadOnlyList<Parameter> Patch =
        [.. Write, new("force", "boolean", "Takes fields from other managers where apply conflicts. Only for apply patches.")];

    public static readonly IReadOnlyList<Parameter> Delete =
    [
        DryRun,
        new("gracePeriodSeconds", "integer", "How long the object may take to end. Zero: at once. Left out: what the object or its kind says."),
        new("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean", "Deletes an object that cannot be read any more."),
        new("orphanDependents", "boolean", "Deprecated, see propagationPolicy. True keeps dependents."),
        new("propagationPolicy", "string", "What happens to dependents: Orphan keeps them, Background deletes them afterwards, Foreground before the object."),
    ];

    public static readonly IReadOnlyList<Parameter> DeleteCollection =
    [
        .. Delete, Continue, FieldSelector, LabelSelector, Limit, ResourceVersion, ResourceVersionMatch, SendInitialEvents, TimeoutSeconds,
    ];
}
