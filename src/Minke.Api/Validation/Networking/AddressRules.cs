using System.Globalization;
using System.Net;
using ParentReference = Minke.Api.Networking.V1beta1.ParentReference;
using ServiceCIDRSpec = Minke.Api.Networking.V1beta1.ServiceCIDRSpec;

namespace Minke.Api;

/// <summary>Addresses and ranges as Go parses them. (net/netip, k8s.io/utils/net)</summary>
internal static class AddressRules
{
    public const string NoRange = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    private const string OneOfAFamily = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";

    /// <summary>The network a range lies in, its host bits dropped; null for text that is none.</summary>
    public static IPNetwork? ParseRange(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !PodRules.IsIp(text[..slash]) || !int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var length))
            return null;
        // Leading zeros are octal to .NET and nothing special to Go.
        var address = text.Contains(':', StringComparison.Ordinal)
            ? IPAddress.Parse(text[..slash])
            : new IPAddress(text[..slash].Split('.').Select(part => byte.Parse(part, CultureInfo.InvariantCulture)).ToArray());
        var bytes = address.GetAddressBytes();
        if (length > bytes.Length * 8 || (length > 0 && text[slash + 1] == '0'))
            return null;
        for (var bit = length; bit < bytes.Length * 8; bit++)
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new IPNetwork(new IPAddress(bytes), length);
    }

    /// <summary>A name that is an address in its one normal form.</summary>
    public static IEnumerable<string> CanonicalIp(string text)
    {
        if (WhyNoIp(text) is { } why)
            return [$"ParseAddr({FieldErrors.Quote(text)}): {why}"];
        return IPAddress.Parse(text).ToString() == text ? [] : ["must be a canonical format IP address"];
    }

    public static void ValidateParent(ParentReference? parent, FieldPath path, FieldErrors errors)
    {
        if (parent is null)
        {
            errors.Required(path);
            return;
        }
        if (parent.Group.Length > 0)
            PodRules.Each(Names.Dns1123Subdomain(parent.Group), path.Child("group"), parent.Group, errors);
        foreach (var (field, value, isRequired) in (ReadOnlySpan<(string, string, bool)>)
            [("resource", parent.Resource, true), ("name", parent.Name, true), ("namespace", parent.Namespace, false)])
        {
            if (value.Length > 0)
                PodRules.Each(Names.PathSegment(value), path.Child(field), value, errors);
            else if (isRequired)
                errors.Required(path.Child(field));
        }
    }

    public static void ValidateRanges(ServiceCIDRSpec spec, FieldPath path, FieldErrors errors)
    {
        var ranges = spec.Cidrs;
        var shown = new GoText($"networking.ServiceCIDRSpec{{CIDRs:[]string{{{string.Join(", ", ranges.Select(FieldErrors.Quote))}}}}}");
        if (ranges.IsEmpty)
        {
            errors.Required(path, "at least one CIDR required");
        }
        else if (ranges.Count > 2)
        {
            errors.Invalid(path, shown, "may only hold up to 2 values");
        }
        else if (ranges.Count == 2 && (ParseRange(ranges[0]) is not { } first || ParseRange(ranges[1]) is not { } second
            || first.BaseAddress.AddressFamily == second.BaseAddress.AddressFamily))
        {
            errors.Invalid(path, shown, OneOfAFamily);
        }
        else
        {
            for (var i = 0; i < ranges.Count; i++)
            {
                if (ParseRange(ranges[i]) is null)
                    errors.Invalid(path.Index(i), ranges[i], NoRange);
            }
        }
    }

    public static object? Show(ParentReference? parent) => parent is null ? null : new GoText(
        $"networking.ParentReference{{Group:{FieldErrors.Quote(parent.Group)}, Resource:{FieldErrors.Quote(parent.Resource)}, "
        + $"Namespace:{FieldErrors.Quote(parent.Namespace)}, Name:{FieldErrors.Quote(parent.Name)}}}");

    private static string? WhyNoIp(string text)
    {
        var mark = text.AsSpan().IndexOfAny('.', ':', '%');
        if (mark < 0)
            return "unable to parse IP";
        if (text[mark] == '%')
            return "missing IPv6 address";
        if (text[mark] == ':')
            return IPAddress.TryParse(text, out _) && !text.Contains('[', StringComparison.Ordinal) ? null : $"unexpected character, want colon (at {FieldErrors.Quote(text[mark..])})";
        var (value, digits, fields) = (0, 0, 0);
        for (var i = 0; i < text.Length; i++)
        {
            var rest = $" (at {FieldErrors.Quote(text[i..])})";
            if (char.IsAsciiDigit(text[i]))
            {
                if (digits++ == 1 && value == 0)
                    return "IPv4 field has octet with leading zero";
                value = value * 10 + (text[i] - '0');
                if (value > 255)
                    return "IPv4 field has value >255";
            }
            else if (text[i] == '.')
            {
                if (i == 0 || i == text.Length - 1 || text[i - 1] == '.')
                    return "IPv4 field must have at least one digit" + rest;
                if (++fields == 4)
                    return "IPv4 address too long";
                (value, digits) = (0, 0);
            }
            else
            {
                return "unexpected character" + rest;
            }
        }
        return fields < 3 ? "IPv4 address too short" : null;
    }
}
