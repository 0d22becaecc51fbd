using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>Probes and lifecycle hooks.</summary>
internal static class ProbeRules
{
    private const string NotNegative = "must be greater than or equal to 0";

    public static void ValidateLiveness(Probe? probe, FieldPath path, FieldErrors errors)
    {
        if (probe is null)
            return;
        Validate(probe, path, errors);
        if (probe.SuccessThreshold != 1)
            errors.Invalid(path.Child("successThreshold"), probe.SuccessThreshold, "must be 1");
    }

    public static void ValidateReadiness(Probe? probe, FieldPath path, FieldErrors errors)
    {
        if (probe is null)
            return;
        Validate(probe, path, errors);
        if (probe.TerminationGracePeriodSeconds is { } seconds)
            errors.Invalid(path.Child("terminationGracePeriodSeconds"), seconds, "must not be set for readinessProbes");
    }

    public static void ValidateLifecycle(Lifecycle? lifecycle, long? grace, FieldPath path, FieldErrors errors)
    {
        if (lifecycle?.PostStart is { } postStart)
            ValidateHandler(postStart.Exec, postStart.HttpGet, postStart.TcpSocket, null, postStart.Sleep, grace, path.Child("postStart"), errors);
        if (lifecycle?.PreStop is { } preStop)
            ValidateHandler(preStop.Exec, preStop.HttpGet, preStop.TcpSocket, null, preStop.Sleep, grace, path.Child("preStop"), errors);
    }

    private static void Validate(Probe probe, FieldPath path, FieldErrors errors)
    {
        ValidateHandler(probe.Exec, probe.HttpGet, probe.TcpSocket, probe.Grpc, null, null, path, errors);
        NonNegative(probe.InitialDelaySeconds, path.Child("initialDelaySeconds"), errors);
        NonNegative(probe.TimeoutSeconds, path.Child("timeoutSeconds"), errors);
        NonNegative(probe.PeriodSeconds, path.Child("periodSeconds"), errors);
        NonNegative(probe.SuccessThreshold, path.Child("successThreshold"), errors);
        NonNegative(probe.FailureThreshold, path.Child("failureThreshold"), errors);
        if (probe.TerminationGracePeriodSeconds is <= 0)
            errors.Invalid(path.Child("terminationGracePeriodSeconds"), probe.TerminationGracePeriodSeconds, "must be greater than 0");
    }

    private static void ValidateHandler(
        ExecAction? exec, HTTPGetAction? http, TCPSocketAction? tcp, GRPCAction? grpc, SleepAction? sleep, long? grace, FieldPath path, FieldErrors errors)
    {
        var count = 0;
        bool Begins(object? handler, string name)
        {
            if (handler is null)
                return false;
            if (count++ == 0)
                return true;
            errors.Forbidden(path.Child(name), "may not specify more than 1 handler type");
            return false;
        }
        if (Begins(exec, "exec") && exec!.Command.IsEmpty)
            errors.Required(path.Child("exec").Child("command"));
        if (Begins(http, "httpGet"))
            ValidateHttp(http!, path.Child("httpGet"), errors);
        if (Begins(tcp, "tcpSocket"))
            ValidatePort(tcp!.Port, path.Child("tcpSocket").Child("port"), errors);
        if (Begins(grpc, "grpc"))
            PodRules.Each(Names.PortNumber(grpc!.Port), path.Child("grpc").Child("port"), grpc.Port, errors);
        // Without a grace period that is reported already.
        if (Begins(sleep, "sleep") && grace is { } most && (sleep!.Seconds <= 0 || sleep.Seconds > most))
        {
            errors.Invalid(path.Child("sleep"), sleep.Seconds, string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"must be greater than 0 and less than terminationGracePeriodSeconds ({most}). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."));
        }
        if (count == 0)
            errors.Required(path, "must specify a handler type");
    }

    private static void ValidateHttp(HTTPGetAction http, FieldPath path, FieldErrors errors)
    {
        if (http.Path.Length == 0)
            errors.Required(path.Child("path"));
        ValidatePort(http.Port, path.Child("port"), errors);
        if (http.Scheme is not (URIScheme.HTTP or URIScheme.HTTPS))
            errors.NotSupported(path.Child("scheme"), http.Scheme, [URIScheme.HTTP, URIScheme.HTTPS]);
        foreach (var header in http.HttpHeaders)
        {
            if (header.Name.Length == 0 || !header.Name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-'))
                errors.Invalid(path.Child("httpHeaders"), header.Name, "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
        }
    }

    public static void ValidatePort(IntOrString port, FieldPath path, FieldErrors errors)
    {
        if (port.IsText)
            PodRules.Each(Names.PortName(port.Text!), path, port.Text, errors);
        else
            PodRules.Each(Names.PortNumber(port.Number), path, port.Number, errors);
    }

    private static void NonNegative(int value, FieldPath path, FieldErrors errors)
    {
        if (value < 0)
            errors.Invalid(path, value, NotNegative);
    }
}
