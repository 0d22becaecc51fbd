using Minke.Api.Networking.V1;

namespace Minke.Api;

/// <summary>Ingresses and their classes. (pkg/apis/networking/validation)</summary>
internal static class IngressRules
{
    private const int MaxControllerLength = 250;
    private static readonly string[] PathTypes = [PathType.Exact, PathType.ImplementationSpecific, PathType.Prefix];
    private static readonly string[] Scopes = ["Cluster", "Namespace"];
    private static readonly string[] OddParts = ["//", "/./", "/../", "%2f", "%2F"];
    private static readonly string[] OddEnds = ["/..", "/."];

    public static void ValidateSpec(IngressSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.Rules.IsEmpty && spec.DefaultBackend is null)
        {
            errors.Invalid(path, new GoText(spec.Rules.IsNull ? "[]networking.IngressRule(nil)" : "[]networking.IngressRule{}"),
                "either `defaultBackend` or `rules` must be specified");
        }
        if (spec.DefaultBackend is { } backend)
            ValidateBackend(backend, path.Child("defaultBackend"), errors);
        for (var i = 0; i < spec.Rules.Count; i++)
            ValidateRule(spec.Rules[i], path.Child("rules").Index(i), errors);
        for (var i = 0; i < spec.Tls.Count; i++)
            ValidateTls(spec.Tls[i], path.Child("tls").Index(i), errors);
        if (spec.IngressClassName is { } name)
            PodRules.Each(Names.Dns1123Subdomain(name), path.Child("ingressClassName"), name, errors);
    }

    public static void ValidateStatus(IngressLoadBalancerStatus status, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < status.Ingress.Count; i++)
        {
            var (ingress, at) = (status.Ingress[i], path.Child("ingress").Index(i));
            if (ingress.Ip.Length > 0)
                PodRules.ValidateIp(ingress.Ip, at.Child("ip"), errors);
            if (ingress.Hostname.Length == 0)
                continue;
            PodRules.Each(Names.Dns1123Subdomain(ingress.Hostname), at.Child("hostname"), ingress.Hostname, errors);
            if (PodRules.IsIp(ingress.Hostname))
                errors.Invalid(at.Child("hostname"), ingress.Hostname, "must be a DNS name, not an IP address");
        }
    }

    public static void ValidateClass(IngressClassSpec spec, FieldPath path, FieldErrors errors)
    {
        if (spec.Controller.Length > MaxControllerLength)
            errors.TooLong(path.Child("controller"), MaxControllerLength);
        DomainPrefixedPath(spec.Controller, path.Child("controller"), errors);
        if (spec.Parameters is not { } parameters)
            return;
        var at = path.Child("parameters");
        ValidateReference(parameters.ApiGroup, parameters.Kind, parameters.Name, at, errors);
        switch (parameters.Scope)
        {
            case null:
                errors.Required(at.Child("scope"));
                break;
            case "Namespace" when parameters.Namespace is null:
                errors.Required(at.Child("namespace"), "`parameters.scope` is set to 'Namespace'");
                break;
            case "Namespace":
                PodRules.Each(Names.Dns1123Label(parameters.Namespace), at.Child("namespace"), parameters.Namespace, errors);
                break;
            case "Cluster":
                if (parameters.Namespace is not null)
                    errors.Forbidden(at.Child("namespace"), "`parameters.scope` is set to 'Cluster'");
                break;
            default:
                errors.NotSupported(at.Child("scope"), parameters.Scope, Scopes);
                break;
        }
    }

    /// <summary><c>example.com/some/path</c>. (IsDomainPrefixedPath)</summary>
    private static void DomainPrefixedPath(string text, FieldPath path, FieldErrors errors)
    {
        if (text.Length == 0)
        {
            errors.Required(path);
            return;
        }
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash <= 0 || slash == text.Length - 1)
        {
            errors.Invalid(path, text, "must be a domain-prefixed path (such as \"acme.io/foo\")");
            return;
        }
        PodRules.Each(Names.Dns1123Subdomain(text[..slash]), path, text[..slash], errors);
        PodRules.Each(Names.HttpPath(text[(slash + 1)..]), path, text[(slash + 1)..], errors);
    }

    private static void ValidateTls(IngressTLS tls, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < tls.Hosts.Count; i++)
            PodRules.Each(Host(tls.Hosts[i]), path.Child("hosts").Index(i), tls.Hosts[i], errors);
        if (tls.SecretName.Length > 0)
            PodRules.Each(Names.Dns1123Subdomain(tls.SecretName), path.Child("secretName"), tls.SecretName, errors);
    }

    private static void ValidateRule(IngressRule rule, FieldPath path, FieldErrors errors)
    {
        if (rule.Host.Length > 0)
        {
            if (PodRules.IsIp(rule.Host))
                errors.Invalid(path.Child("host"), rule.Host, "must be a DNS name, not an IP address");
            PodRules.Each(Host(rule.Host), path.Child("host"), rule.Host, errors);
        }
        if (rule.Http is not { } http)
            return;
        var paths = path.Child("http").Child("paths");
        if (http.Paths.IsEmpty)
            errors.Required(paths);
        for (var i = 0; i < http.Paths.Count; i++)
            ValidatePath(http.Paths[i], paths.Index(i), errors);
    }

    private static void ValidatePath(HTTPIngressPath http, FieldPath path, FieldErrors errors)
    {
        if (http.PathType is null)
        {
            errors.Required(path.Child("pathType"), "pathType must be specified");
            return;
        }
        var (text, at) = (http.Path, path.Child("path"));
        if (!PathTypes.Contains(http.PathType))
        {
            errors.NotSupported(path.Child("pathType"), http.PathType, PathTypes);
        }
        else
        {
            var isExact = http.PathType != PathType.ImplementationSpecific;
            if (!text.StartsWith('/') && (isExact || text.Length > 0))
                errors.Invalid(at, text, "must be an absolute path");
            foreach (var part in OddParts)
            {
                if (isExact && text.Contains(part, StringComparison.Ordinal))
                    errors.Invalid(at, text, $"must not contain '{part}'");
            }
            foreach (var end in OddEnds)
            {
                if (isExact && text.EndsWith(end, StringComparison.Ordinal))
                    errors.Invalid(at, text, $"cannot end with '{end}'");
            }
        }
        ValidateBackend(http.Backend, path.Child("backend"), errors);
    }

    private static void ValidateBackend(IngressBackend backend, FieldPath path, FieldErrors errors)
    {
        switch (backend)
        {
            case { Resource: not null, Service: not null }:
                errors.Invalid(path, "", "cannot set both resource and service backends");
                break;
            case { Resource: { } resource }:
                ValidateReference(resource.ApiGroup, resource.Kind, resource.Name, path.Child("resource"), errors);
                break;
            case { Service: { } service }:
                ValidateService(service, path, errors);
                break;
            default:
                errors.Invalid(path, "", "resource or service backend is required");
                break;
        }
    }

    private static void ValidateService(IngressServiceBackend service, FieldPath path, FieldErrors errors)
    {
        var at = path.Child("service");
        if (service.Name.Length == 0)
            errors.Required(at.Child("name"));
        else
            PodRules.Each(Names.Dns1035Label(service.Name), at.Child("name"), service.Name, errors);
        var port = service.Port;
        if (port is { Name.Length: > 0, Number: not 0 })
            errors.Invalid(path, "", "cannot set both port name & port number");
        else if (port.Name.Length > 0)
            PodRules.Each(Names.PortName(port.Name), at.Child("port").Child("name"), port.Name, errors);
        else if (port.Number != 0)
            PodRules.Each(Names.PortNumber(port.Number), at.Child("port").Child("number"), port.Number, errors);
        else
            errors.Required(path, "port name or number is required");
    }

    private static void ValidateReference(string? group, string kind, string name, FieldPath path, FieldErrors errors)
    {
        if (group is not null)
            PodRules.Each(Names.Dns1123Subdomain(group), path.Child("apiGroup"), group, errors);
        if (kind.Length == 0)
            errors.Required(path.Child("kind"), "kind is required");
        else
            PodRules.Each(Names.PathSegment(kind), path.Child("kind"), kind, errors);
        if (name.Length == 0)
            errors.Required(path.Child("name"), "name is required");
        else
            PodRules.Each(Names.PathSegment(name), path.Child("name"), name, errors);
    }

    private static IEnumerable<string> Host(string host) =>
        host.Contains('*', StringComparison.Ordinal) ? Names.WildcardSubdomain(host) : Names.Dns1123Subdomain(host);
}
