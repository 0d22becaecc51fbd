using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Minke.Api;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>Where a list goes on: a revision and the key after which. Opaque to clients; the form is upstream's, base64 of JSON.</summary>
internal readonly record struct ContinueToken(Revision Revision, string StartAfter)
{
    private const string Version = "meta.k8s.io/v1";
    private static readonly SearchValues<char> Alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

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
        var json = FromBase64(text);
        try
        {
            var reader = new Utf8JsonReader(json);
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
                throw Invalid($"server does not recognize this encoded version {version}");
            if (revision == 0)
                throw Invalid($"incorrect encoded start resourceVersion (version {Version})");
            if (start.Length == 0)
                throw Invalid($"encoded start key empty (version {Version})");
            // A token goes on within its own list and climbs out of none.
            if (start.TrimStart('/').Split('/').Any(part => part is "" or "." or ".."))
                throw Invalid(start);
            return new(new Revision(revision), prefix + start.TrimStart('/').TrimEnd('\0'));
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            throw Invalid(GoJsonError.Of(json));
        }
    }

    private static byte[] FromBase64(string text)
    {
        var bad = text.AsSpan().IndexOfAnyExcept(Alphabet);
        var padded = text.Replace('-', '+').Replace('_', '/').PadRight((text.Length + 3) / 4 * 4, '=');
        var bytes = new byte[padded.Length];
        if (bad >= 0 || !Convert.TryFromBase64String(padded, bytes, out var length))
            throw Invalid(string.Create(CultureInfo.InvariantCulture, $"illegal base64 data at input byte {(bad >= 0 ? bad : text.Length)}"));
        return bytes[..length];
    }

    private static StatusException Invalid(string why) => StatusException.BadRequest("invalid continue token: continue key is not valid: " + why);
}
