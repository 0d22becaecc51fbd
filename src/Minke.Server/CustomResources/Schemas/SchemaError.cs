using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.CustomResources.Schemas;

internal enum SchemaFailure { Type, Required, TooLong, TooMany, Enum, Other, Composite }

/// <summary>One thing wrong with a value, in the words of kube-openapi's validator.</summary>
/// <param name="Failure">What kind of thing.</param>
/// <param name="Path">Where; empty for the root.</param>
/// <param name="Shown">The value to show.</param>
/// <param name="Message">The whole sentence: <c>spec.replicas in body should be less than or equal to 10</c>.</param>
internal sealed record SchemaError(SchemaFailure Failure, string Path, object? Shown, string Message)
{
    /// <summary>Of what there is too much.</summary>
    public int Actual { get; init; }
    public int Limit { get; init; }
    public IReadOnlyList<JsonNode?> Allowed { get; init; } = [];

    /// <summary>As the field error upstream makes of it (kubeOpenAPIResultToFieldErrors).</summary>
    /// <param name="below">Path of what was validated.</param>
    public void AddTo(FieldErrors errors, string below)
    {
        var relative = Path.TrimStart('.');
        FieldPath path = relative.Length == 0 ? below : below.Length == 0 ? relative : below + "." + relative;
        switch (Failure)
        {
            case SchemaFailure.Required:
                errors.Required(path);
                break;
            case SchemaFailure.Enum:
                errors.NotSupported(path, Shown, Allowed.Select(one => JsonTree.IsText(one, out var text) ? text : System.Text.Encoding.UTF8.GetString(JsonTree.Write(one))));
                break;
            case SchemaFailure.TooLong:
                errors.TooLong(path, Limit);
                break;
            case SchemaFailure.TooMany:
                errors.TooMany(path, Actual, Limit);
                break;
            case SchemaFailure.Type:
                errors.TypeInvalid(path, Shown, Message);
                break;
            case SchemaFailure.Composite:
                errors.Invalid(below, "", Message);
                break;
            default:
                errors.Invalid(path, Shown, Message);
                break;
        }
    }
}
