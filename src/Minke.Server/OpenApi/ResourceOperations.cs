using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Registry;

namespace Minke.Server.OpenApi;

/// <summary>
/// The paths of a resource and what can be done with each, named as upstream names them: client libraries are generated from
/// these identifiers (<c>listCoreV1NamespacedPod</c>, <c>connectCoreV1PostNamespacedPodExec</c>).
/// </summary>
internal sealed class ResourceOperations(DefinitionWriter definitions)
{
    private static readonly string[] Forms = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

    private static readonly string[] CustomForms = ["application/json", "application/yaml"];

    private static readonly string[] ListForms =
        [.. Forms, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

    private static readonly Dictionary<string, TypeSchema> SubresourceOptions = new(StringComparer.Ordinal)
    {
        ["pods/attach"] = PodAttachOptions.TypeSchema,
        ["pods/exec"] = PodExecOptions.TypeSchema,
        ["pods/log"] = PodLogOptions.TypeSchema,
        ["pods/portforward"] = PodPortForwardOptions.TypeSchema,
        ["pods/proxy"] = PodProxyOptions.TypeSchema,
        ["services/proxy"] = ServiceProxyOptions.TypeSchema,
        ["nodes/proxy"] = NodeProxyOptions.TypeSchema,
    };

    public SortedDictionary<string, List<Operation>> Paths { get; } = new(StringComparer.Ordinal);

    /// <summary>Discovery: <c>/api/v1/</c>, <c>/apis/apps/</c>, ….</summary>
    public void AddDocument(string path, string id, string tag, string description, TypeSchema result) => Add(path, new Operation
    {
        Method = "get",
        Id = id,
        Tag = tag,
        Description = description,
        Result = definitions.Refer(result),
        Produces = path == "/version/" ? ["application/json"] : Forms,
    });

    /// <summary>What answers text or JSON of no kind.</summary>
    public void AddPlain(string path, string id, string tag, string description, string contentType) => Add(path, new Operation
    {
        Method = "get",
        Id = id,
        Tag = tag,
        Description = description,
        Produces = [contentType],
    });

    public void Add(Resource resource, IEnumerable<SubresourceInfo> subresources)
    {
        var kind = resource.Kind;
        var root = RootOf(kind.Group, kind.Version);
        var collection = kind.IsNamespaced ? $"{root}namespaces/{{namespace}}/{kind.Plural}" : root + kind.Plural;
        var one = collection + "/{name}";
        foreach (var verb in kind.Verbs)
        {
            switch (verb)
            {
                case "list":
                    Add(collection, List(resource, kind.IsNamespaced));
                    if (kind.IsNamespaced)
                        Add(root + kind.Plural, List(resource, isNamespaced: false));
                    break;
                case "watch" when kind.IsDynamic:
                    break; // Upstream has no such paths for custom kinds.
                case "watch":
                    var rest = collection[root.Length..];
                    Add($"{root}watch/{rest}", Watch(kind, kind.IsNamespaced, isList: true));
                    Add($"{root}watch/{rest}/{{name}}", Watch(kind, kind.IsNamespaced, isList: false));
                    if (kind.IsNamespaced)
                        Add($"{root}watch/{kind.Plural}", Watch(kind, isNamespaced: false, isList: true));
                    break;
                case "create" or "deletecollection":
                    Add(collection, Plain(resource, verb));
                    break;
                default:
                    Add(one, Plain(resource, verb));
                    break;
            }
        }
        foreach (var sub in subresources)
            AddSubresource(resource, sub, $"{one}/{sub.Name}");
    }

    public static string RootOf(string group, string version) => group.Length == 0 ? $"/api/{version}/" : $"/apis/{group}/{version}/";

    /// <summary><c>core_v1</c>, <c>rbacAuthorization_v1</c>.</summary>
    public static string Tag(string group, string version)
    {
        var camel = Camel(group);
        return char.ToLowerInvariant(camel[0]) + camel[1..] + (version.Length > 0 ? "_" + version : "");
    }

    /// <summary><c>Core</c>, <c>RbacAuthorization</c>.</summary>
    public static string Camel(string group)
    {
        const string Own = ".k8s.io";
        if (group.Length == 0)
            return "Core";
        var name = group.EndsWith(Own, StringComparison.Ordinal) ? group[..^Own.Length] : group;
        return string.Concat(name.Split('.', '-').Where(word => word.Length > 0).Select(Capital));
    }

    private static string Capital(string word) => char.ToUpperInvariant(word[0]) + word[1..];

    private void Add(string path, Operation operation)
    {
        if (!Paths.TryGetValue(path, out var operations))
            Paths.Add(path, operations = []);
        operations.Add(operation);
    }

    private Operation List(Resource resource, bool isNamespaced)
    {
        var kind = resource.Kind;
        return Of(kind, "get", "list") with
        {
            Id = Id("list", kind, isNamespaced, "", kind.IsNamespaced && !isNamespaced ? "ForAllNamespaces" : ""),
            Description = $"List objects of kind {kind.Kind}, or watch them.",
            Parameters = [.. PathParameters(isNamespaced, hasName: false), .. Parameter.List],
            Result = definitions.ReferList(resource),
            Produces = kind.IsDynamic ? CustomForms : kind.Verbs.Contains("watch") ? ListForms : Forms,
        };
    }

    private Operation Watch(KindInfo kind, bool isNamespaced, bool isList) => Of(kind, "get", isList ? "watchlist" : "watch") with
    {
        Id = Id("watch", kind, isNamespaced, "", (isList ? "List" : "") + (kind.IsNamespaced && !isNamespaced ? "ForAllNamespaces" : "")),
        Description = isList ? $"Watch objects of kind {kind.Kind}. Deprecated: list with the watch parameter."
            : $"Watch one {kind.Kind}. Deprecated: list with the watch parameter and a field selector for its name.",
        Parameters = [.. PathParameters(isNamespaced, hasName: !isList), .. Parameter.List],
        Result = definitions.Refer(WatchEvent.TypeSchema),
        Produces = ListForms,
    };

    private Operation Plain(Resource resource, string verb)
    {
        var kind = resource.Kind;
        var body = definitions.Refer(resource);
        var operation = Verb(kind, verb, body);
        return operation with
        {
            Id = verb == "deletecollection" ? Id("delete", kind, kind.IsNamespaced, "Collection", "") : Id(Word(verb), kind, kind.IsNamespaced, "", ""),
            Parameters = [.. PathParameters(kind.IsNamespaced, verb is not ("create" or "deletecollection")), .. operation.Parameters],
            Result = verb switch
            {
                "delete" when resource.ReturnsDeleted => body,
                "delete" or "deletecollection" => definitions.Refer(Status.TypeSchema),
                _ => body,
            },
        };
    }

    private Operation Verb(KindInfo kind, string verb, string body) => verb switch
    {
        "get" => Of(kind, "get", "get") with { Description = $"Read one {kind.Kind}." },
        "create" => Of(kind, "post", "post") with
        {
            Description = $"Create a {kind.Kind}.",
            Parameters = Parameter.Write,
            Body = body,
            IsBodyRequired = true,
            Codes = [200, 201, 202],
        },
        "update" => Of(kind, "put", "put") with
        {
            Description = $"Replace a {kind.Kind}.",
            Parameters = Parameter.Write,
            Body = body,
            IsBodyRequired = true,
            Codes = [200, 201],
        },
        "patch" => Of(kind, "patch", "patch") with
        {
            Description = $"Change parts of a {kind.Kind}.",
            Parameters = Parameter.Patch,
            Body = definitions.ReferPatch(),
            IsBodyRequired = true,
            Consumes = (kind.IsDynamic ? Requests.PatchBody.CustomTypes : Requests.PatchBody.Types).Split(", "),
            Codes = [200, 201],
        },
        "deletecollection" => Of(kind, "delete", "deletecollection") with
        {
            Description = $"Delete every {kind.Kind} that is selected.",
            Parameters = Parameter.DeleteCollection,
            Body = definitions.Refer(DeleteOptions.TypeSchema),
        },
        _ => Of(kind, "delete", "delete") with
        {
            Description = $"Delete a {kind.Kind}.",
            Parameters = Parameter.Delete,
            Body = definitions.Refer(DeleteOptions.TypeSchema),
            Codes = [200, 202],
        },
    };

    private void AddSubresource(Resource resource, SubresourceInfo sub, string path)
    {
        var kind = resource.Kind;
        var options = SubresourceOptions.GetValueOrDefault($"{kind.Plural}/{sub.Name}");
        var parameters = PathParameters(kind.IsNamespaced, hasName: true).Concat(options is null ? [] : Of(options)).ToList();
        foreach (var verb in sub.Verbs)
        {
            if (sub.IsConnect)
            {
                var operation = Connect(kind, sub.Name, verb, options, parameters);
                Add(path, operation);
                if (sub.Name == "proxy")
                    Add(path + "/{path}", operation with { Id = operation.Id + "WithPath", Parameters = [.. parameters, Parameter.Rest] });
                continue;
            }
            var isText = sub.Name == "log";
            var body = isText ? ""
                : sub.BodyKind.Length == 0 ? definitions.Refer(resource)
                : definitions.Refer(Kinds.SchemasByApiVersion[sub.BodyApiVersion].Select(make => make()).First(schema => schema.Kind == sub.BodyKind));
            var plain = Verb(kind, verb, body);
            Add(path, plain with
            {
                Id = Id(Word(verb), kind, kind.IsNamespaced, "", Capital(sub.Name)),
                Description = $"{plain.Description[..plain.Description.IndexOf(' ', StringComparison.Ordinal)]} the {sub.Name} of a {kind.Kind}.",
                Parameters = [.. parameters, .. plain.Parameters],
                Result = body,
                Produces = isText ? ["text/plain", .. Forms] : kind.IsDynamic ? CustomForms : Forms,
                Kind = sub.BodyKind.Length > 0 ? KindOf(sub.BodyApiVersion, sub.BodyKind) : (kind.Group, kind.Version, kind.Kind),
            });
        }
    }

    private static Operation Connect(KindInfo kind, string sub, string verb, TypeSchema? options, List<Parameter> parameters)
    {
        var method = verb switch { "create" => "post", "update" => "put", _ => verb };
        return Of(kind, method, "connect") with
        {
            Id = Id("connect", kind, kind.IsNamespaced, Capital(method), Capital(sub)),
            Description = $"Connect {method.ToUpperInvariant()} requests to the {sub} of a {kind.Kind}.",
            Parameters = parameters,
            Produces = ["*/*"],
            Kind = (kind.Group, kind.Version, options?.GoName ?? kind.Kind),
        };
    }

    private static (string Group, string Version, string Kind) KindOf(string apiVersion, string kind)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        return (slash < 0 ? "" : apiVersion[..slash], apiVersion[(slash + 1)..], kind);
    }

    private static Operation Of(KindInfo kind, string method, string action) => new()
    {
        Method = method,
        Action = action,
        Id = "",
        Tag = Tag(kind.Group, kind.Version),
        Description = "",
        Produces = kind.IsDynamic ? CustomForms : Forms,
        Kind = (kind.Group, kind.Version, kind.Kind),
    };

    private static string Word(string verb) => verb switch { "get" => "read", "update" => "replace", _ => verb };

    private static string Id(string word, KindInfo kind, bool isNamespaced, string before, string after) =>
        word + Camel(kind.Group) + Capital(kind.Version) + before + (isNamespaced ? "Namespaced" : "") + kind.Kind + after;

    private static IEnumerable<Parameter> PathParameters(bool isNamespaced, bool hasName)
    {
        if (hasName)
            yield return Parameter.ObjectName;
        if (isNamespaced)
            yield return Parameter.Namespace;
        yield return Parameter.Pretty;
    }

    private static IEnumerable<Parameter> Of(TypeSchema options) => options.Fields.Select(field => new Parameter(field.JsonName, field.Type.Type switch
    {
        SchemaType.Boolean => "boolean",
        SchemaType.Int32 or SchemaType.Int64 => "integer",
        SchemaType.List when field.Type.Element!.Type is SchemaType.Int32 => "integer",
        _ => "string",
    }, field.Description));
}
