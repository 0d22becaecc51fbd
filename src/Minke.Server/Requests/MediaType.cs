using System.Globalization;
using Microsoft.AspNetCore.Http;
using Minke.Api;

namespace Minke.Server.Requests;

internal enum BodyFormat { Json, Yaml, Protobuf }

/// <summary>A form the client asked for instead of the object itself.</summary>
internal enum Projection { None, Table, PartialMetadata, PartialMetadataList }

/// <summary>In what form an answer goes out.</summary>
/// <param name="IsBeta">The projection's older version, <c>meta.k8s.io/v1beta1</c>, was asked for.</param>
internal readonly record struct MediaType(BodyFormat Format, Projection Projection = Projection.None, bool IsPretty = false, bool IsBeta = false)
{
    private const string Accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    private const string AcceptedStreams = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

    public string ContentType => Format switch
    {
        BodyFormat.Yaml => "application/yaml",
        BodyFormat.Protobuf => "application/vnd.kubernetes.protobuf",
        _ => "application/json",
    };

    public string WatchContentType => Format == BodyFormat.Protobuf ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/json";

    /// <summary>Of projections.</summary>
    public string MetaVersion => IsBeta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";

    /// <summary>The most wanted of the accepted forms that we have; a client that names none takes JSON.</summary>
    /// <exception cref="StatusException">406.</exception>
    public static MediaType Negotiate(string accept, bool isWatch = false, bool hasProtobuf = true, bool hasTable = true)
    {
        if (accept.Length == 0 || accept is "application/json" or "*/*")
            return default;
        var clauses = accept.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var ordered = clauses.Length == 1 ? clauses : [.. clauses.OrderByDescending(Quality).ThenBy(clause => clause.StartsWith("*/", StringComparison.Ordinal))];
        foreach (var clause in ordered)
        {
            // Metadata alone has a protobuf form for every kind; custom objects have none.
            if (Read(clause) is not { } type || (!hasProtobuf && type is { Format: BodyFormat.Protobuf, Projection: Projection.None })
                || (!hasTable && type.Projection == Projection.Table))
                continue;
            // YAML has no frames to stream in, and upstream looks no further than the first form that fits.
            return isWatch && type.Format == BodyFormat.Yaml ? throw NotAcceptable(AcceptedStreams) : type;
        }
        throw NotAcceptable(isWatch ? AcceptedStreams : Accepted);
    }

    /// <summary>Whether an answer is to be read by people: they say so, or come with a browser or curl.</summary>
    public static bool IsForPeople(HttpRequest request)
    {
        if (request.QueryString.HasValue && request.Query.TryGetValue("pretty", out var asked) && asked.Count > 0 && !string.IsNullOrEmpty(asked[0]))
            return asked[0] is "1" or "t" or "T" or "true" or "TRUE" or "True";
        var agent = request.Headers.UserAgent.ToString();
        return agent.StartsWith("curl", StringComparison.Ordinal) || agent.StartsWith("Wget", StringComparison.Ordinal)
            || agent.StartsWith("Mozilla/5.0", StringComparison.Ordinal);
    }

    private static double Quality(string clause)
    {
        var at = clause.IndexOf("q=", StringComparison.Ordinal);
        if (at <= 0 || clause[at - 1] is not (';' or ' '))
            return 1;
        var end = clause.IndexOf(';', at);
        return double.TryParse(clause.AsSpan(at + 2, (end < 0 ? clause.Length : end) - at - 2), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var quality)
            ? quality : 1;
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
        string form = "", group = "", version = "", stream = "";
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
                "stream" => stream = value,
                "pretty" => (isPretty = value == "1") ? value : value,
                _ => "",
            };
        }
        if (stream is not ("" or "watch") || (stream.Length > 0 && format == BodyFormat.Yaml))
            return null;
        if (form.Length == 0)
            return group.Length == 0 && version.Length == 0 ? new(format.Value, Projection.None, isPretty) : null;
        if (group != "meta.k8s.io" || version is not ("v1" or "v1beta1"))
            return null;
        var isBeta = version == "v1beta1";
        return form switch
        {
            // Tables have no protobuf form.
            "Table" when format != BodyFormat.Protobuf => new(format.Value, Projection.Table, isPretty, isBeta),
            "PartialObjectMetadata" => new(format.Value, Projection.PartialMetadata, isPretty, isBeta),
            "PartialObjectMetadataList" => new(format.Value, Projection.PartialMetadataList, isPretty, isBeta),
            _ => null,
        };
    }

    private static StatusException NotAcceptable(string types) => StatusException.NotAcceptable($"only the following media types are accepted: {types}");

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
