using System.Globalization;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.CustomResources.Schemas;

/// <summary>Objects within objects (<c>x-kubernetes-embedded-resource</c>): their apiVersion, kind and metadata are held to the rules of the root.</summary>
internal static class EmbeddedMetadata
{
    /// <summary>Reads each embedded metadata as such and writes it back; what metadata does not have is dropped.</summary>
    /// <param name="unknown">Paths of what was dropped.</param>
    /// <param name="dropsInvalid">For what is stored already: fields of a wrong type go rather than fail.</param>
    /// <exception cref="JsonReadException">A field of a wrong type, in a field error's words.</exception>
    public static void Coerce(JsonNode? value, StructuralSchema? schema, List<string>? unknown, bool dropsInvalid = false) =>
        Walk(value, schema, "", (path, members) => Coerce(path, members, unknown, dropsInvalid));

    public static void Validate(JsonNode? value, StructuralSchema? schema, FieldErrors errors) =>
        Walk(value, schema, "", (path, members) => Validate(path, members, errors));

    /// <summary>Metadata of a tree; unknown fields are named without what lies above.</summary>
    public static ObjectMeta Read(JsonNode? metadata, List<string>? unknown)
    {
        var context = new JsonReadContext();
        var read = Json.Read(JsonTree.Write(metadata), ObjectMeta.ReadJson, context);
        unknown?.AddRange(context.StrictErrors);
        return read;
    }

    private static void Walk(JsonNode? value, StructuralSchema? schema, string path, Action<string, JsonObject> embedded)
    {
        if (schema is null)
            return;
        switch (value)
        {
            case JsonObject members:
                if (schema.IsEmbedded)
                    embedded(path, members);
                foreach (var (name, member) in members)
                {
                    if (schema.Properties.TryGetValue(name, out var property))
                        Walk(member, property, Child(path, name), embedded);
                    else
                        Walk(member, schema.Additional, $"{path}[{name}]", embedded);
                }
                break;
            case JsonArray items when schema.Items is not null:
                for (var i = 0; i < items.Count; i++)
                    Walk(items[i], schema.Items, string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]"), embedded);
                break;
        }
    }

    private static void Coerce(string path, JsonObject members, List<string>? unknown, bool dropsInvalid)
    {
        foreach (var name in (ReadOnlySpan<string>)["apiVersion", "kind"])
        {
            if (!members.TryGetPropertyValue(name, out var text) || JsonTree.IsText(text, out _))
                continue;
            if (!dropsInvalid)
                throw Invalid(Child(path, name), text, "must be a string");
            members.Remove(name);
        }
        if (!members.TryGetPropertyValue("metadata", out var metadata))
            return;
        var place = Child(path, "metadata");
        try
        {
            if (metadata is not JsonObject)
                throw new JsonReadException($"invalid type: expected object, but got {JsonTree.GoType(metadata)}");
            var dropped = new List<string>();
            var read = Read(metadata, dropped);
            foreach (var field in dropped)
                unknown?.Add(field.Replace("unknown field \"", place + ".", StringComparison.Ordinal).TrimEnd('"'));
            var written = (JsonObject)JsonTree.Parse(Json.Write(read))!;
            if (read.CreationTimestamp.IsZero)
                written.Remove("creationTimestamp");
            members["metadata"] = written;
        }
        catch (JsonReadException e)
        {
            if (!dropsInvalid)
                throw Invalid(place, metadata, e.Message);
            members.Remove("metadata");
        }
    }

    private static void Validate(string path, JsonObject members, FieldErrors errors)
    {
        foreach (var name in (ReadOnlySpan<string>)["apiVersion", "kind"])
        {
            if (!members.ContainsKey(name))
                errors.Required(Child(path, name));
        }
        foreach (var (name, member) in JsonTree.Sorted(members))
        {
            var place = Child(path, name);
            switch (name)
            {
                case "apiVersion" or "kind" when !JsonTree.IsText(member, out _):
                    errors.Invalid(place, GoSyntax.Shown(member), "must be a string");
                    break;
                case "apiVersion" when JsonTree.IsText(member, out var version):
                    if (version.Length == 0)
                        errors.Required(place);
                    else if (version.Count(letter => letter == '/') > 1)
                        errors.Invalid(place, version, $"unexpected GroupVersion string: {version}");
                    break;
                case "kind" when JsonTree.IsText(member, out var kind):
                    if (kind.Length == 0)
                        errors.Required(place);
                    else if (Names.Dns1035Label(kind.ToLowerInvariant()).ToList() is { Count: > 0 } wrong)
                        errors.Invalid(place, kind, "may have mixed case, but should otherwise match: " + string.Join(',', wrong));
                    break;
                case "metadata":
                    ValidateMetadata(place, member, errors);
                    break;
            }
        }
    }

    private static void ValidateMetadata(string path, JsonNode? member, FieldErrors errors)
    {
        try
        {
            var metadata = Read(member, null);
            if (metadata.Name.Length == 0)
                metadata = metadata with { Name = "fakename" }; // A template's name comes later.
            ObjectMetaRules.ValidateGeneric(metadata, metadata.Namespace.Length > 0, Names.PathSegment, path, errors);
        }
        catch (JsonReadException e)
        {
            errors.Invalid(path, GoSyntax.Shown(member), e.Message);
        }
    }

    private static JsonReadException Invalid(string path, JsonNode? value, string why)
    {
        var errors = new FieldErrors();
        errors.Invalid(path, GoSyntax.Shown(value), why);
        return new(errors.ToAggregate());
    }

    private static string Child(string path, string name) => path.Length == 0 ? name : path + "." + name;
}
