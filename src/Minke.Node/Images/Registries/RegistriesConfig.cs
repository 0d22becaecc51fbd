using System.Text;
using System.Text.RegularExpressions;
using Minke.Node.Runtime;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Minke.Node.Images.Registries;

/// <summary>
/// How registries are reached: a <c>registries.yaml</c> in k3s's format (https://docs.k3s.io/installation/private-registry).
/// </summary>
/// <remarks>
/// <code>
/// mirrors:
///   docker.io:                      # or "*" for every registry without an entry of its own
///     endpoint: ["https://mirror.example:5000"]
///     rewrite: {"^library/(.*)": "hub/$1"}
/// configs:
///   "mirror.example:5000":
///     auth: {username: u, password: p}      # or auth: base64 of u:p, or identity_token
///     tls: {ca_file: /ca.pem, cert_file: /c.pem, key_file: /k.pem, insecure_skip_verify: false}
/// </code>
/// </remarks>
public sealed record RegistriesConfig
{
    public static readonly RegistriesConfig Empty = new();

    /// <summary>By registry (<c>docker.io</c>), or <c>*</c>.</summary>
    public IReadOnlyDictionary<string, RegistryMirrors> Mirrors { get; init; } = new Dictionary<string, RegistryMirrors>();

    /// <summary>By host with port, as endpoints have it, or <c>*</c>.</summary>
    public IReadOnlyDictionary<string, RegistryHostConfig> Configs { get; init; } = new Dictionary<string, RegistryHostConfig>();

    /// <exception cref="FormatException">Not such a file; the message has its name and line.</exception>
    public static RegistriesConfig Load(string path) => Parse(File.ReadAllText(path), path);

    /// <inheritdoc cref="Load"/>
    public static RegistriesConfig Parse(string yaml, string name = "registries.yaml")
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new ShallowParser(new Parser(new StringReader(yaml))));
            if (stream.Documents.Count == 0 || stream.Documents[0].RootNode is YamlScalarNode { Value: null or "" })
                return Empty;
            if (stream.Documents.Count > 1)
                throw new FormatException("more than one document");
            return Read(stream.Documents[0].RootNode);
        }
        catch (YamlException failure)
        {
            throw new FormatException($"{name}: line {failure.Start.Line}: not valid YAML", failure);
        }
        catch (Exception failure) when (failure is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet's scanner gives up with these on some broken texts.
            throw new FormatException($"{name}: not valid YAML", failure);
        }
        catch (FormatException failure)
        {
            throw new FormatException($"{name}: {failure.Message}", failure);
        }
    }

    /// <summary>The tree is made recursively: its depth is bounded before.</summary>
    private sealed class ShallowParser(IParser parser) : IParser
    {
        private const int MaxDepth = 50;
        private int _depth;

        public ParsingEvent? Current => parser.Current;

        public bool MoveNext()
        {
            var hasNext = parser.MoveNext();
            _depth += parser.Current?.NestingIncrease ?? 0;
            return _depth <= MaxDepth ? hasNext : throw new YamlException(parser.Current!.Start, parser.Current.End, "nested too deeply");
        }
    }

    internal RegistryHostConfig ConfigOf(string host)
    {
        // Docker Hub's registry has another name than the one people use.
        foreach (var name in host == DockerHub.RegistryHost ? [host, DockerHub.Domain, "*"] : (string[])[host, "*"])
            if (Configs.TryGetValue(name, out var config))
                return config;
        return RegistryHostConfig.Empty;
    }

    private static RegistriesConfig Read(YamlNode root)
    {
        var config = Empty;
        foreach (var (key, node) in Entries(root, "document"))
            config = key switch
            {
                "mirrors" => config with { Mirrors = Entries(node, key).ToDictionary(entry => entry.Key, entry => ReadMirrors(entry.Value), StringComparer.Ordinal) },
                "configs" => config with { Configs = Entries(node, key).ToDictionary(entry => HostOf(entry.Key), entry => ReadConfig(entry.Value), StringComparer.Ordinal) },
                _ => throw Unknown(node, key),
            };
        return config;
    }

    private static RegistryMirrors ReadMirrors(YamlNode node)
    {
        var mirrors = new RegistryMirrors();
        foreach (var (key, value) in Entries(node, "mirror"))
            mirrors = key switch
            {
                "endpoint" or "endpoints" => mirrors with { Endpoints = [.. Items(value, key).Select(Endpoint)] },
                "rewrite" or "rewrites" => mirrors with { Rewrites = [.. Entries(value, key).Select(Rewrite)] },
                _ => throw Unknown(value, key),
            };
        return mirrors;
    }

    private static RegistryHostConfig ReadConfig(YamlNode node)
    {
        var config = RegistryHostConfig.Empty;
        foreach (var (key, value) in Entries(node, "config"))
            foreach (var (field, text) in Entries(value, key))
                config = (key, field) switch
                {
                    ("auth", "username") => config with { Username = Text(text) },
                    ("auth", "password") => config with { Password = Text(text) },
                    ("auth", "auth") => Decode(config, text),
                    ("auth", "identity_token") => config with { IdentityToken = Text(text) },
                    ("tls", "ca_file") => config with { CaFile = Text(text) },
                    ("tls", "cert_file") => config with { CertFile = Text(text) },
                    ("tls", "key_file") => config with { KeyFile = Text(text) },
                    ("tls", "insecure_skip_verify") => config with { InsecureSkipVerify = Flag(text) },
                    _ => throw Unknown(text, $"{key}.{field}"),
                };
        return config;
    }

    private static RegistryHostConfig Decode(RegistryHostConfig config, YamlNode node)
    {
        try
        {
            var pair = Encoding.UTF8.GetString(Convert.FromBase64String(Text(node))).TrimEnd('\0');
            var colon = pair.IndexOf(':', StringComparison.Ordinal);
            if (colon >= 0)
                return config with { Username = pair[..colon], Password = pair[(colon + 1)..] };
        }
        catch (FormatException)
        {
            // Said below.
        }
        throw new FormatException($"line {node.Start.Line}: auth is not base64 of \"username:password\"");
    }

    private static Uri Endpoint(YamlNode node)
    {
        var text = Text(node);
        var full = text.Contains("://", StringComparison.Ordinal) ? text : $"https://{text}";
        return Uri.TryCreate(full, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri : throw new FormatException($"line {node.Start.Line}: endpoint \"{text}\" is not an http or https address");
    }

    private static RegistryRewrite Rewrite(KeyValuePair<string, YamlNode> entry)
    {
        try
        {
            return new RegistryRewrite(new Regex(entry.Key, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)), Text(entry.Value));
        }
        catch (ArgumentException)
        {
            throw new FormatException($"line {entry.Value.Start.Line}: rewrite \"{entry.Key}\" is not a regular expression");
        }
    }

    private static string HostOf(string key) => key.Contains("://", StringComparison.Ordinal) ? key[(key.IndexOf("://", StringComparison.Ordinal) + 3)..].TrimEnd('/') : key;

    private static IEnumerable<KeyValuePair<string, YamlNode>> Entries(YamlNode node, string what)
    {
        if (node is YamlScalarNode { Value: null or "" })
            return [];
        return node is YamlMappingNode mapping
            ? mapping.Children.Select(child => KeyValuePair.Create(Text(child.Key), child.Value))
            : throw new FormatException($"line {node.Start.Line}: {what} is not a mapping");
    }

    private static IEnumerable<YamlNode> Items(YamlNode node, string what) => node is YamlSequenceNode sequence
        ? sequence.Children : throw new FormatException($"line {node.Start.Line}: {what} is not a list");

    private static string Text(YamlNode node) => node is YamlScalarNode scalar
        ? scalar.Value ?? "" : throw new FormatException($"line {node.Start.Line}: not a text");

    private static bool Flag(YamlNode node) => Text(node) switch
    {
        "true" or "True" or "yes" or "on" => true,
        "false" or "False" or "no" or "off" => false,
        _ => throw new FormatException($"line {node.Start.Line}: neither true nor false"),
    };

    private static FormatException Unknown(YamlNode node, string key) => new($"line {node.Start.Line}: unknown field \"{key}\"");
}

/// <summary>Where else the images of a registry are, in the order to try.</summary>
public sealed record RegistryMirrors
{
    public IReadOnlyList<Uri> Endpoints { get; init; } = [];

    /// <summary>The first that matches a repository's path changes it; not for the registry itself.</summary>
    public IReadOnlyList<RegistryRewrite> Rewrites { get; init; } = [];

    internal string Rewrite(string path)
    {
        foreach (var (pattern, replacement) in Rewrites)
            if (pattern.Replace(path, replacement) is var changed && changed != path)
                return changed;
        return path;
    }
}

public sealed record RegistryRewrite(Regex Pattern, string Replacement);

/// <summary>Credentials and TLS for one host.</summary>
public sealed record RegistryHostConfig
{
    public static readonly RegistryHostConfig Empty = new();

    public string Username { get; init; } = "";
    public string Password { get; init; } = "";
    public string IdentityToken { get; init; } = "";

    /// <summary>PEM file with authorities to trust besides the system's.</summary>
    public string CaFile { get; init; } = "";
    public string CertFile { get; init; } = "";
    public string KeyFile { get; init; } = "";
    public bool InsecureSkipVerify { get; init; }

    internal bool HasTls => CaFile.Length > 0 || CertFile.Length > 0 || InsecureSkipVerify;
    internal RegistryCredential? Credential => Username.Length > 0 || IdentityToken.Length > 0 ? new RegistryCredential(Username, Password, IdentityToken) : null;
}

internal static class DockerHub
{
    public const string Domain = "docker.io";
    public const string RegistryHost = "registry-1.docker.io";
}
