using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Registry;

namespace Minke.Server.Audit;

/// <summary>Records requests as the policy asks: an event of <c>audit.k8s.io/v1</c> for each stage.</summary>
internal sealed class Auditor(AuditPolicy policy, AuditLog log, IdSource ids, TimeProvider clock)
{
    /// <summary>Begins the record of a request; null when the policy wants none.</summary>
    public async ValueTask<AuditRecord?> BeginAsync(HttpContext http, AccessQuery query, Resource? resource)
    {
        var decision = policy.Decide(query);
        if (decision.Level == AuditLevel.None)
            return null;
        ResponseCopy? copy = null;
        if (decision.Level == AuditLevel.RequestResponse && query is { IsResource: true, Verb: not "watch" } && query.Subresource is not ("log" or "exec" or "attach" or "portforward" or "proxy"))
        {
            copy = new(http.Features.GetRequiredFeature<IHttpResponseBodyFeature>());
            http.Features.Set<IHttpResponseBodyFeature>(copy);
        }
        var asked = http.Request.Headers["Audit-ID"].ToString();
        var record = new AuditRecord
        {
            Id = asked.Length is > 0 and <= 64 ? asked : ids.NewUid(),
            Decision = decision,
            Query = query,
            Received = clock.GetUtcNow(),
            Resource = resource,
            Response = copy,
        };
        http.Features.Set(record);
        if (query.Verb == "watch" || query.Subresource is "log" or "exec" or "attach" or "portforward" or "proxy")
            http.Response.OnStarting(() => StartedAsync(record, http).AsTask());
        http.Response.Headers["Audit-Id"] = record.Id;
        if (record.Writes(AuditStages.RequestReceived))
            await WriteAsync(record, http, "RequestReceived", code: 0);
        return record;
    }

    /// <summary>A watch or a stream begins to answer.</summary>
    private async ValueTask StartedAsync(AuditRecord record, HttpContext http)
    {
        if (record.Writes(AuditStages.ResponseStarted))
            await WriteAsync(record, http, "ResponseStarted", http.Response.StatusCode);
    }

    public async ValueTask CompletedAsync(AuditRecord record, HttpContext http)
    {
        if (record.Writes(AuditStages.ResponseComplete))
            await WriteAsync(record, http, "ResponseComplete", http.Response.StatusCode);
    }

    /// <summary>A request whose credentials do not hold.</summary>
    public async ValueTask RefusedAsync(HttpContext http, AccessQuery query)
    {
        var decision = policy.Decide(query);
        if (decision.Level == AuditLevel.None || (decision.Omitted & AuditStages.ResponseStarted) != 0)
            return;
        var methods = new List<string>();
        if (http.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is not null)
            methods.Add("x509");
        if (http.Request.Headers.Authorization.Count > 0)
            methods.Add("bearer");
        var record = new AuditRecord { Id = ids.NewUid(), Decision = decision, Query = query, Received = clock.GetUtcNow(), Resource = null, Response = null };
        record.Status = new() { StatusValue = "Failure", Message = $"Authentication failed, attempted: {string.Join(", ", methods)}", Reason = "Unauthorized", Code = 401 };
        await WriteAsync(record, http, "ResponseStarted", code: 401);
    }

    private ValueTask WriteAsync(AuditRecord record, HttpContext http, string stage, int code)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            WriteEvent(writer, record, http, stage, code);
        buffer.Write("\n"u8);
        return log.WriteAsync(buffer.WrittenSpan.ToArray());
    }

    private void WriteEvent(Utf8JsonWriter writer, AuditRecord record, HttpContext http, string stage, int code)
    {
        var query = record.Query;
        writer.WriteStartObject();
        writer.WriteString("kind"u8, "Event");
        writer.WriteString("apiVersion"u8, "audit.k8s.io/v1");
        writer.WriteString("level"u8, record.Decision.Level.ToString());
        writer.WriteString("auditID"u8, record.Id);
        writer.WriteString("stage"u8, stage);
        writer.WriteString("requestURI"u8, http.Request.Path + http.Request.QueryString.Value);
        writer.WriteString("verb"u8, query.Verb);
        writer.WritePropertyName("user"u8);
        query.User.ToApi().WriteJson(writer);
        if (record.Impersonated is { } acting)
        {
            writer.WritePropertyName("impersonatedUser"u8);
            acting.ToApi().WriteJson(writer);
        }
        writer.WriteStartArray("sourceIPs"u8);
        if (http.Connection.RemoteIpAddress is { } address)
            writer.WriteStringValue((address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString());
        writer.WriteEndArray();
        if (http.Request.Headers.UserAgent.ToString() is { Length: > 0 } agent)
            writer.WriteString("userAgent"u8, agent);
        var isOver = stage == "ResponseComplete";
        var request = isOver && record.RequestBody is { Length: > 0 } body ? ObjectIn(record, body, http.Request.ContentType) : null;
        var response = isOver && record.Response?.Bytes is { Length: > 0 } answer ? ObjectIn(record, answer, http.Response.ContentType) : null;
        if (query.IsResource)
            WriteReference(writer, query, request ?? response);
        if (code > 0)
        {
            writer.WriteStartObject("responseStatus"u8);
            writer.WriteStartObject("metadata"u8);
            writer.WriteEndObject();
            WriteStatus(writer, record.Status);
            writer.WriteNumber("code"u8, record.Status?.Code is > 0 and var said ? said : code);
            writer.WriteEndObject();
        }
        if (request is not null && record.Decision.Level >= AuditLevel.Request)
        {
            writer.WritePropertyName("requestObject"u8);
            request.WriteTo(writer);
        }
        if (response is not null)
        {
            writer.WritePropertyName("responseObject"u8);
            response.WriteTo(writer);
        }
        writer.WriteString("requestReceivedTimestamp"u8, AuditRecord.Timestamp(record.Received));
        writer.WriteString("stageTimestamp"u8, AuditRecord.Timestamp(clock.GetUtcNow()));
        if (record.Authorized is { } authorized && stage != "RequestReceived")
        {
            writer.WriteStartObject("annotations"u8);
            writer.WriteString("authorization.k8s.io/decision"u8, authorized.IsAllowed ? "allow" : "forbid");
            writer.WriteString("authorization.k8s.io/reason"u8, authorized.Reason);
            foreach (var (key, value) in record.Annotations ?? [])
                writer.WriteString(key, value);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private static void WriteStatus(Utf8JsonWriter writer, Status? status)
    {
        if (status is null)
            return;
        if (status.StatusValue.Length > 0)
            writer.WriteString("status"u8, status.StatusValue);
        if (status.Message.Length > 0)
            writer.WriteString("message"u8, status.Message);
        if (status.Reason.Length > 0)
            writer.WriteString("reason"u8, status.Reason);
        if (status.Details is { } details)
        {
            writer.WritePropertyName("details"u8);
            details.WriteJson(writer);
        }
    }

    /// <summary>A new object's name may stand in its body alone.</summary>
    private static void WriteReference(Utf8JsonWriter writer, in AccessQuery query, JsonNode? value)
    {
        void Write(ReadOnlySpan<byte> name, string? text)
        {
            if (!string.IsNullOrEmpty(text))
                writer.WriteString(name, text);
        }
        var metadata = (value as JsonObject)?["metadata"] as JsonObject;
        writer.WriteStartObject("objectRef"u8);
        Write("resource"u8, query.Resource);
        Write("namespace"u8, query.Namespace);
        Write("name"u8, query.Name.Length > 0 || query.Verb != "create" ? query.Name : metadata?["name"]?.ToString());
        Write("uid"u8, metadata?["uid"]?.ToString());
        Write("apiGroup"u8, query.Group);
        Write("apiVersion"u8, query.Version);
        Write("resourceVersion"u8, metadata?["resourceVersion"]?.ToString());
        Write("subresource"u8, query.Subresource);
        writer.WriteEndObject();
    }

    /// <summary>The object as JSON; null for what is none.</summary>
    private static JsonNode? ObjectIn(AuditRecord record, byte[] body, string? contentType)
    {
        try
        {
            var type = contentType ?? "";
            var value = type.Contains("protobuf", StringComparison.Ordinal) ? FromProtobuf(record.Resource, body)
                : type.Contains("yaml", StringComparison.Ordinal) ? YamlReader.Read(System.Text.Encoding.UTF8.GetString(body)) is [var (_, document), ..] ? document : null
                : JsonNode.Parse(body);
            if (record.Decision.OmitsManagedFields && value is JsonObject one)
                WithoutManagedFields(one);
            return value;
        }
        catch (Exception e) when (e is JsonException or FormatException or ProtoReadException or InvalidOperationException)
        {
            return null; // The request was refused for it.
        }
    }

    private static JsonNode? FromProtobuf(Resource? resource, byte[] body)
    {
        var envelope = ProtoEnvelope.Open(body);
        if (resource is null || envelope.Kind != resource.Kind.Kind)
            return null;
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Json.WriterOptions))
            resource.Kind.ReadProto(envelope.Raw.Span).WriteJson(writer);
        return JsonNode.Parse(buffer.WrittenSpan);
    }

    private static void WithoutManagedFields(JsonObject value)
    {
        (value["metadata"] as JsonObject)?.Remove("managedFields");
        foreach (var item in value["items"] as JsonArray ?? [])
        {
            if (item is JsonObject one)
                WithoutManagedFields(one);
        }
    }
}
