using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Minke.Api;

/// <summary>The formats of texts that upstream checks, in schemas and in CEL (kube-openapi's strfmt). Any other is a comment.</summary>
public static partial class TextFormats
{
    private static readonly HashSet<string> Texts =
    [
        "bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3", "uuid4", "uuid5", "isbn", "isbn10", "isbn13", "creditcard",
        "ssn", "hexcolor", "rgbcolor", "byte", "password", "date", "duration", "datetime",
    ];

    /// <summary>Whether a schema of this type may carry the format; else it is ignored.</summary>
    public static bool IsKnown(string type, string format) => format.Length > 0 && type switch
    {
        "" or "string" => Texts.Contains(Normalized(format)),
        "integer" => format is "int32" or "int64",
        "number" => format is "float" or "double",
        _ => false,
    };

    /// <summary>Whether a text is checked by its format at all.</summary>
    public static bool IsOfText(string format) => Texts.Contains(Normalized(format));

    public static bool Matches(string format, string text) => Normalized(format) switch
    {
        "bsonobjectid" => text.Length == 24 && text.All(char.IsAsciiHexDigit),
        "uri" => IsRequestUri(text),
        "email" => Email().IsMatch(text),
        "hostname" => IsHostname(text),
        "ipv4" => IsAddress(text, AddressFamily.InterNetwork),
        "ipv6" => IsAddress(text, AddressFamily.InterNetworkV6),
        "cidr" => IsCidr(text),
        "mac" => Mac().IsMatch(text),
        "uuid" => Uuid().IsMatch(text),
        "uuid3" => Uuid3().IsMatch(text),
        "uuid4" => Uuid4().IsMatch(text),
        "uuid5" => Uuid5().IsMatch(text),
        "isbn" => IsIsbn10(text) || IsIsbn13(text),
        "isbn10" => IsIsbn10(text),
        "isbn13" => IsIsbn13(text),
        "creditcard" => CreditCard().IsMatch(NonDigits().Replace(text, "")) && IsLuhn(NonDigits().Replace(text, "")),
        "ssn" => Ssn().IsMatch(text),
        "hexcolor" => HexColor().IsMatch(text),
        "rgbcolor" => RgbColor().IsMatch(text),
        "byte" => IsBase64(text),
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
        "duration" => IsDuration(text),
        "datetime" => IsDateTime(text),
        _ => true,
    };

    private static string Normalized(string format) => format.Replace("-", "", StringComparison.Ordinal);

    private static bool IsRequestUri(string text) => text.Length > 0 && text.All(letter => letter is > ' ' and < '\x7f')
        && (text[0] == '/' || (Scheme().IsMatch(text) && Uri.TryCreate(text, UriKind.Absolute, out _)));

    private static bool IsHostname(string text) => text.Length <= 255 && Hostname().IsMatch(text);

    private static bool IsAddress(string text, AddressFamily family) =>
        IPAddress.TryParse(text, out var address) && !text.Contains('%', StringComparison.Ordinal) && !text.Contains('[', StringComparison.Ordinal)
        && (family == AddressFamily.InterNetwork ? address.AddressFamily == family && DottedQuad().IsMatch(text) : address.AddressFamily == family);

    private static bool IsCidr(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var length))
            return false;
        return IsAddress(text[..slash], AddressFamily.InterNetwork) ? length <= 32 : IsAddress(text[..slash], AddressFamily.InterNetworkV6) && length <= 128;
    }

    private static bool IsIsbn10(string text)
    {
        var digits = Separators().Replace(text, "");
        if (!Isbn10().IsMatch(digits))
            return false;
        var sum = 0;
        for (var i = 0; i < 10; i++)
            sum += (i + 1) * (digits[i] == 'X' ? 10 : digits[i] - '0');
        return sum % 11 == 0;
    }

    private static bool IsIsbn13(string text)
    {
        var digits = Separators().Replace(text, "");
        if (digits.Length != 13 || !digits.All(char.IsAsciiDigit))
            return false;
        var sum = 0;
        for (var i = 0; i < 12; i++)
            sum += (i % 2 == 0 ? 1 : 3) * (digits[i] - '0');
        return digits[12] - '0' == (10 - (sum % 10)) % 10;
    }

    private static bool IsLuhn(string digits)
    {
        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var digit = digits[^(i + 1)] - '0';
            digit = i % 2 == 1 ? digit * 2 : digit;
            sum += digit > 9 ? digit - 9 : digit;
        }
        return sum % 10 == 0;
    }

    private static bool IsBase64(string text) => text.Length > 0 && text.Length % 4 == 0 && Base64().IsMatch(text);

    private static bool IsDuration(string text)
    {
        try
        {
            Api.Duration.Parse(text);
            return true;
        }
        catch (FormatException)
        {
            return WordedDuration().IsMatch(text);
        }
    }

    private static bool IsDateTime(string text)
    {
        if (text.Length < 4)
            return false;
        var match = DateTimeText().Match(text);
        return match.Success
            && DateOnly.TryParseExact(match.Groups[1].ValueSpan, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _)
            && int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) < 24
            && int.Parse(match.Groups[3].ValueSpan, CultureInfo.InvariantCulture) < 60
            && int.Parse(match.Groups[4].ValueSpan, CultureInfo.InvariantCulture) < 60;
    }

    [GeneratedRegex(@"^[^@\s<>()\[\],;:""]+(?:\.[^@\s<>()\[\],;:""]+)*@[^@\s<>()\[\],;:""]+\z|^[^<>]*<[^@\s<>]+@[^@\s<>]+>\z")]
    private static partial Regex Email();

    [GeneratedRegex(@"^[a-zA-Z][a-zA-Z0-9+.-]*:")]
    private static partial Regex Scheme();

    [GeneratedRegex(@"^([a-zA-Z0-9\p{L}]((-?[a-zA-Z0-9\p{L}]{0,62})?)|([a-zA-Z0-9\p{L}](([a-zA-Z0-9-\p{L}]{0,61}[a-zA-Z0-9\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})\.?\z")]
    private static partial Regex Hostname();

    [GeneratedRegex(@"^(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})\z")]
    private static partial Regex DottedQuad();

    [GeneratedRegex(@"^(?:[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){0}|[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\2){6}[0-9a-fA-F]{2}|[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4})?)\z")]
    private static partial Regex Mac();

    [GeneratedRegex(@"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\z", RegexOptions.IgnoreCase)]
    private static partial Regex Uuid();

    [GeneratedRegex(@"^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}\z", RegexOptions.IgnoreCase)]
    private static partial Regex Uuid3();

    [GeneratedRegex(@"^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\z", RegexOptions.IgnoreCase)]
    private static partial Regex Uuid4();

    [GeneratedRegex(@"^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\z", RegexOptions.IgnoreCase)]
    private static partial Regex Uuid5();

    [GeneratedRegex(@"[\s-]+")]
    private static partial Regex Separators();

    [GeneratedRegex(@"^[0-9]{9}[0-9X]\z")]
    private static partial Regex Isbn10();

    [GeneratedRegex("[^0-9]+")]
    private static partial Regex NonDigits();

    [GeneratedRegex(@"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})\z")]
    private static partial Regex CreditCard();

    [GeneratedRegex(@"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}\z")]
    private static partial Regex Ssn();

    [GeneratedRegex(@"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})\z")]
    private static partial Regex HexColor();

    [GeneratedRegex(@"^rgb\(\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*\)\z")]
    private static partial Regex RgbColor();

    [GeneratedRegex(@"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})\z")]
    private static partial Regex Base64();

    [GeneratedRegex(@"^[0-9]+(?:\.[0-9]+)?\s*(?:ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\z", RegexOptions.IgnoreCase)]
    private static partial Regex WordedDuration();

    [GeneratedRegex(@"^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?\z")]
    private static partial Regex DateTimeText();
}
