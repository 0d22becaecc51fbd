using System.Globalization;
using System.Text;
using Minke.Api.Apiextensions.V1;

namespace Minke.Api;

/// <summary>
/// CustomResourceDefinitions but for their schemas. (pkg/apis/apiextensions/validation) What all versions have in common is judged, and
/// named, as upstream's older form has it: once for all, under <c>spec.validation</c>, <c>spec.subresources</c> and so on.
/// </summary>
internal static class DefinitionRules
{
    private const string ApprovalAnnotation = "api-approved.kubernetes.io";
    private const string ApprovalPage = "see https://github.com/kubernetes/enhancements/pull/1111";
    private const int MaxDeprecationWarning = 256;
    private static readonly string[] Scopes = [ResourceScope.Cluster, ResourceScope.Namespaced];
    private static readonly string[] Strategies = [ConversionStrategyType.None, ConversionStrategyType.Webhook];
    private static readonly string[] ReviewVersions = ["v1", "v1beta1"];
    private static readonly string[] ColumnTypes = ["boolean", "date", "integer", "number", "string"];
    private static readonly string[] ColumnFormats = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

    public static void ValidateSpec(CustomResourceDefinitionSpec spec, CustomResourceDefinition? old, FieldErrors errors)
    {
        ValidateGroup(spec.Group, errors);
        OneOf(spec.Scope, Scopes, "spec.scope", errors);
        for (var i = 0; i < spec.Versions.Count; i++)
        {
            if (spec.Versions[i].Schema?.OpenAPIV3Schema is null)
                errors.Required(VersionPath(i).Child("schema").Child("openAPIV3Schema"), "schemas are required");
        }
        if (spec.PreserveUnknownFields && spec.Versions.Any(version => SchemaRules.Has(version.Schema?.OpenAPIV3Schema, schema => schema.Default is not null)))
            errors.Invalid("spec.preserveUnknownFields", true, "must be false in order to use defaults in the schema");

        var common = CommonParts.Of(spec.Versions);
        var isEstablished = old is not null && IsEstablished(old);
        ValidateVersions(spec.Versions, common, errors);

        ValidateRequiredNames(spec.Names, errors);
        ValidateNames(spec.Names, "spec.names", errors);
        var hasStatus = spec.Versions.Any(version => version.Subresources?.Status is not null);
        SchemaRules.Validate(common.Schema, hasStatus, "spec.validation", errors);
        ValidateSubresources(common.Subresources, "spec.subresources", errors);
        ValidateColumns(common.Columns, "spec.additionalPrinterColumns", errors);
        if (!common.SelectableFields.IsEmpty)
        {
            if (common.Schema is null)
                errors.Invalid("spec.selectableFields", "", "selectableFields may only be set when validations.schema is included");
            else
                SchemaPaths.ValidateSelectable(common.SelectableFields, common.Schema.OpenAPIV3Schema, "spec.selectableFields", errors);
        }
        if (spec.PreserveUnknownFields && spec.Conversion is { } chosen && chosen.Strategy != ConversionStrategyType.None)
            errors.Invalid("spec.conversion.strategy", chosen.Strategy, "must be None if spec.preserveUnknownFields is true");
        if (spec.Conversion is { } conversion)
            ValidateConversion(conversion, old, isEstablished, errors);

        if (old is null)
            return;
        if (isEstablished)
        {
            Immutable(spec.Scope, old.Spec.Scope, "spec.scope", errors);
            Immutable(spec.Names.Kind, old.Spec.Names.Kind, "spec.names.kind", errors);
        }
        Immutable(spec.Group, old.Spec.Group, "spec.group", errors);
        Immutable(spec.Names.Plural, old.Spec.Names.Plural, "spec.names.plural", errors);
    }

    public static void ValidateNames(CustomResourceDefinitionNames names, FieldPath path, FieldErrors errors)
    {
        Label(names.Plural, names.Plural, path.Child("plural"), "", errors);
        Label(names.Singular, names.Singular, path.Child("singular"), "", errors);
        const string mixed = "may have mixed case, but should otherwise match: ";
        Label(names.Kind.ToLowerInvariant(), names.Kind, path.Child("kind"), mixed, errors);
        Label(names.ListKind.ToLowerInvariant(), names.ListKind, path.Child("listKind"), mixed, errors);
        for (var i = 0; i < names.ShortNames.Count; i++)
            Joined(Names.Dns1035Label(names.ShortNames[i]), path.Child("shortNames").Index(i), names.ShortNames[i], errors);
        if (names.Kind.Length > 0 && names.Kind == names.ListKind)
            errors.Invalid(path.Child("listKind"), names.ListKind, "kind and listKind may not be the same");
        for (var i = 0; i < names.Categories.Count; i++)
            Joined(Names.Dns1035Label(names.Categories[i]), path.Child("categories").Index(i), names.Categories[i], errors);
    }

    public static void ValidateStoredVersions(CustomResourceDefinition definition, FieldErrors errors)
    {
        FieldPath path = "status.storedVersions";
        var stored = definition.Status.StoredVersions;
        if (stored.IsEmpty)
        {
            errors.Invalid(path, stored, "must have at least one stored version");
            return;
        }
        foreach (var version in definition.Spec.Versions)
        {
            if (version.Storage && !stored.Contains(version.Name))
                errors.Invalid(path, stored, "must have the storage version " + version.Name);
        }
        for (var i = 0; i < stored.Count; i++)
        {
            var name = stored[i];
            if (definition.Spec.Versions.Any(version => version.Name == name))
                continue;
            errors.Invalid(path.Index(i), name, $"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
                + $"until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions");
        }
    }

    /// <summary>Groups that belong to Kubernetes itself are for those it has approved. (KEP 1111)</summary>
    public static void ValidateApproval(CustomResourceDefinition definition, CustomResourceDefinition? old, FieldErrors errors)
    {
        var group = definition.Spec.Group;
        if (group is not ("k8s.io" or "kubernetes.io")
            && !group.EndsWith(".k8s.io", StringComparison.Ordinal) && !group.EndsWith(".kubernetes.io", StringComparison.Ordinal))
            return;
        var text = definition.Metadata.Annotations.GetValueOrDefault(ApprovalAnnotation) ?? "";
        var state = ApprovalOf(text);
        if (old is not null && ApprovalOf(old.Metadata.Annotations.GetValueOrDefault(ApprovalAnnotation) ?? "") == state)
            return;
        var at = new FieldPath("metadata.annotations").Key(ApprovalAnnotation);
        if (state == Approval.Missing)
            errors.Required(at, $"protected groups must have approval annotation \"{ApprovalAnnotation}\", {ApprovalPage}");
        else if (state == Approval.Invalid)
            errors.Invalid(at, text, $"protected groups must have approval annotation \"{ApprovalAnnotation}\" with either a URL or a reason starting with \"unapproved\", {ApprovalPage}");
    }

    public static bool IsEstablished(CustomResourceDefinition definition) => definition.Status.Conditions.Any(condition =>
        condition is { Type: CustomResourceDefinitionConditionType.Established, Status: "True" });

    private static void ValidateGroup(string group, FieldErrors errors)
    {
        if (group.Length == 0)
        {
            errors.Required("spec.group");
            return;
        }
        var wrong = string.Join(',', Names.Dns1123Subdomain(group));
        if (wrong.Length > 0)
            errors.Invalid("spec.group", group, wrong);
        else if (!group.Contains('.', StringComparison.Ordinal))
            errors.Invalid("spec.group", group, "should be a domain with at least one dot");
    }

    private static void ValidateVersions(ApiList<CustomResourceDefinitionVersion> versions, CommonParts common, FieldErrors errors)
    {
        for (var i = 0; i < versions.Count; i++)
        {
            var (version, at) = (versions[i], VersionPath(i));
            Joined(Names.Dns1035Label(version.Name), at.Child("name"), version.Name, errors);
            PodRules.Each(DeprecationErrors(version), at.Child("deprecationWarning"), version.DeprecationWarning, errors);
            if (!common.HasSchema)
                SchemaRules.Validate(version.Schema, version.Subresources?.Status is not null, at.Child("schema"), errors);
            if (!common.HasSubresources)
                ValidateSubresources(version.Subresources, at.Child("subresources"), errors);
            if (!common.HasColumns)
                ValidateColumns(version.AdditionalPrinterColumns, at.Child("additionalPrinterColumns"), errors);
            if (common.HasSelectableFields || version.SelectableFields.IsEmpty)
                continue;
            // The schema that versions share is not theirs any more by upstream's count, and so is missed here.
            if (common.HasSchema || version.Schema?.OpenAPIV3Schema is null)
                errors.Invalid(at.Child("selectableFields"), "", "selectableFields may only be set when version.schema.openAPIV3Schema is not included");
            else
                SchemaPaths.ValidateSelectable(version.SelectableFields, version.Schema.OpenAPIV3Schema, at.Child("selectableFields"), errors);
        }
        if (versions.Select(version => version.Name).Distinct(StringComparer.Ordinal).Count() < versions.Count)
            errors.Invalid("spec.versions", Show(versions, common), "must contain unique version names");
        if (versions.Count(version => version.Storage) != 1)
            errors.Invalid("spec.versions", Show(versions, common), "must have exactly one version marked as storage version");
        if (versions is [{ Name.Length: > 0 } first, ..])
            Joined(Names.Dns1035Label(first.Name), "spec.version", first.Name, errors);
    }

    private static IEnumerable<string> DeprecationErrors(CustomResourceDefinitionVersion version)
    {
        if (version.DeprecationWarning is not { } warning)
            yield break;
        if (!version.Deprecated)
        {
            yield return "can only be set for deprecated versions";
            yield break;
        }
        if (Encoding.UTF8.GetByteCount(warning) > MaxDeprecationWarning)
            yield return "must be <= 256 characters long";
        if (warning.Length == 0)
            yield return "must not be an empty string";
        var index = 0;
        foreach (var rune in warning.EnumerateRunes())
        {
            // Go counts a space as printable, and no other separator.
            if (rune.Value != ' ' && (Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.Surrogate
                or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.SpaceSeparator
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator))
            {
                yield return string.Create(CultureInfo.InvariantCulture, $"must only contain printable UTF-8 characters; non-printable character found at index {index}");
                yield break;
            }
            index += rune.Utf8SequenceLength;
        }
    }

    private static void ValidateRequiredNames(CustomResourceDefinitionNames names, FieldErrors errors)
    {
        if (names.Plural.Length == 0)
            errors.Required("spec.names.plural");
        if (names.Singular.Length == 0)
            errors.Required("spec.names.singular");
        if (names.Kind.Length == 0)
            errors.Required("spec.names.kind");
        if (names.ListKind.Length == 0)
            errors.Required("spec.names.listKind");
    }

    private static void ValidateSubresources(CustomResourceSubresources? subresources, FieldPath path, FieldErrors errors)
    {
        if (subresources?.Scale is not { } scale)
            return;
        ScalePath(scale.SpecReplicasPath, ".spec.", path.Child("scale.specReplicasPath"), errors);
        ScalePath(scale.StatusReplicasPath, ".status.", path.Child("scale.statusReplicasPath"), errors);
        if (string.IsNullOrEmpty(scale.LabelSelectorPath))
            return;
        var at = path.Child("scale.labelSelectorPath");
        if (!scale.LabelSelectorPath.StartsWith('.'))
            errors.Invalid(at, scale.LabelSelectorPath, "must be a simple json path starting with .");
        else if (!scale.LabelSelectorPath.StartsWith(".spec.", StringComparison.Ordinal) && !scale.LabelSelectorPath.StartsWith(".status.", StringComparison.Ordinal))
            errors.Invalid(at, scale.LabelSelectorPath, "should be a json path under either .spec or .status");
    }

    private static void ScalePath(string text, string prefix, FieldPath path, FieldErrors errors)
    {
        if (text.Length == 0)
            errors.Required(path);
        else if (text[0] != '.')
            errors.Invalid(path, text, "must be a simple json path starting with .");
        else if (!text.StartsWith(prefix, StringComparison.Ordinal))
            errors.Invalid(path, text, "should be a json path under " + prefix[..^1]);
    }

    private static void ValidateColumns(ApiList<CustomResourceColumnDefinition> columns, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < columns.Count; i++)
        {
            var (column, at) = (columns[i], path.Index(i));
            if (column.Name.Length == 0)
                errors.Required(at.Child("name"));
            var types = "must be one of " + string.Join(',', ColumnTypes);
            if (column.Type.Length == 0)
                errors.Required(at.Child("type"), types);
            else if (!ColumnTypes.Contains(column.Type))
                errors.Invalid(at.Child("type"), column.Type, types);
            if (column.Format.Length > 0 && !ColumnFormats.Contains(column.Format))
                errors.Invalid(at.Child("format"), column.Format, "must be one of " + string.Join(',', ColumnFormats));
            if (column.JsonPath.Length == 0)
                errors.Required(at.Child("JSONPath"));
            else if (column.JsonPath[0] != '.')
                errors.Invalid(at.Child("JSONPath"), column.JsonPath, "must be a simple json path starting with .");
        }
    }

    private static void ValidateConversion(CustomResourceConversion conversion, CustomResourceDefinition? old, bool isEstablished, FieldErrors errors)
    {
        FieldPath path = "spec.conversion", client = "spec.conversion.webhookClientConfig", reviews = "spec.conversion.conversionReviewVersions";
        OneOf(conversion.Strategy, Strategies, path.Child("strategy"), errors);
        if (conversion.Strategy != ConversionStrategyType.Webhook)
        {
            if (conversion.Webhook?.ClientConfig is not null)
                errors.Forbidden(client, "should not be set when strategy is not set to Webhook");
            if (conversion.Webhook is { ConversionReviewVersions.IsEmpty: false })
                errors.Forbidden(reviews, "should not be set when strategy is not set to Webhook");
            return;
        }
        if (conversion.Webhook?.ClientConfig is not { } config)
        {
            errors.Required(client, "required when strategy is set to Webhook");
        }
        else
        {
            if (config.Url is null == config.Service is null)
                errors.Required(client, "exactly one of url or service is required");
            else if (config.Url is { } url)
                WebhookRules.ValidateUrl(url, client.Child("url"), errors);
            else if (config.Service is { } service)
                // Upstream hands name and namespace over in the wrong order, so what it misses has the other's name.
                WebhookRules.ValidateService(service.Name, service.Namespace, service.Path, service.Port ?? 0, client.Child("service"), errors);
            // Injectors fill in the bundle later, so until then anything goes, as does what was broken already.
            var before = old?.Spec.Conversion?.Webhook?.ClientConfig?.CaBundle;
            if (config.CaBundle is { Length: > 0 } bundle && isEstablished && (before is null or { Length: 0 } || WebhookRules.IsBundle(before)))
                WebhookRules.ValidateBundle(bundle, client.Child("caBundle"), errors);
        }
        var known = old?.Spec.Conversion?.Webhook?.ConversionReviewVersions ?? default;
        ValidateReviewVersions(conversion.Webhook?.ConversionReviewVersions ?? default, known.IsEmpty || known.Any(ReviewVersions.Contains), reviews, errors);
    }

    private static void ValidateReviewVersions(ApiList<string> versions, bool needsKnown, FieldPath path, FieldErrors errors)
    {
        if (versions.IsEmpty)
        {
            errors.Required(path);
            return;
        }
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < versions.Count; i++)
        {
            if (!seen.Add(versions[i]))
                errors.Invalid(path.Index(i), versions[i], "duplicate version");
            else
                PodRules.Each(Names.Dns1035Label(versions[i]), path.Index(i), versions[i], errors);
        }
        if (needsKnown && !versions.Any(ReviewVersions.Contains))
            errors.Invalid(path, versions, "must include at least one of " + string.Join(", ", ReviewVersions));
    }

    private static void OneOf(string value, string[] accepted, FieldPath path, FieldErrors errors)
    {
        if (value.Length == 0)
            errors.Required(path);
        else if (!accepted.Contains(value))
            errors.NotSupported(path, value, accepted);
    }

    private static void Label(string judged, string shown, FieldPath path, string prefix, FieldErrors errors)
    {
        var wrong = string.Join(',', Names.Dns1035Label(judged));
        if (judged.Length > 0 && wrong.Length > 0)
            errors.Invalid(path, shown, prefix + wrong);
    }

    private static void Joined(IEnumerable<string> messages, FieldPath path, string value, FieldErrors errors)
    {
        var wrong = string.Join(',', messages);
        if (wrong.Length > 0)
            errors.Invalid(path, value, wrong);
    }

    private static void Immutable(string value, string old, FieldPath path, FieldErrors errors)
    {
        if (value != old)
            errors.Invalid(path, value, "field is immutable");
    }

    private static FieldPath VersionPath(int index) => new FieldPath("spec.versions").Index(index);

    private static Approval ApprovalOf(string text) => text switch
    {
        "" => Approval.Missing,
        _ when text.StartsWith("unapproved", StringComparison.Ordinal) => Approval.Bypassed,
        _ when Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Host.Length > 0 => Approval.Given,
        _ => Approval.Invalid,
    };

    /// <summary>As Go prints upstream's inner form. Parts that versions do not share are pointers there, of which only the type can be told.</summary>
    private static GoText Show(ApiList<CustomResourceDefinitionVersion> versions, CommonParts common)
    {
        const string type = "apiextensions.CustomResourceDefinitionVersion";
        if (versions.IsNull)
            return new($"[]{type}(nil)");
        return new($"[]{type}{{{string.Join(", ", versions.Select(One))}}}");

        string One(CustomResourceDefinitionVersion version) =>
            $"{type}{{Name:{FieldErrors.Quote(version.Name)}, Served:{Flag(version.Served)}, Storage:{Flag(version.Storage)}, Deprecated:{Flag(version.Deprecated)}, "
            + $"DeprecationWarning:{Pointer("string", version.DeprecationWarning)}, "
            + $"Schema:{Pointer("apiextensions.CustomResourceValidation", common.HasSchema ? null : version.Schema)}, "
            + $"Subresources:{Pointer("apiextensions.CustomResourceSubresources", common.HasSubresources ? null : version.Subresources)}, "
            + $"AdditionalPrinterColumns:{List("apiextensions.CustomResourceColumnDefinition", common.HasColumns || version.AdditionalPrinterColumns.IsNull)}, "
            + $"SelectableFields:{List("apiextensions.SelectableField", common.HasSelectableFields || version.SelectableFields.IsNull)}}}";
        static string Flag(bool value) => value ? "true" : "false";
        static string Pointer(string name, object? value) => value is null ? $"(*{name})(nil)" : $"(*{name})(...)";
        static string List(string name, bool isNull) => isNull ? $"[]{name}(nil)" : $"[]{name}{{...}}";
    }

    private enum Approval
    {
        Missing,
        Bypassed,
        Given,
        Invalid,
    }

    /// <summary>What all versions say alike; each part by itself.</summary>
    private sealed record CommonParts
    {
        public bool HasSchema { get; private init; }
        public bool HasSubresources { get; private init; }
        public bool HasColumns { get; private init; }
        public bool HasSelectableFields { get; private init; }
        public CustomResourceValidation? Schema { get; private init; }
        public CustomResourceSubresources? Subresources { get; private init; }
        public ApiList<CustomResourceColumnDefinition> Columns { get; private init; }
        public ApiList<SelectableField> SelectableFields { get; private init; }

        public static CommonParts Of(ApiList<CustomResourceDefinitionVersion> versions)
        {
            if (versions is not [var first, ..])
                return new();
            var (schema, subresources) = (versions.All(one => Json.Same(one.Schema, first.Schema)), versions.All(one => Json.Same(one.Subresources, first.Subresources)));
            var columns = versions.All(one => AreSame(one.AdditionalPrinterColumns, first.AdditionalPrinterColumns));
            var fields = versions.All(one => AreSame(one.SelectableFields, first.SelectableFields));
            return new()
            {
                HasSchema = schema,
                HasSubresources = subresources,
                HasColumns = columns,
                HasSelectableFields = fields,
                Schema = schema ? first.Schema : null,
                Subresources = subresources ? first.Subresources : null,
                Columns = columns ? first.AdditionalPrinterColumns : default,
                SelectableFields = fields ? first.SelectableFields : default,
            };
        }

        private static bool AreSame<T>(ApiList<T> a, ApiList<T> b) where T : IJsonWritable => a.Count == b.Count && a.Zip(b).All(pair => Json.Same(pair.First, pair.Second));
    }
}
