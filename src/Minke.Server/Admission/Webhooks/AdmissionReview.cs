using System.Buffers;
using System.Text.Json;
using Minke.Api;

namespace Minke.Server.Admission.Webhooks;

/// <summary>What a webhook is asked: <c>AdmissionReview</c> of <c>admission.k8s.io</c>, with the objects in the version its rules name.</summary>
internal static class AdmissionReview
{
    public static byte[] Write(string version, string uid, AdmissionRequest request, ReviewedObjects reviewed)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
        {
            writer.WriteStartObject();
            writer.WriteString("kind"u8, "AdmissionReview");
            writer.WriteString("apiVersion"u8, "admission.k8s.io/" + version);
            writer.WriteStartObject("request"u8);
            writer.WriteString("uid"u8, uid);
            WriteRequest(writer, request, reviewed);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteRequest(Utf8JsonWriter writer, AdmissionRequest request, ReviewedObjects reviewed)
    {
        WriteKind(writer, "kind"u8, reviewed.KindOf(request));
        WriteResource(writer, "resource"u8, reviewed.Resource.Kind);
        WriteText(writer, "subResource"u8, request.Subresource);
        WriteKind(writer, "requestKind"u8, request.ObjectKind);
        WriteResource(writer, "requestResource"u8, request.Kind);
        WriteText(writer, "requestSubResource"u8, request.Subresource);
        WriteText(writer, "name"u8, request.IsOfCollection ? "" : request.Name.Length > 0 ? request.Name : request.Object?.Metadata.Name ?? "");
        WriteText(writer, "namespace"u8, request.ReviewedNamespace);
        writer.WriteString("operation"u8, request.Operation);
        writer.WritePropertyName("userInfo"u8);
        request.Context.User.ToApi().WriteJson(writer);
        WriteObject(writer, "object"u8, reviewed.Object);
        WriteObject(writer, "oldObject"u8, reviewed.Old);
        writer.WriteBoolean("dryRun"u8, request.Context.IsDryRun);
        writer.WritePropertyName("options"u8);
        WriteOptions(writer, request);
    }

    private static void WriteKind(Utf8JsonWriter writer, ReadOnlySpan<byte> name, KindInfo kind)
    {
        writer.WriteStartObject(name);
        writer.WriteString("group"u8, kind.Group);
        writer.WriteString("version"u8, kind.Version);
        writer.WriteString("kind"u8, kind.Kind);
        writer.WriteEndObject();
    }

    private static void WriteResource(Utf8JsonWriter writer, ReadOnlySpan<byte> name, KindInfo kind)
    {
        writer.WriteStartObject(name);
        writer.WriteString("group"u8, kind.Group);
        writer.WriteString("version"u8, kind.Version);
        writer.WriteString("resource"u8, kind.Plural);
        writer.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter writer, ReadOnlySpan<byte> name, string text)
    {
        if (text.Length > 0)
            writer.WriteString(name, text);
    }

    private static void WriteObject(Utf8JsonWriter writer, ReadOnlySpan<byte> name, IKubeObject? value)
    {
        writer.WritePropertyName(name);
        if (value is null)
            writer.WriteNullValue();
        else
            value.WriteJson(writer);
    }

    /// <summary>Those of the operation, which for a patch are an update's, or a creation's.</summary>
    private static void WriteOptions(Utf8JsonWriter writer, AdmissionRequest request)
    {
        if (request.Operation == AdmissionOperation.Connect)
        {
            writer.WriteNullValue();
            return;
        }
        var context = request.Context;
        writer.WriteStartObject();
        writer.WriteString("kind"u8, request.IsDelete ? "DeleteOptions" : request.IsCreate ? "CreateOptions" : "UpdateOptions");
        writer.WriteString("apiVersion"u8, "meta.k8s.io/v1");
        if (request.Deletion is { } deletion)
        {
            using var members = JsonDocument.Parse(Json.Write(deletion));
            foreach (var member in members.RootElement.EnumerateObject())
            {
                if (member.Name is not ("kind" or "apiVersion"))
                    member.WriteTo(writer);
            }
        }
        else
        {
            if (context.IsDryRun)
            {
                writer.WriteStartArray("dryRun"u8);
                writer.WriteStringValue("All");
                writer.WriteEndArray();
            }
            WriteText(writer, "fieldManager"u8, context.AskedManager);
            WriteText(writer, "fieldValidation"u8, context.FieldValidation);
        }
        writer.WriteEndObject();
    }
}
