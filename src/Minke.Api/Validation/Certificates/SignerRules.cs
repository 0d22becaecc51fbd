namespace Minke.Api;

/// <summary>Names of signers: <c>example.com/signer</c>. (ValidateSignerName)</summary>
internal static class SignerRules
{
    private const int MaxDomainLength = 253;
    private const int MaxPathLength = 253 + 1 + 63;

    public static void ValidateName(FieldPath path, string name, FieldErrors errors)
    {
        if (name.Length == 0)
        {
            errors.Required(path);
            return;
        }
        if (name.Split('/') is not [var domain, var signer])
        {
            errors.Invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
            return;
        }
        if (domain.Length > MaxDomainLength)
            errors.TooLong(path, MaxDomainLength);
        var labels = domain.Split('.');
        foreach (var label in labels)
        {
            foreach (var error in Names.Dns1123Label(label))
                errors.Invalid(path, domain, $"validating label {FieldErrors.Quote(label)}: {error}");
        }
        if (labels.Length < 2)
            errors.Invalid(path, domain, "should be a domain with at least two segments separated by dots");
        foreach (var label in signer.Split('.'))
        {
            foreach (var error in Names.Dns1123Subdomain(label))
                errors.Invalid(path, signer, $"validating label {FieldErrors.Quote(label)}: {error}");
        }
        if (signer.Length > MaxPathLength)
            errors.TooLong(path, MaxPathLength);
    }
}
