using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.CustomResources.Schemas;
using Minke.Server.Requests;
using Minke.Server.Webhooks;

namespace Minke.Server.CustomResources;

/// <summary>Asks a definition's webhook to turn objects of one version into another (ConversionReview), and believes no more of the answer than it may say.</summary>
internal sealed class ConversionWebhook(CustomResourceDefinition definition, WebhookClient client, IdSource ids, TimeProvider clock)
{
    // What upstream's client asks for.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The first review version upstream knows too; empty for none.</summary>
    private readonly string _reviewVersion =
        definition.Spec.Conversion?.Webhook?.ConversionReviewVersions.FirstOrDefault(version => version is "v1" or "v1beta1") ?? "";

    public static WebhookAddress AddressOf(CustomResourceDefinition definition)
    {
        var config = definition.Spec.Conversion?.Webhook?.ClientConfig;
        return new(config?.Url ?? "", config?.Service?.Namespace ?? "", config?.Service?.Name ?? "", config?.Service?.Path ?? "", config?.Service?.Port ?? 443, config?.CaBundle ?? []);
    }

    /// <summary>Each in its place, in the version asked for; metadata is the old one but for labels and annotations.</summary>
    /// <exception cref="StatusException">500, in upstream's words.</exception>
    public async Task<CustomObject[]> ConvertAsync(IReadOnlyList<CustomObject> objects, CustomVersion target, CancellationToken cancellationToken)
    {
        var source = $"{definition.Spec.Group}/{objects[0].Info.Version}, Kind={objects[0].Kind}";
        if (_reviewVersion.Length == 0)
            throw Failed("no supported conversion review versions");
        var uid = ids.NewUid();
        JsonArray converted;
        try
        {
            var answer = await client.PostAsync(Review(objects, target, uid), Patience, clock, cancellationToken);
            converted = Answer(answer, uid);
        }
        catch (Exception e) when (e is WebhookException or JsonReadException)
        {
            throw Failed($"conversion webhook for {source} failed: {e.Message}");
        }
        if (converted.Count != objects.Count)
            throw Failed($"conversion webhook for {source} returned {converted.Count} objects, expected {objects.Count}");
        var results = new CustomObject[objects.Count];
        for (var i = 0; i < results.Length; i++)
        {
            try
            {
                results[i] = Accept(objects[i], converted[i], target, i);
            }
            catch (JsonReadException e)
            {
                throw Failed($"conversion webhook for {source} returned {e.Message}");
            }
        }
        return results;
    }

    private byte[] Review(IReadOnlyList<CustomObject> objects, CustomVersion target, string uid)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("kind"u8, "ConversionReview");
            writer.WriteString("apiVersion"u8, "apiextensions.k8s.io/" + _reviewVersion);
            writer.WriteStartObject("request"u8);
            writer.WriteString("uid"u8, uid);
            writer.WriteString("desiredAPIVersion"u8, target.Kind.ApiVersion);
            writer.WriteStartArray("objects"u8);
            foreach (var value in objects)
                value.WriteJson(writer);
            writer.WriteEndArray();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <exception cref="JsonReadException">No review, somebody else's, or a failure.</exception>
    private JsonArray Answer(byte[] json, string uid)
    {
        var tree = JsonTree.Parse(json);
        if (tree is not JsonObject review)
            throw new JsonReadException(GoTypeMeta.Unreadable + GoTypeMeta.NotIn(JsonTree.JsonType(tree)));
        JsonTree.IsText(review["apiVersion"], out var apiVersion);
        JsonTree.IsText(review["kind"], out var kind);
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        if (kind != "ConversionReview" || apiVersion != "apiextensions.k8s.io/" + _reviewVersion)
            throw new JsonReadException($"expected webhook response of apiextensions.k8s.io/{_reviewVersion}, Kind=ConversionReview, got {(slash < 0 ? "/" : "")}{apiVersion}, Kind={kind}");
        if (review["response"] is not JsonObject response)
            throw new JsonReadException("no response provided");
        JsonTree.IsText(response["uid"], out var answered);
        if (_reviewVersion == "v1" && answered != uid)
            throw new JsonReadException($"expected response.uid={FieldErrors.Quote(uid)}, got {FieldErrors.Quote(answered)}");
        var result = response["result"] as JsonObject;
        JsonTree.IsText(result?["status"], out var status);
        JsonTree.IsText(result?["message"], out var message);
        if (status != "Success")
            throw new JsonReadException(message.Length > 0 ? message : $"response.result.status was '{status}', not 'Success'");
        return response["convertedObjects"] as JsonArray ?? [];
    }

    /// <exception cref="JsonReadException">Another object, or metadata that may not change.</exception>
    private static CustomObject Accept(CustomObject original, JsonNode? answer, CustomVersion target, int index)
    {
        var place = $"invalid converted object at index {index}: ";
        if (answer is not JsonObject converted)
            throw new JsonReadException(place + $"invalid type, expected=Unstructured, got={JsonTree.GoType(answer)}");
        JsonTree.IsText(converted["apiVersion"], out var apiVersion);
        JsonTree.IsText(converted["kind"], out var kind);
        if (apiVersion != target.Kind.ApiVersion)
            throw new JsonReadException(place + $"invalid groupVersion (expected {target.Kind.ApiVersion}, received {apiVersion})");
        if (kind != original.Kind)
            throw new JsonReadException(place + $"invalid kind (expected {original.Kind}, received {kind})");
        if (!converted.TryGetPropertyValue("metadata", out var node))
            throw new JsonReadException($"invalid metadata in object at index {index}: missing metadata in converted object");
        if (node is not JsonObject metadata)
            throw new JsonReadException($"invalid metadata in object at index {index}: invalid metadata of type {JsonTree.GoType(node)} in converted object");
        Same("name", original.Metadata.Name, metadata["name"]);
        Same("namespace", original.Metadata.Namespace, metadata["namespace"]);
        Same("UID", original.Metadata.Uid, metadata["uid"]);

        var errors = new FieldErrors();
        var labels = Texts("labels", metadata["labels"]);
        if (!labels.SequenceEqual(original.Metadata.Labels))
            ObjectMetaRules.Labels(labels, "metadata.labels", errors);
        var annotations = Texts("annotations", metadata["annotations"]);
        if (!annotations.SequenceEqual(original.Metadata.Annotations))
            ObjectMetaRules.Annotations(annotations, "metadata.annotation", errors);
        if (errors.Count > 0)
            throw new JsonReadException($"invalid metadata in object at index {index}: {errors.ToAggregate()}");
        foreach (var name in (ReadOnlySpan<string>)["apiVersion", "kind", "metadata"])
            converted.Remove(name);
        return new(target.Kind, original.Metadata with { Labels = labels, Annotations = annotations }, CustomObject.MembersOf(converted), fingerprint: 0);

        void Same(string what, string expected, JsonNode? value)
        {
            JsonTree.IsText(value, out var actual);
            if (actual != expected)
                throw new JsonReadException(place + $"must have the same {what}: {expected} != {actual}");
        }

        ApiMap<string> Texts(string field, JsonNode? value)
        {
            if (value is null)
                return default;
            if (value is not JsonObject entries)
                throw new JsonReadException($"invalid metadata in object at index {index}: invalid metadata.{field} of type {JsonTree.GoType(value)} in converted object");
            return entries.Select(entry => JsonTree.IsText(entry.Value, out var text) ? KeyValuePair.Create(entry.Key, text)
                : throw new JsonReadException($"invalid metadata in object at index {index}: metadata.{field}[{entry.Key}] must be a string, but is {JsonTree.GoType(entry.Value)} in converted object")).ToApiMap();
        }
    }

    /// <summary>As upstream: an error without a reason of its own.</summary>
    private static StatusException Failed(string message) => StatusException.Of(500, "", message, null);
}
