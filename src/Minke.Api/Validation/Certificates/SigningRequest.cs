using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Minke.Api;

/// <summary>A request for a certificate (PKCS #10) in PEM form: what it says of its subject. Its signature has been checked.</summary>
public sealed class SigningRequest
{
    private const string Label = "CERTIFICATE REQUEST";
    private const string CommonNameOid = "2.5.4.3";
    private const string OrganizationOid = "2.5.4.10";

    // GeneralName of RFC 5280, 4.2.1.6.
    private const int EmailTag = 1, DnsTag = 2, UriTag = 6, AddressTag = 7;

    private SigningRequest(CertificateRequest request, string commonName, IReadOnlyList<string> organizations)
    {
        (Request, CommonName, Organizations) = (request, commonName, organizations);
        ReadSubjectNames();
    }

    /// <summary>Subject and public key, with the extensions that were asked for.</summary>
    public CertificateRequest Request { get; }

    public string CommonName { get; }
    public IReadOnlyList<string> Organizations { get; }
    public List<string> DnsNames { get; } = [];
    public List<string> Emails { get; } = [];
    public List<string> Uris { get; } = [];
    public List<IPAddress> Addresses { get; } = [];

    /// <exception cref="FormatException">It is none, or its signature does not hold; the message is upstream's where there is one.</exception>
    public static SigningRequest Parse(byte[] pem)
    {
        var text = Encoding.ASCII.GetString(pem);
        if (!PemEncoding.TryFind(text, out var fields) || text[fields.Label] != Label)
            throw new FormatException("PEM block type must be CERTIFICATE REQUEST");
        try
        {
            var request = CertificateRequest.LoadSigningRequest(
                Convert.FromBase64String(text[fields.Base64Data]), HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions, RSASignaturePadding.Pkcs1);
            var (name, organizations) = ("", new List<string>());
            foreach (var part in request.SubjectName.EnumerateRelativeDistinguishedNames())
            {
                if (part.HasMultipleElements)
                    continue;
                if (part.GetSingleElementType().Value == CommonNameOid)
                    name = part.GetSingleElementValue() ?? "";
                else if (part.GetSingleElementType().Value == OrganizationOid)
                    organizations.Add(part.GetSingleElementValue() ?? "");
            }
            return new(request, name, organizations);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException or NotSupportedException or ArgumentException)
        {
            throw new FormatException(e.Message, e);
        }
    }

    private void ReadSubjectNames()
    {
        if (Request.CertificateExtensions.FirstOrDefault(extension => extension.Oid?.Value == "2.5.29.17") is not { } names)
            return;
        var sequence = new AsnReader(names.RawData, AsnEncodingRules.DER).ReadSequence();
        while (sequence.HasData)
        {
            var tag = sequence.PeekTag();
            switch (tag.TagValue)
            {
                case EmailTag:
                    Emails.Add(sequence.ReadCharacterString(UniversalTagNumber.IA5String, tag));
                    break;
                case DnsTag:
                    DnsNames.Add(sequence.ReadCharacterString(UniversalTagNumber.IA5String, tag));
                    break;
                case UriTag:
                    Uris.Add(sequence.ReadCharacterString(UniversalTagNumber.IA5String, tag));
                    break;
                case AddressTag:
                    Addresses.Add(new IPAddress(sequence.ReadOctetString(tag)));
                    break;
                default:
                    sequence.ReadEncodedValue();
                    break;
            }
        }
    }
}
