namespace Minke.Server.Requests;

/// <summary>What upstream says when it cannot find out of what kind an object is.</summary>
internal static class GoTypeMeta
{
    public const string Unreadable = "couldn't get version/kind; json parse error: ";

    private const string GoType = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";

    /// <param name="jsonType">What there is instead of an object.</param>
    public static string NotIn(string jsonType) => $"json: cannot unmarshal {jsonType} into Go value of type {GoType}";
}
