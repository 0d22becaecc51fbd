using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Apply;

/// <summary>
/// Who owns fields, as one entry of managedFields: somebody by name, who writes or applies, through a subresource or not. An applier is
/// the same whatever version it applies in; a writer has an entry a version.
/// </summary>
internal sealed record Manager
{
    public const string Apply = "Apply";
    public const string Update = "Update";

    private RawJson _encoded;
    private FieldSet? _fields;
    private FieldSetCache? _sets;

    public required string Name { get; init; }
    public required string Operation { get; init; }
    public required string ApiVersion { get; init; }
    public string Subresource { get; init; } = "";
    public Time? Time { get; init; }
    public bool IsApplier => Operation == Apply;

    public FieldSet Fields
    {
        get => _fields ??= _sets is null ? FieldsV1.Read(_encoded) : _sets.Read(_encoded);
        init => (_fields, _encoded) = (value, default);
    }

    public bool IsSameAs(Manager other) => Name == other.Name && Operation == other.Operation && Subresource == other.Subresource
        && (IsApplier || ApiVersion == other.ApiVersion);

    /// <summary>From the wire. The fields are read when they are asked for.</summary>
    /// <exception cref="FormatException">With upstream's text.</exception>
    public static Manager Decode(ManagedFieldsEntry entry, int index, FieldSetCache sets)
    {
        if (entry.Operation is not (Apply or Update))
            throw new FormatException("operation must be `Apply` or `Update`");
        if (entry.ApiVersion.Length == 0)
            throw new FormatException("apiVersion must not be empty");
        if (entry.FieldsType != "FieldsV1")
        {
            throw new FormatException(entry.FieldsType.Length == 0
                ? $"missing fieldsType in managed fields entry {index}"
                : $"invalid fieldsType {FieldErrors.Quote(entry.FieldsType)} in managed fields entry {index}");
        }
        return new()
        {
            Name = entry.Manager,
            Operation = entry.Operation,
            ApiVersion = entry.ApiVersion,
            Subresource = entry.Subresource,
            Time = entry.Time,
            _encoded = entry.FieldsV1 ?? default,
            _sets = sets,
        };
    }

    public ManagedFieldsEntry Encode(FieldSetCache sets) => new()
    {
        Manager = Name,
        Operation = Operation,
        ApiVersion = ApiVersion,
        Subresource = Subresource,
        Time = Time,
        FieldsType = "FieldsV1",
        FieldsV1 = _encoded.IsNull ? sets.Write(Fields) : _encoded,
    };

    /// <summary>The same instance, encoded form and all, when the set is the same.</summary>
    public Manager WithFields(FieldSet fields) => ReferenceEquals(fields, Fields) ? this : this with { Fields = fields };

    /// <summary>As conflicts name it: <c>"kubectl" using apps/v1</c>, an applier by its name alone.</summary>
    public string ToText()
    {
        var text = FieldErrors.Quote(Name);
        if (Subresource.Length > 0)
            text += $" with subresource {FieldErrors.Quote(Subresource)}";
        return IsApplier ? text : $"{text} using {ApiVersion}";
    }

    /// <summary>Upstream orders managers by this text.</summary>
    public string ToIdentifier()
    {
        var parts = new List<string>();
        if (Name.Length > 0)
            parts.Add("\"manager\":" + GoJsonText.Quote(Name));
        parts.Add("\"operation\":" + GoJsonText.Quote(Operation));
        if (!IsApplier)
            parts.Add("\"apiVersion\":" + GoJsonText.Quote(ApiVersion));
        if (Subresource.Length > 0)
            parts.Add("\"subresource\":" + GoJsonText.Quote(Subresource));
        return "{" + string.Join(',', parts) + "}";
    }
}
