using Minke.Api;

namespace Minke.Server.Requests;

internal enum BodyFormat { Json, Yaml, Protobuf }

/// <summary>A form the client asked for instead of the object itself.</summary>
internal enum Projection { None, Table, PartialMetadata }

/// <summary>In what form an answer goes out.</summary>
internal readonly record struct MediaType(BodyFormat Format, Projection Projection = Projection.None, bool IsPretty = false)
{
    private const string Accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

    public string ContentType => Format switch
    {
        BodyFormat.Yaml => "application/yaml",
        BodyFormat.Protobuf => "application/vnd.kubernetes.protobuf",
        _ => "application/json",
    };

    public string WatchContentType => Format == BodyFormat.Protobuf ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/json";

    /// <summary>The first of the accepted forms that we have; a client that names none takes JSON.</summary>
    /// <exception cref="StatusException">406.</exception>
    public static MediaType Negotiate(string accept)
    {
        if (accept.Length == 0 || accept is "application/json" or "*/*")
            return default;
        foreach (var clause in accept.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (Read(clause) is { } type)
                return type;
        }
        throw StatusException.NotAcceptable($"only the following media types are accepted: {Accepted}");
    }

    private static MediaType? Read(string clause)
    {
        var parts = clause.Split(';', StringSplitOptions.TrimEntries);
        BodyFormat? format = parts[0] switch
        {
            "application/json" or "application/*" or "*/*" => BodyFormat.Json,
            "application/yaml" => BodyFormat.Yaml,
            "application/vnd.kubernetes.protobuf" => BodyFormat.Protobuf,
            _ => null,
        };
        if (format is null)
            return null;
        string form = "", group = "", version = "";
        var isPretty = false;
        foreach (var parameter in parts.AsSpan(1))
        {
            var equals = parameter.IndexOf('=', StringComparison.Ordinal);
            var (key, value) = equals < 0 ? (parameter, "") : (parameter[..equals], parameter[(equals + 1)..].Trim('"'));
            _ = key switch
            {
                "as" => form = value,
                "g" => group = value,
                "v" => version = value,
                "pretty" => (isPretty = value == "1") ? value : value,
                _ => "",
            };
        }
        if (form.Length == 0)
            return new(format.Value, Projection.None, isPretty);
        if (group != "meta.k8s.io" || version is not ("v1" or "v1beta1"))
            return null;
        return form switch
        {
            // Tables have no protobuf form.
            "Table" when format != BodyFormat.Protobuf => new(format.Value, Projection.Table, isPretty),
            "PartialObjectMetadata" or "PartialObjectMetadataList" => new(format.Value, Projection.PartialMetadata, isPretty),
            _ => null,
        };
    }

    /// <summary>The format of a request's body.</summary>
    /// <exception cref="StatusException">415.</exception>
    public static BodyFormat OfBody(string contentType)
    {
        var semicolon = contentType.IndexOf(';', StringComparison.Ordinal);
        return (semicolon < 0 ? contentType : contentType[..semicolon]).Trim() switch
        {
            "" or "application/json" or "application/*" or "*/*" => BodyFormat.Json,
            "application/yaml" => BodyFormat.Yaml,
            "application/vnd.kubernetes.protobuf" => BodyFormat.Protobuf,
            _ => throw StatusException.UnsupportedMediaType($"the body of the request was in an unknown format - accepted media types include: {Accepted}"),
        };
    }
}
