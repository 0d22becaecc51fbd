using Minke.Api.Apiextensions.V1;

namespace Minke.Api;

/// <summary>What the schema of a custom resource may say. (ValidateCustomResourceDefinitionOpenAPISchema)</summary>
internal static class SchemaRules
{
    private const string AllowedAtRoot =
        "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf "
        + "Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";
    private static readonly string[] Types = ["array", "boolean", "integer", "number", "object", "string"];
    private static readonly string[] ListTypes = ["atomic", "set", "map"];
    private static readonly string[] MapTypes = ["atomic", "granular"];
    private static readonly string[] Reasons =
    [
        FieldValueErrorReason.FieldValueDuplicate, FieldValueErrorReason.FieldValueForbidden, FieldValueErrorReason.FieldValueInvalid, FieldValueErrorReason.FieldValueRequired,
    ];

    /// <summary>The schema of a version: its form, then its structure.</summary>
    public static void Validate(CustomResourceValidation? validation, bool hasStatus, FieldPath path, FieldErrors errors)
    {
        if (validation?.OpenAPIV3Schema is not { } schema)
            return;
        var (at, before) = (path.Child("openAPIV3Schema"), errors.Count);
        if (hasStatus)
            ValidateRootWithStatus(schema, at, errors);
        if (schema.Nullable)
            errors.Forbidden(path.Child("openAPIV3Schema.nullable"), "nullable cannot be true at the root");
        var unsupported = StructuralRules.Unsupported(schema);
        if (unsupported is null)
            StructuralRules.Validate(schema, at, errors);
        ValidateNode(schema, at, Place.Root, errors);
        // Told only when nothing else says so.
        if (errors.Count == before && unsupported is not null)
            errors.Invalid(at, "", unsupported);
    }

    /// <summary>Whether a schema, or one inside it, is like that.</summary>
    public static bool Has(JSONSchemaProps? schema, Func<JSONSchemaProps, bool> isSo) => schema is not null && (isSo(schema) || Inner(schema).Any(inner => Has(inner, isSo)));

    private static IEnumerable<JSONSchemaProps?> Inner(JSONSchemaProps schema) =>
    [
        schema.Items?.Schema, .. schema.Items?.JSONSchemas ?? default, .. schema.AllOf, .. schema.AnyOf, .. schema.OneOf, schema.Not, .. schema.Properties.Values,
        schema.AdditionalProperties?.Schema, .. schema.PatternProperties.Values, schema.AdditionalItems?.Schema, .. schema.Definitions.Values,
        .. schema.Dependencies.Values.Select(dependency => dependency.Schema),
    ];

    /// <summary>The status is validated by its own part of the schema alone, so nothing at the root may reach into it.</summary>
    private static void ValidateRootWithStatus(JSONSchemaProps schema, FieldPath path, FieldErrors errors)
    {
        var isOddType = schema.Type is not ("" or "object");
        var beforeType = schema.Id.Length > 0 || schema.Schema.Length > 0 || schema.Ref is not null;
        if (isOddType && !beforeType)
        {
            errors.Invalid(path.Child("type"), schema.Type, "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled");
            return;
        }
        if (beforeType || schema.Nullable || schema.Default is not null || !schema.Enum.IsEmpty || schema.MaxProperties is not null || schema.MinProperties is not null
            || !schema.AllOf.IsEmpty || !schema.OneOf.IsEmpty || !schema.AnyOf.IsEmpty || schema.Not is not null || schema.AdditionalProperties is not null
            || !schema.PatternProperties.IsEmpty || !schema.Dependencies.IsEmpty || schema.AdditionalItems is not null || !schema.Definitions.IsEmpty
            || schema.XKubernetesEmbeddedResource || schema.XKubernetesIntOrString || !schema.XKubernetesListMapKeys.IsEmpty
            || schema.XKubernetesListType is not null || schema.XKubernetesMapType is not null)
        {
            errors.Invalid(path, new GoText("apiextensions.JSONSchemaProps{...}"), $"only {AllowedAtRoot} fields are allowed at the root of the schema if the status subresource is enabled");
        }
    }

    private static void ValidateNode(JSONSchemaProps? schema, FieldPath path, Place place, FieldErrors errors)
    {
        if (schema is null)
            return;
        ValidateForm(schema, path, place, errors);
        if (schema.UniqueItems)
            errors.Forbidden(path.Child("uniqueItems"), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
        ValidateInner(schema, path, place, errors);
        ValidateMapType(schema, path, errors);
        ValidateListType(schema, path, errors);
        ValidateListKeys(schema, path, errors);
        for (var i = 0; i < schema.XKubernetesValidations.Count; i++)
            ValidateRule(schema, schema.XKubernetesValidations[i], path.Child("x-kubernetes-validations").Index(i), errors);
    }

    private static void ValidateForm(JSONSchemaProps schema, FieldPath path, Place place, FieldErrors errors)
    {
        if (schema.Type.Length > 0 && !Types.Contains(schema.Type))
            errors.NotSupported(path.Child("type"), schema.Type, Types);
        if (schema.Default is not null && place.WhyNoDefaults is { } why)
            errors.Forbidden(path.Child("default"), "must not be set " + why);
        foreach (var (field, isSet) in (ReadOnlySpan<(string, bool)>)
        [
            ("id", schema.Id.Length > 0), ("additionalItems", schema.AdditionalItems is not null), ("patternProperties", !schema.PatternProperties.IsEmpty),
            ("definitions", !schema.Definitions.IsEmpty), ("dependencies", !schema.Dependencies.IsNull), ("$ref", schema.Ref is not null),
        ])
        {
            if (isSet)
                errors.Forbidden(path.Child(field), field + " is not supported");
        }
        if (schema.Type == "null")
            errors.Forbidden(path.Child("type"), "type cannot be set to null, use nullable as an alternative");
        if (schema.Items is { JSONSchemas.IsEmpty: false })
            errors.Forbidden(path.Child("items"), "items must be a schema object and not an array");
        if (place.IsInsideMetadata && schema.XKubernetesEmbeddedResource)
            errors.Forbidden(path.Child("x-kubernetes-embedded-resource"), "must not be used inside of resource meta");
    }

    private static void ValidateInner(JSONSchemaProps schema, FieldPath path, Place place, FieldErrors errors)
    {
        var inside = place with { IsRoot = false };
        if (schema.AdditionalProperties is { } additional)
        {
            if (!schema.Properties.IsEmpty && (!additional.Allows || additional.Schema is not null))
                errors.Forbidden(path.Child("additionalProperties"), "additionalProperties and properties are mutual exclusive");
            var place2 = place.IsInsideMetadata ? inside with { WhyNoDefaults = "inside additionalProperties applying to object metadata" } : inside;
            ValidateNode(additional.Schema, path.Child("additionalProperties"), place2, errors);
        }
        foreach (var (name, property) in schema.Properties)
        {
            var own = inside;
            if ((place.IsRoot || schema.XKubernetesEmbeddedResource) && name is "metadata" or "kind" or "apiVersion")
                own = own with { IsInsideMetadata = true, WhyNoDefaults = place.IsRoot ? "in top-level " + name : own.WhyNoDefaults };
            ValidateNode(property, path.Child("properties").Key(name), own, errors);
        }
        ValidateNode(schema.Not, path.Child("not"), inside, errors);
        Each(schema.AllOf, path.Child("allOf"));
        Each(schema.OneOf, path.Child("oneOf"));
        Each(schema.AnyOf, path.Child("anyOf"));
        foreach (var (name, definition) in schema.Definitions)
            ValidateNode(definition, path.Child("definitions").Key(name), inside, errors);
        if (schema.Items is { } items)
        {
            ValidateNode(items.Schema, path.Child("items"), inside, errors);
            Each(items.JSONSchemas, path.Child("items"));
        }
        foreach (var (name, dependency) in schema.Dependencies)
            ValidateNode(dependency.Schema, path.Child("dependencies").Key(name), inside, errors);

        void Each(ApiList<JSONSchemaProps> all, FieldPath at)
        {
            for (var i = 0; i < all.Count; i++)
                ValidateNode(all[i], at.Index(i), inside, errors);
        }
    }

    private static void ValidateMapType(JSONSchemaProps schema, FieldPath path, FieldErrors errors)
    {
        if (schema.XKubernetesPreserveUnknownFields == false)
            errors.Invalid(path.Child("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined");
        if (schema.XKubernetesMapType is not { } type)
            return;
        MustBe("object", schema.Type, path.Child("type"), "must be object if x-kubernetes-map-type is specified", errors);
        if (!MapTypes.Contains(type))
            errors.NotSupported(path.Child("x-kubernetes-map-type"), type, MapTypes);
    }

    private static void ValidateListType(JSONSchemaProps schema, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("x-kubernetes-list-type");
        if (schema.XKubernetesListType is { } type)
        {
            if (schema.Type != "array")
                MustBe("array", schema.Type, path.Child("type"), "must be array if x-kubernetes-list-type is specified", errors);
            else if (type == "set" && schema.Items?.Schema is { } item)
                ValidateSetItem(item, path.Child("items"), errors);
            if (!ListTypes.Contains(type))
                errors.NotSupported(at, type, ListTypes);
        }
        if (schema.XKubernetesListMapKeys.IsEmpty || schema.XKubernetesListType == "map")
            return;
        const string mustBeMap = "must be map if x-kubernetes-list-map-keys is non-empty";
        if (schema.XKubernetesListType is null)
            errors.Required(at, mustBeMap);
        else
            errors.Invalid(at, schema.XKubernetesListType, mustBeMap);
    }

    /// <summary>Items of a set are compared as a whole, so they must be owned as a whole.</summary>
    private static void ValidateSetItem(JSONSchemaProps item, FieldPath path, FieldErrors errors)
    {
        const string atomic = "must be atomic as item of a list with x-kubernetes-list-type=set";
        if (item is { Type: "array", XKubernetesListType: not (null or "atomic") })
            errors.Invalid(path.Child("x-kubernetes-list-type"), item.XKubernetesListType, atomic);
        // The value shown is the list type: upstream's slip.
        if (item is { Type: "object", XKubernetesMapType: not "atomic" })
            errors.Invalid(path.Child("x-kubernetes-map-type"), item.XKubernetesListType, atomic);
    }

    private static void ValidateListKeys(JSONSchemaProps schema, FieldPath path, FieldErrors errors)
    {
        var (keys, item) = (schema.XKubernetesListMapKeys, schema.Items?.Schema);
        if (schema.XKubernetesListType == "map")
        {
            if (keys.IsEmpty)
                errors.Required(path.Child("x-kubernetes-list-map-keys"), "must not be empty if x-kubernetes-list-type is map");
            if (schema.Items is null)
                errors.Required(path.Child("items"), "must have a schema if x-kubernetes-list-type is map");
            else if (item is null)
                errors.Invalid(path.Child("items"), new GoText("apiextensions.JSONSchemaPropsOrArray{...}"), "must only have a single schema if x-kubernetes-list-type is map");
            else if (item.Type != "object")
                errors.Invalid(path.Child("items").Child("type"), item.Type, "must be object if parent array's x-kubernetes-list-type is map");
            else
                ValidateKeyNames(keys, item, path, errors);
        }
        if (item is null || schema.XKubernetesListType is not ("set" or "map"))
            return;
        if (item.Nullable)
            errors.Forbidden(path.Child("items").Child("nullable"), "cannot be nullable when x-kubernetes-list-type is " + schema.XKubernetesListType);
        if (schema.XKubernetesListType == "set")
            return;
        foreach (var key in keys)
        {
            if (!item.Properties.TryGetValue(key, out var property))
                continue;
            var at = path.Child("items").Child("properties").Key(key);
            if (!item.Required.Contains(key) && property.Default is null)
                errors.Required(at.Child("default"), "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property");
            if (property.Nullable)
                errors.Forbidden(at.Child("nullable"), "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
        }
    }

    private static void ValidateKeyNames(ApiList<string> keys, JSONSchemaProps item, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            if (!item.Properties.TryGetValue(key, out var property))
                errors.Invalid(path.Child("x-kubernetes-list-map-keys"), keys, "entries must all be names of item properties");
            else if (property.Type is "array" or "object")
                errors.Invalid(path.Child("items").Child("properties").Key(key).Child("type"), item.Type, "must be a scalar type if parent array's x-kubernetes-list-type is map");
            if (!seen.Add(key))
                errors.Invalid(path.Child("x-kubernetes-list-map-keys"), keys, "must not contain duplicate entries");
        }
    }

    /// <summary>All of a rule but what its expressions mean.</summary>
    private static void ValidateRule(JSONSchemaProps schema, ValidationRule rule, FieldPath path, FieldErrors errors)
    {
        var (text, message) = (rule.Rule.Trim(), rule.Message.Trim());
        if (text.Length == 0)
            errors.Required(path.Child("rule"), "rule is not specified");
        else if (rule.Message.Length > 0 && message.Length == 0)
            errors.Invalid(path.Child("message"), rule.Message, "message must be non-empty if specified");
        else if (HasLineBreaks(message))
            errors.Invalid(path.Child("message"), rule.Message, "message must not contain line breaks");
        else if (HasLineBreaks(text) && message.Length == 0)
            errors.Required(path.Child("message"), "message must be specified if rule contains line breaks");
        if (rule.MessageExpression.Length > 0 && string.IsNullOrWhiteSpace(rule.MessageExpression))
            errors.Required(path.Child("messageExpression"), "messageExpression must be non-empty if specified");
        if (rule.Reason is { } reason && !Reasons.Contains(reason))
            errors.NotSupported(path.Child("reason"), reason, Reasons);
        if (rule.FieldPath.Length == 0)
            return;
        if (string.IsNullOrWhiteSpace(rule.FieldPath))
            errors.Invalid(path.Child("fieldPath"), rule.FieldPath, "fieldPath must be non-empty if specified");
        if (HasLineBreaks(rule.FieldPath))
            errors.Invalid(path.Child("fieldPath"), rule.FieldPath, "fieldPath must not contain line breaks");
        if (StructuralRules.Unsupported(schema) is null && !SchemaPaths.IsValid(rule.FieldPath, schema))
            errors.Invalid(path.Child("fieldPath"), rule.FieldPath, "fieldPath must be a valid path");
    }

    private static bool HasLineBreaks(string text) => text.AsSpan().ContainsAny('\n', '\r');

    private static void MustBe(string wanted, string type, FieldPath path, string message, FieldErrors errors)
    {
        if (type.Length == 0)
            errors.Required(path, message);
        else if (type != wanted)
            errors.Invalid(path, type, message);
    }

    /// <param name="IsRoot">The schema of the whole object.</param>
    /// <param name="IsInsideMetadata">Of apiVersion, kind or metadata, the object's own or an embedded one's.</param>
    /// <param name="WhyNoDefaults">Null where defaults are allowed.</param>
    private sealed record Place(bool IsRoot, bool IsInsideMetadata, string? WhyNoDefaults)
    {
        public static readonly Place Root = new(true, false, null);
    }
}
