using System.Text;
using System.Text.Json;
using Minke.Api;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>Where a list goes on: a revision and the key after which. Opaque to clients; the form is upstream's, base64 of JSON.</summary>
internal readonly record struct ContinueToken(Revision Revision, string StartAfter)
{
    private const string Version = "meta.k8s.io/v1";

    /// <param name="prefix">Of the list: left out of the token.</param>
    public string Encode(string prefix)
    {
        var relative = StartAfter[prefix.Length..];
        var json = $"{{\"v\":\"{Version}\",\"rv\":{Revision},\"start\":{FieldErrors.Quote(relative + "\0").Replace("\\x00", "\\u0000", StringComparison.Ordinal)}}}";
        return Convert.ToBase64String(Encoding.UTF8.GetBytes(json)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    /// <exception cref="StatusException">400: not one of ours.</exception>
    public static ContinueToken Decode(string text, string prefix)
    {
        try
        {
            var padded = text.Replace('-', '+').Replace('_', '/').PadRight((text.Length + 3) / 4 * 4, '=');
            var reader = new Utf8JsonReader(Convert.FromBase64String(padded));
            string version = "", start = "";
            long revision = 0;
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var property = reader.GetString();
                reader.Read();
                switch (property)
                {
                    case "v":
                        version = reader.GetString() ?? "";
                        break;
                    case "rv":
                        revision = reader.GetInt64();
                        break;
                    case "start":
                        start = reader.GetString() ?? "";
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }
            if (version != Version)
                throw StatusException.BadRequest($"continue key is not valid: server does not recognize this encoded version {FieldErrors.Quote(version)}");
            if (start.Length == 0)
                throw StatusException.BadRequest("continue key is not valid: encoded continue key is not valid");
            return new(new Revision(revision), prefix + start.TrimEnd('\0'));
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            throw StatusException.BadRequest($"continue key is not valid: {e.Message}");
        }
    }
}
