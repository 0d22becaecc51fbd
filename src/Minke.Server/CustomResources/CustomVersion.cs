using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Registry;
using Minke.Server.Tables;

namespace Minke.Server.CustomResources;

/// <summary>One version of a custom kind: its shape, and how objects are read in it. Schemas are compiled when first used.</summary>
internal sealed class CustomVersion
{
    private readonly Lazy<StructuralSchema> _schema;
    private readonly Lazy<TypeSchema> _typeSchema;
    private readonly Lazy<CustomRules?> _rules;
    private readonly Lazy<ulong> _fingerprint;
    private readonly Lazy<IReadOnlyList<TableColumn>> _columns;

    public CustomVersion(CustomDefinition definition, CustomResourceDefinitionVersion version)
    {
        (Definition, Spec) = (definition, version);
        var names = definition.Names;
        var info = new KindInfo
        {
            Group = definition.Group,
            Version = version.Name,
            Kind = names.Kind,
            Plural = names.Plural,
            Singular = names.Singular,
            ListKind = names.ListKind,
            IsDynamic = true,
            IsNamespaced = definition.IsNamespaced,
            Verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            ShortNames = [.. names.ShortNames],
            Categories = [.. names.Categories],
            Subresources = [.. Subresources(version.Subresources)],
            FieldLabels = [.. version.SelectableFields.Select(field => FieldOf(field.JsonPath))],
            SchemaFactory = () => _typeSchema!.Value,
            JsonReader = Read,
            ProtoReader = _ => throw new ProtoReadException("object *unstructured.Unstructured does not implement the protobuf marshalling interface and cannot be decoded"),
        };
        Kind = info;
        _schema = new(() => StructuralSchema.Of(Published, definition.Source.Spec.PreserveUnknownFields));
        _rules = new(() => CustomRules.Of(Schema));
        _typeSchema = new(() => CustomTypes.Of(this));
        _columns = new(() => CustomColumns.Of(this));
        Warning = version.Deprecated ? DeprecationOf(definition, version) : "";
        _fingerprint = new(Hash);
    }

    public CustomDefinition Definition { get; }

    /// <summary>All but the schema.</summary>
    public CustomResourceDefinitionVersion Spec { get; }
    public KindInfo Kind { get; }
    public StructuralSchema Schema => _schema.Value;

    /// <summary>As the definition has it; null for none.</summary>
    public JSONSchemaProps? Published => Definition.SchemaOf(Spec.Name);

    /// <summary>Null when the schema has none.</summary>
    public CustomRules? Rules => _rules.Value;

    /// <summary>Of everything that shapes an object in this version: objects of equal fingerprints need no second look.</summary>
    public ulong Fingerprint => _fingerprint.Value;
    public IReadOnlyList<TableColumn> Columns => _columns.Value;

    /// <summary>What every request is warned of: that the version is deprecated. Empty for nothing.</summary>
    public string Warning { get; }
    public bool HasStatus => Spec.Subresources?.Status is not null;
    public CustomResourceSubresourceScale? Scale => Spec.Subresources?.Scale;
    public bool IsRetired => Definition.Retired.IsCancellationRequested;

    /// <summary>Reads a request's object: unknown fields are told and dropped. Defaults are the behaviour's to fill in.</summary>
    /// <exception cref="JsonReadException">No object, or metadata of a wrong type.</exception>
    public IKubeObject Read(ref Utf8JsonReader reader, JsonReadContext context)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonReadException($"json: cannot unmarshal {(reader.TokenType == JsonTokenType.StartArray ? "array" : "value")} into Go value of type map[string]interface {{}}");
        var strict = new List<string>();
        var tree = new JsonObject();
        var metadata = ObjectMeta.Empty;
        List<string> unknownMetadata = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == "metadata" && reader.TokenType != JsonTokenType.Null)
            {
                var metadataContext = new JsonReadContext();
                metadata = ObjectMeta.ReadJson(ref reader, metadataContext);
                foreach (var error in metadataContext.StrictErrors)
                    (error.StartsWith("duplicate", StringComparison.Ordinal) ? strict : unknownMetadata).Add(error.Replace(" field \"", " field \"metadata.", StringComparison.Ordinal));
                continue;
            }
            if (tree.ContainsKey(name))
                strict.Add($"duplicate field \"{name}\"");
            tree[name] = JsonTree.Read(ref reader, name, strict);
        }
        foreach (var name in (ReadOnlySpan<string>)["apiVersion", "kind", "metadata"])
            tree.Remove(name);

        var unknown = new List<string>();
        Prune(tree, unknown, dropsInvalid: false);
        foreach (var error in strict.Concat(unknownMetadata).Concat(unknown.Select(path => $"unknown field \"{path}\"")))
            context.AddStrictError(error);
        return new CustomObject(Kind, metadata, CustomObject.MembersOf(tree), Fingerprint);
    }

    /// <summary>An object as stored, or out of another version, made to fit this one.</summary>
    public CustomObject Fit(CustomObject value)
    {
        var tree = value.Tree();
        Prune(tree, unknown: null, dropsInvalid: true);
        Defaulting.Default(tree, Schema);
        return new(Kind, value.Metadata, CustomObject.MembersOf(tree), Fingerprint);
    }

    /// <summary>With its schema's defaults.</summary>
    public CustomObject Default(CustomObject value)
    {
        if (!Schema.HasDefaults)
            return value;
        var tree = value.Tree();
        Defaulting.Default(tree, Schema);
        return value.WithMembers(CustomObject.MembersOf(tree));
    }

    private void Prune(JsonObject tree, List<string>? unknown, bool dropsInvalid)
    {
        Pruning.Prune(tree, Schema, unknown);
        unknown?.Sort(StringComparer.Ordinal);
        Pruning.DropNulls(tree, Schema);
        EmbeddedMetadata.Coerce(tree, Schema, unknown, dropsInvalid);
        // A schema may describe metadata to restrict names; what metadata holds is not its business.
        foreach (var name in (ReadOnlySpan<string>)["apiVersion", "kind", "metadata"])
            tree.Remove(name);
    }

    private ulong Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{Kind.ApiVersion}\n{Kind.Kind}\n{Definition.Source.Spec.PreserveUnknownFields}\n"));
        if (Published is { } schema)
            hash.AppendData(Json.Write(schema));
        // Zero says "by none".
        return BinaryPrimitives.ReadUInt64LittleEndian(hash.GetHashAndReset()) | 1;
    }

    private static string DeprecationOf(CustomDefinition definition, CustomResourceDefinitionVersion version)
    {
        if (version.DeprecationWarning is { Length: > 0 } said)
            return said;
        var (group, kind) = (definition.Group, definition.Names.Kind);
        var better = definition.Source.Spec.Versions.Where(other => other is { Served: true, Deprecated: false } && VersionOrder.Instance.Compare(other.Name, version.Name) > 0)
            .Select(other => other.Name).OrderDescending(VersionOrder.Instance).FirstOrDefault();
        return $"{group}/{version.Name} {kind} is deprecated" + (better is null ? "" : $"; use {group}/{better} {kind}");
    }

    private static IEnumerable<SubresourceInfo> Subresources(CustomResourceSubresources? subresources)
    {
        string[] verbs = ["get", "patch", "update"];
        if (subresources?.Scale is not null)
            yield return new("scale", verbs, IsConnect: false, "autoscaling/v1", "Scale", "");
        if (subresources?.Status is not null)
            yield return new("status", verbs, IsConnect: false, "", "", "");
    }

    private static FieldLabel FieldOf(string jsonPath)
    {
        var path = SimplePath.Parse(jsonPath);
        return new(jsonPath.TrimStart('.'), value => path.Find((CustomObject)value) is { } found ? SimplePath.Text(found) : "");
    }
}
