using System.Text;
using System.Text.Json;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a Secret does beyond its fields. (ValidateSecret, ValidateSecretUpdate)</summary>
internal sealed class SecretKind : KindBehavior<Secret>
{
    private const string ServiceAccountName = "kubernetes.io/service-account.name";

    /// <summary><c>stringData</c> is for writing alone: it is merged into <c>data</c>, and wins.</summary>
    public override Secret Default(Secret secret)
    {
        if (secret.Type.Length == 0)
            secret = secret with { Type = SecretType.Opaque };
        if (secret.StringData.IsEmpty)
            return secret;
        var data = secret.Data;
        foreach (var (key, value) in secret.StringData)
            data = data.With(key, Encoding.UTF8.GetBytes(value));
        return secret with { Data = data, StringData = default };
    }

    public override void Validate(Secret secret, Secret? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(secret.Metadata, old.Metadata, errors);
            if (secret.Type != old.Type)
                errors.Invalid("type", secret.Type, "field is immutable");
            if (old.Immutable == true)
            {
                if (secret.Immutable != true)
                    errors.Forbidden("immutable", ConfigMapKind.Immutable);
                if (!ConfigMapKind.AreSame(secret.Data, old.Data))
                    errors.Forbidden("data", ConfigMapKind.Immutable);
            }
        }
        ObjectMetaRules.Validate(secret.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        FieldPath data = "data";
        foreach (var key in secret.Data.Keys)
            PodRules.Each(Names.ConfigMapKey(key), data.Key(key), key, errors);
        if (secret.Data.Values.Sum(value => (long)value.Length) > ConfigMapKind.MaxBytes)
            errors.TooLong(data, ConfigMapKind.MaxBytes);
        ValidateType(secret, data, errors);
    }

    private static void ValidateType(Secret secret, FieldPath data, FieldErrors errors)
    {
        switch (secret.Type)
        {
            case "kubernetes.io/service-account-token":
                if (secret.Metadata.Annotations.GetValueOrDefault(ServiceAccountName) is not { Length: > 0 })
                    errors.Required(new FieldPath("metadata.annotations").Key(ServiceAccountName));
                break;
            case "kubernetes.io/dockercfg":
                ValidateJson(secret, data, ".dockercfg", errors);
                break;
            case "kubernetes.io/dockerconfigjson":
                ValidateJson(secret, data, ".dockerconfigjson", errors);
                break;
            case "kubernetes.io/basic-auth":
                if (!secret.Data.ContainsKey("username") && !secret.Data.ContainsKey("password"))
                {
                    errors.Required(data.Key("username"));
                    errors.Required(data.Key("password"));
                }
                break;
            case "kubernetes.io/ssh-auth":
                if (secret.Data.GetValueOrDefault("ssh-privatekey") is not { Length: > 0 })
                    errors.Required(data.Key("ssh-privatekey"));
                break;
            case "kubernetes.io/tls":
                if (!secret.Data.ContainsKey("tls.crt"))
                    errors.Required(data.Key("tls.crt"));
                if (!secret.Data.ContainsKey("tls.key"))
                    errors.Required(data.Key("tls.key"));
                break;
        }
    }

    private static void ValidateJson(Secret secret, FieldPath data, string key, FieldErrors errors)
    {
        if (!secret.Data.TryGetValue(key, out var bytes))
            errors.Required(data.Key(key));
        else if (WrongWith(bytes) is { } why)
            errors.Invalid(data.Key(key), "<secret contents redacted>", why);
    }

    /// <summary>In the words of Go's decoder, as far as they can be had.</summary>
    private static string? WrongWith(byte[] bytes)
    {
        var reader = new Utf8JsonReader(bytes);
        try
        {
            if (!reader.Read())
                return "unexpected end of JSON input";
            var kind = reader.TokenType switch
            {
                JsonTokenType.StartObject => null,
                JsonTokenType.StartArray => "array",
                JsonTokenType.String => "string",
                JsonTokenType.Number => "number",
                JsonTokenType.True or JsonTokenType.False => "bool",
                _ => null,
            };
            while (reader.Read())
            {
            }
            return kind is null ? null : $"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}";
        }
        catch (JsonException)
        {
            var at = (int)reader.BytesConsumed;
            while (at < bytes.Length && bytes[at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
                at++;
            return at >= bytes.Length ? "unexpected end of JSON input" : $"invalid character '{(char)bytes[at]}' looking for beginning of value";
        }
    }
}
