using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Minke.Api;

/// <summary>Where a webhook is and by whose word it is believed. (k8s.io/apiserver/pkg/util/webhook)</summary>
internal static class WebhookRules
{
    private const string Form = "; desired format: https://host[/path]";

    public static void ValidateUrl(string text, FieldPath path, FieldErrors errors)
    {
        if (GoUrl.Parse(text, out var why) is not { } url)
        {
            errors.Required(path, "url must be a valid URL: " + why + Form);
            return;
        }
        if (url.Scheme != "https")
            errors.Invalid(path, url.Scheme, "'https' is the only allowed URL scheme" + Form);
        if (url.Host.Length == 0)
            errors.Invalid(path, url.Host, "host must be provided" + Form);
        if (url.User is { } user)
            errors.Invalid(path, user, "user information is not permitted in the URL");
        if (url.Fragment.Length > 0)
            errors.Invalid(path, url.Fragment, "fragments are not permitted in the URL");
        if (url.Query.Length > 0)
            errors.Invalid(path, url.Query, "query parameters are not permitted in the URL");
    }

    public static void ValidateService(string @namespace, string name, string? urlPath, int port, FieldPath path, FieldErrors errors)
    {
        if (name.Length == 0)
            errors.Required(path.Child("name"), "service name is required");
        if (@namespace.Length == 0)
            errors.Required(path.Child("namespace"), "service namespace is required");
        PodRules.Each(Names.PortNumber(port).Select(message => "port is not valid: " + message), path.Child("port"), port, errors);
        if (urlPath is null or "" or "/")
            return;
        var at = path.Child("path");
        if (urlPath == "//")
        {
            errors.Invalid(at, urlPath, "segment[0] may not be empty");
            return;
        }
        if (!urlPath.StartsWith('/'))
            errors.Invalid(at, urlPath, "must start with a '/'");
        var steps = urlPath[1..];
        if (steps.EndsWith('/'))
            steps = steps[..^1];
        var index = 0;
        foreach (var step in steps.Split('/'))
        {
            var segment = string.Create(CultureInfo.InvariantCulture, $"segment[{index++}]");
            if (step.Length == 0)
                errors.Invalid(at, urlPath, segment + " may not be empty");
            else
                PodRules.Each(Names.Dns1123Subdomain(step).Select(message => $"{segment}: {message}"), at, urlPath, errors);
        }
    }

    public static void ValidateBundle(byte[] bundle, FieldPath path, FieldErrors errors)
    {
        if (WhyNoBundle(bundle) is { } why)
            errors.Invalid(path, new GoText($"[]byte{{{string.Join(", ", bundle.Select(one => "0x" + one.ToString("x", CultureInfo.InvariantCulture)))}}}"), "unable to load root certificates: " + why);
    }

    public static bool IsBundle(byte[]? bundle) => bundle is { Length: > 0 } && WhyNoBundle(bundle) is null;

    private static string? WhyNoBundle(byte[] bundle)
    {
        var text = Encoding.Latin1.GetString(bundle).AsSpan();
        var hasCertificate = false;
        while (PemEncoding.TryFind(text, out var pem))
        {
            if (text[pem.Label].SequenceEqual("CERTIFICATE"))
            {
                try
                {
                    X509CertificateLoader.LoadCertificate(Convert.FromBase64String(text[pem.Base64Data].ToString())).Dispose();
                    hasCertificate = true;
                }
                catch (CryptographicException)
                {
                    return "x509: malformed certificate";
                }
            }
            text = text[pem.Location.End..];
        }
        return hasCertificate ? null : "data does not contain any valid RSA or ECDSA certificates";
    }
}
