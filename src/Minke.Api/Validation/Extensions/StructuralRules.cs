using Minke.Api.Apiextensions.V1;

namespace Minke.Api;

/// <summary>
/// A structural schema says the shape of an object outside of <c>allOf</c>, <c>anyOf</c>, <c>oneOf</c> and <c>not</c>, whose parts may only
/// narrow its values: so fields can be pruned, defaulted and owned without trying alternatives. (apiserver/schema/validation.go, complete.go)
/// </summary>
internal static class StructuralRules
{
    private static readonly JSONSchemaProps JustInteger = new() { Type = "integer" };
    private static readonly JSONSchemaProps JustString = new() { Type = "string" };

    private enum Level
    {
        Root,
        Item,
        Field,
    }

    /// <summary>Why no structure can be made of a schema at all; null when it can.</summary>
    public static string? Unsupported(JSONSchemaProps? schema)
    {
        if (schema is null)
            return null;
        var field = schema switch
        {
            { Id.Length: > 0 } => "id",
            { Schema.Length: > 0 } => "schema",
            { Ref.Length: > 0 } => "$ref",
            { PatternProperties.IsEmpty: false } => "patternProperties",
            { Dependencies.IsEmpty: false } => "dependencies",
            { AdditionalItems: not null } => "additionalItems",
            { Definitions.IsEmpty: false } => "definitions",
            _ => null,
        };
        if (field is not null)
            return $"OpenAPIV3Schema '{field}' is not supported";
        if (schema.XKubernetesPreserveUnknownFields == false)
            return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
        if (schema.Items is { JSONSchemas.IsEmpty: false })
            return "OpenAPIV3Schema 'items' must be a schema, but is an array";
        return ((IEnumerable<JSONSchemaProps?>)
            [schema.Not, .. schema.AllOf, .. schema.AnyOf, .. schema.OneOf, schema.AdditionalProperties?.Schema, schema.Items?.Schema, .. schema.Properties.Values])
            .Select(Unsupported).FirstOrDefault(why => why is not null);
    }

    /// <summary>What is wrong, sorted, as upstream tells it.</summary>
    public static void Validate(JSONSchemaProps schema, FieldPath path, FieldErrors errors)
    {
        var found = new FieldErrors();
        Node(schema, Level.Root, path, found);
        CompleteValues(schema, schema, path, path, found);
        errors.AddSorted(found);
    }

    private static void Node(JSONSchemaProps schema, Level level, FieldPath path, FieldErrors errors)
    {
        if (schema.Type == "array" && schema.Items?.Schema is null)
            errors.Required(path.Child("items"), "must be specified");
        if (schema.Items?.Schema is { } item)
            Node(item, Level.Item, path.Child("items"), errors);
        foreach (var (name, property) in schema.Properties)
            Node(property, Level.Field, path.Child("properties").Key(name), errors);
        if (schema.AdditionalProperties is { } additional)
        {
            if (level == Level.Root)
                errors.Forbidden(path.Child("additionalProperties"), "must not be used at the root");
            if (additional.Schema is { } values)
                Node(values, Level.Field, path.Child("additionalProperties"), errors);
        }
        if (schema.XKubernetesIntOrString && schema.XKubernetesPreserveUnknownFields == true)
            errors.Invalid(path.Child("x-kubernetes-preserve-unknown-fields"), true, "must be false if x-kubernetes-int-or-string is true");
        if (schema.XKubernetesIntOrString && schema.XKubernetesEmbeddedResource)
            errors.Invalid(path.Child("x-kubernetes-embedded-resource"), true, "must be false if x-kubernetes-int-or-string is true");
        Values(schema, IsIntOrString(schema.AnyOf), schema.AllOf is [var first, ..] && IsIntOrString(first.AnyOf), path, errors);
        NodeType(schema, level, path, errors);
        Metadata(schema, level, path, errors);
        if (schema is { XKubernetesEmbeddedResource: true, XKubernetesPreserveUnknownFields: not true, Properties.IsEmpty: true })
            errors.Required(path.Child("properties"), "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields");
    }

    private static void NodeType(JSONSchemaProps schema, Level level, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("type");
        if (schema.XKubernetesEmbeddedResource && schema.Type != "object")
        {
            const string mustBeObject = "must be object if x-kubernetes-embedded-resource is true";
            if (schema.Type.Length == 0)
                errors.Required(at, mustBeObject);
            else
                errors.Invalid(at, schema.Type, mustBeObject);
        }
        else if (schema.Type.Length == 0 && !schema.XKubernetesIntOrString && schema.XKubernetesPreserveUnknownFields != true)
        {
            errors.Required(at, level switch
            {
                Level.Root => "must not be empty at the root",
                Level.Item => "must not be empty for specified array items",
                _ => "must not be empty for specified object fields",
            });
        }
        if (schema.XKubernetesEmbeddedResource && schema.AdditionalProperties is not null)
            errors.Forbidden(path.Child("additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set");
        if (level == Level.Root && schema.Type is not ("" or "object"))
            errors.Invalid(at, schema.Type, "must be object at the root");
    }

    /// <summary>What every object has is known already; a schema may only narrow its names.</summary>
    private static void Metadata(JSONSchemaProps schema, Level level, FieldPath path, FieldErrors errors)
    {
        var isObject = level == Level.Root || schema.XKubernetesEmbeddedResource;
        foreach (var name in (ReadOnlySpan<string>)["kind", "apiVersion"])
        {
            if (isObject && schema.Properties.TryGetValue(name, out var field) && field.Type != "string")
                errors.Invalid(path.Child("properties").Key(name).Child("type"), field.Type, "must be string");
        }
        if (!schema.Properties.TryGetValue("metadata", out var metadata))
            return;
        var at = path.Child("properties").Key("metadata");
        if (isObject && metadata.Type != "object")
            errors.Invalid(at.Child("type"), metadata.Type, "must be object");
        if (level != Level.Root)
            return;
        var rest = metadata with { Type = "", Default = null, ExternalDocs = null, Example = null };
        if (rest.Properties.Keys.All(name => name is "name" or "generateName"))
            rest = rest with { Properties = default };
        if (!Json.Same(rest, JSONSchemaProps.Empty))
            errors.Forbidden(at, "must not specify anything other than name and generateName, but metadata is implicitly specified");
    }

    /// <summary>The parts that narrow values.</summary>
    private static void Values(JSONSchemaProps schema, bool skipAnyOf, bool skipAnyOfInFirstAllOf, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < schema.AnyOf.Count && !skipAnyOf; i++)
            Nested(schema.AnyOf[i], false, path.Child("anyOf").Index(i), errors);
        for (var i = 0; i < schema.AllOf.Count; i++)
            Nested(schema.AllOf[i], skipAnyOfInFirstAllOf && i == 0, path.Child("allOf").Index(i), errors);
        for (var i = 0; i < schema.OneOf.Count; i++)
            Nested(schema.OneOf[i], false, path.Child("oneOf").Index(i), errors);
        if (schema.Not is { } not)
            Nested(not, false, path.Child("not"), errors);
        if (schema.Pattern.Length > 0 && WhyNoPattern(schema.Pattern) is { } why)
            errors.Invalid(path.Child("pattern"), schema.Pattern, "must be a valid regular expression, but isn't: " + why);
    }

    private static void Nested(JSONSchemaProps schema, bool skipAnyOf, FieldPath path, FieldErrors errors)
    {
        Values(schema, skipAnyOf, false, path, errors);
        if (schema.Items?.Schema is { } item)
            Nested(item, false, path.Child("items"), errors);
        foreach (var (name, property) in schema.Properties)
            Nested(property, false, path.Child("properties").Key(name), errors);
        const string empty = "must be empty to be structural", undefined = "must be undefined to be structural", isFalse = "must be false to be structural";
        foreach (var (field, isSet, message) in (ReadOnlySpan<(string, bool, string)>)
        [
            ("type", schema.Type.Length > 0, empty),
            ("additionalProperties", schema.AdditionalProperties is not null, undefined),
            ("default", schema.Default is not null, undefined),
            ("title", schema.Title.Length > 0, empty),
            ("description", schema.Description.Length > 0, empty),
            ("nullable", schema.Nullable, isFalse),
            ("x-kubernetes-preserve-unknown-fields", schema.XKubernetesPreserveUnknownFields == true, isFalse),
            ("x-kubernetes-embedded-resource", schema.XKubernetesEmbeddedResource, isFalse),
            ("x-kubernetes-int-or-string", schema.XKubernetesIntOrString, isFalse),
            ("x-kubernetes-list-map-keys", !schema.XKubernetesListMapKeys.IsEmpty, empty),
            ("x-kubernetes-list-type", schema.XKubernetesListType is not null, undefined),
            ("x-kubernetes-map-type", schema.XKubernetesMapType is not null, undefined),
            ("x-kubernetes-validations", !schema.XKubernetesValidations.IsEmpty, empty),
        ])
        {
            if (isSet)
                errors.Forbidden(path.Child(field), message);
        }
        if (schema.Properties.ContainsKey("metadata"))
            errors.Forbidden(path.Child("properties").Key("metadata"), "must not be specified in a nested context");
    }

    /// <summary>Every field that a narrowing part names must have a place in the structure.</summary>
    private static void CompleteValues(JSONSchemaProps part, JSONSchemaProps structure, FieldPath structurePath, FieldPath partPath, FieldErrors errors)
    {
        if (part.Not is { } not)
            Complete(not, structure, structurePath, partPath.Child("not"), errors);
        for (var i = 0; i < part.AllOf.Count; i++)
            Complete(part.AllOf[i], structure, structurePath, partPath.Child("allOf").Index(i), errors);
        for (var i = 0; i < part.AnyOf.Count; i++)
            Complete(part.AnyOf[i], structure, structurePath, partPath.Child("anyOf").Index(i), errors);
        for (var i = 0; i < part.OneOf.Count; i++)
            Complete(part.OneOf[i], structure, structurePath, partPath.Child("oneOf").Index(i), errors);
    }

    private static void Complete(JSONSchemaProps part, JSONSchemaProps? structure, FieldPath structurePath, FieldPath partPath, FieldErrors errors)
    {
        if (structure is null)
        {
            errors.Required(structurePath, "because it is defined in " + partPath.Text);
            return;
        }
        CompleteValues(part, structure, structurePath, partPath, errors);
        if (part.Items?.Schema is { } item)
            Complete(item, structure.Items?.Schema, structurePath.Child("items"), partPath.Child("items"), errors);
        foreach (var (name, property) in part.Properties)
        {
            var at = partPath.Child("properties").Key(name);
            Complete(property, structure.Properties.GetValueOrDefault(name), structurePath.Child("properties").Key(name), at, errors);
        }
    }

    private static bool IsIntOrString(ApiList<JSONSchemaProps> parts) => parts is [var a, var b] && Json.Same(a, JustInteger) && Json.Same(b, JustString);

    /// <summary>In the words of Go's regexp/syntax, as far as .NET tells what is wrong.</summary>
    private static string? WhyNoPattern(string pattern) => GoRegex.TryGet(pattern, out _, out var error) ? null : error;
}
