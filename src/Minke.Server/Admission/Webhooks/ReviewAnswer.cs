using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Requests;

namespace Minke.Server.Admission.Webhooks;

/// <summary>What a webhook answered, once it is known to be an answer to what was asked.</summary>
/// <param name="Patch">JSON; empty for none.</param>
internal sealed record ReviewAnswer(
    bool IsAllowed, Status? Status, byte[] Patch, string PatchType, IReadOnlyList<KeyValuePair<string, string>> AuditAnnotations, IReadOnlyList<string> Warnings)
{
    /// <exception cref="JsonReadException">No review at all.</exception>
    /// <exception cref="UnfitAnswerException">A review that does not answer, or says what it may not.</exception>
    public static ReviewAnswer Read(byte[] json, string version, string uid, bool isMutating)
    {
        var review = Review(json);
        var (apiVersion, kind) = (Text(review, "apiVersion", "AdmissionReview.apiVersion"), Text(review, "kind", "AdmissionReview.kind"));
        CheckType(apiVersion, kind, version);
        if (Member<JsonObject>(review, "response", "AdmissionReview.response", "v1.AdmissionResponse") is not { } response)
            throw new UnfitAnswerException("webhook response was absent");
        var answered = Text(response, "uid", "AdmissionResponse.response.uid");
        var isAllowed = response["allowed"] is JsonValue allowed && (allowed.TryGetValue(out bool is_) ? is_ : throw WrongType(allowed, "AdmissionResponse.response.allowed", "bool"));
        var status = StatusOf(response);
        var patch = Bytes(Text(response, "patch", "AdmissionResponse.response.patch"));
        var patchType = response.ContainsKey("patchType") && response["patchType"] is not null ? Text(response, "patchType", "AdmissionResponse.response.patchType") : null;
        var annotations = Member<JsonObject>(response, "auditAnnotations", "AdmissionResponse.response.auditAnnotations", "map[string]string");
        var warnings = Member<JsonArray>(response, "warnings", "AdmissionResponse.response.warnings", "[]string");

        if (version == "v1")
        {
            if (answered != uid)
                throw new UnfitAnswerException($"expected response.uid={FieldErrors.Quote(uid)}, got {FieldErrors.Quote(answered)}");
            if (apiVersion != "admission.k8s.io/v1" || kind != "AdmissionReview")
            {
                var shown = apiVersion.Contains('/', StringComparison.Ordinal) ? apiVersion : "/" + apiVersion;
                throw new UnfitAnswerException($"expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {shown}, Kind={kind}");
            }
            CheckPatch(patch, patchType, isMutating);
        }
        else
        {
            // The older form told neither, and was never asked.
            patchType = patch.Length > 0 ? "JSONPatch" : "";
            patch = isMutating ? patch : [];
        }
        return new(isAllowed, status, patch, patchType ?? "",
            [.. (annotations ?? []).Select(pair => KeyValuePair.Create(pair.Key, JsonTree.IsText(pair.Value, out var text) ? text : throw WrongType(pair.Value, "AdmissionResponse.response.auditAnnotations", "string")))],
            [.. (warnings ?? []).Select(one => JsonTree.IsText(one, out var text) ? text : throw WrongType(one, "AdmissionResponse.response.warnings", "string"))]);
    }

    private static JsonObject Review(byte[] json)
    {
        JsonNode? tree;
        try
        {
            tree = JsonTree.Parse(json);
        }
        catch (JsonReadException e)
        {
            throw new JsonReadException(GoTypeMeta.Unreadable + e.Message);
        }
        return tree as JsonObject ?? throw new JsonReadException(GoTypeMeta.Unreadable + GoTypeMeta.NotIn(JsonTree.JsonType(tree)));
    }

    /// <summary>Another type that is known cannot be turned into a review, and one that is not cannot be read.</summary>
    private static void CheckType(string apiVersion, string kind, string version)
    {
        // What says nothing is taken for what was asked for, and refused later for saying nothing.
        if ((apiVersion.Length == 0 && kind.Length == 0) || (apiVersion == "admission.k8s.io/" + version && kind == "AdmissionReview"))
            return;
        if (kind.Length == 0 || apiVersion.Length == 0)
            return;
        if (kind == "AdmissionReview" && apiVersion is "admission.k8s.io/v1" or "admission.k8s.io/v1beta1")
            throw new JsonReadException($"converting ({apiVersion["admission.k8s.io/".Length..]}.AdmissionReview) to ({version}.AdmissionReview): unknown conversion");
        throw new JsonReadException($"no kind {FieldErrors.Quote(kind)} is registered for version {FieldErrors.Quote(apiVersion)} in scheme \"pkg/runtime/scheme.go:100\"");
    }

    private static void CheckPatch(byte[] patch, string? patchType, bool isMutating)
    {
        var wrong = (isMutating, patch.Length > 0, patchType) switch
        {
            (true, true, null) => "webhook returned response.patch but not response.patchType",
            (true, false, not null) => "webhook returned response.patchType but not response.patch",
            (true, true, "") => "webhook returned invalid response.patchType of \"\"",
            (false, true, _) => "validating webhook may not return response.patch",
            (false, _, not null) => "validating webhook may not return response.patchType",
            _ => null,
        };
        if (wrong is not null)
            throw new UnfitAnswerException(wrong);
    }

    private static Status? StatusOf(JsonObject response) =>
        Member<JsonObject>(response, "status", "AdmissionResponse.response.status", "v1.Status") is { } status ? Json.Read(JsonTree.Write(status), Status.ReadJson) : null;

    private static byte[] Bytes(string base64)
    {
        try
        {
            return Convert.FromBase64String(base64);
        }
        catch (FormatException)
        {
            var at = base64.AsSpan().IndexOfAnyExcept(Base64);
            throw new JsonReadException($"illegal base64 data at input byte {(at < 0 ? base64.Length / 4 * 4 : at)}");
        }
    }

    private static readonly System.Buffers.SearchValues<char> Base64 =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    private static string Text(JsonObject members, string name, string field) =>
        members[name] is not { } value ? "" : JsonTree.IsText(value, out var text) ? text : throw WrongType(value, field, "string");

    private static T? Member<T>(JsonObject members, string name, string field, string type) where T : JsonNode =>
        members[name] switch { null => null, T value => value, var other => throw WrongType(other, field, type) };

    private static JsonReadException WrongType(JsonNode? value, string field, string type) =>
        new($"json: cannot unmarshal {JsonTree.JsonType(value)} into Go struct field {field} of type {type}");
}

/// <summary>A review that is well-formed and still no answer.</summary>
internal sealed class UnfitAnswerException(string message) : Exception(message);
