using System.Globalization;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>Which objects, as of when, how many: the options of a list or watch, parsed and checked.</summary>
internal sealed class ListQuery
{
    public LabelQuery Labels { get; init; } = LabelQuery.Everything;
    public FieldQuery Fields { get; init; } = FieldQuery.Everything;
    public ListOptions Options { get; init; } = ListOptions.Empty;

    /// <summary>Null for "the latest", zero for "any".</summary>
    public Revision? Revision { get; init; }

    /// <summary>Nothing is filtered out.</summary>
    public bool IsEverything => Labels.IsEmpty && Fields.IsEmpty;

    public bool Matches(IKubeObject value) => IsEverything || (Labels.Matches(value.Metadata.Labels) && Fields.Matches(value));

    /// <exception cref="StatusException">400 or 422, with upstream's text.</exception>
    public static ListQuery From(ListOptions options, KindInfo kind, string name = "")
    {
        try
        {
            var labels = LabelQuery.Parse(options.LabelSelector);
            var fields = FieldQuery.Parse(options.FieldSelector, kind);
            if (name.Length > 0)
                fields = OfName(fields, kind, name);
            Validate(options);
            return new() { Labels = labels, Fields = fields, Options = options, Revision = ParseRevision(options.ResourceVersion) };
        }
        catch (FormatException e)
        {
            throw StatusException.BadRequest(e.Message);
        }
    }

    // /watch/ before the path of one name: the deprecated form of a field selector on the name.
    private static FieldQuery OfName(FieldQuery fields, KindInfo kind, string name) => fields.Name is { } other && other != name
        ? throw StatusException.BadRequest($"fieldSelector metadata.name doesn't match requested name")
        : FieldQuery.Parse("metadata.name=" + name, kind);

    public static Revision? ParseRevision(string text)
    {
        if (text.Length == 0)
            return null;
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var revision))
            return new Revision(revision);
        throw StatusException.BadRequest(
            $"resourceVersion: Invalid value: {FieldErrors.Quote(text)}: strconv.ParseUint: parsing {FieldErrors.Quote(text)}: invalid syntax");
    }

    private static void Validate(ListOptions options)
    {
        var errors = new FieldErrors();
        var match = options.ResourceVersionMatch;
        if (options.Watch)
            ValidateWatch(options, match, errors);
        else
        {
            if (match.Length > 0)
            {
                if (options.ResourceVersion.Length == 0)
                    errors.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
                if (options.Continue.Length > 0)
                    errors.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
                if (match is not (ResourceVersionMatch.Exact or ResourceVersionMatch.NotOlderThan))
                    errors.NotSupported("resourceVersionMatch", match, [ResourceVersionMatch.Exact, ResourceVersionMatch.NotOlderThan, ""]);
                if (match == ResourceVersionMatch.Exact && options.ResourceVersion == "0")
                    errors.Forbidden("resourceVersionMatch", "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
            }
            if (options.SendInitialEvents is not null)
                errors.Forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        if (errors.Count > 0)
            throw StatusException.Invalid("meta.k8s.io", "ListOptions", "", errors);
    }

    private static void ValidateWatch(ListOptions options, string match, FieldErrors errors)
    {
        if (options.SendInitialEvents is not null && match != ResourceVersionMatch.NotOlderThan)
            errors.Forbidden("resourceVersionMatch", $"sendInitialEvents requires setting resourceVersionMatch to {ResourceVersionMatch.NotOlderThan}");
        if (match.Length == 0)
            return;
        if (options.SendInitialEvents is null)
            errors.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        if (match != ResourceVersionMatch.NotOlderThan)
            errors.NotSupported("resourceVersionMatch", match, [ResourceVersionMatch.NotOlderThan]);
        if (options.Continue.Length > 0)
            errors.Forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
    }
}
