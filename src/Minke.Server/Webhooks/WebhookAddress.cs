namespace Minke.Server.Webhooks;

/// <summary>Where a webhook is: a URL, or a Service of the cluster.</summary>
/// <param name="Url">Empty for a Service.</param>
/// <param name="CaBundle">PEM of whom to believe; empty for the machine's own authorities.</param>
internal sealed record WebhookAddress(string Url, string ServiceNamespace, string ServiceName, string ServicePath, int ServicePort, byte[] CaBundle)
{
    public bool IsService => Url.Length == 0;

    /// <summary>As errors show it: with upstream's <c>timeout</c> parameter, and the port of a Service even where it goes without saying.</summary>
    public string Target(TimeSpan timeout)
    {
        var address = IsService ? $"https://{ServiceName}.{ServiceNamespace}.svc:{ServicePort}{(ServicePath.StartsWith('/') ? "" : "/")}{ServicePath}" : Url;
        return $"{address}{(address.Contains('?', StringComparison.Ordinal) ? '&' : '?')}timeout={(long)timeout.TotalSeconds}s";
    }
}

/// <summary>A webhook could not be asked. The message is Go's, as operators know it.</summary>
internal class WebhookException(string message) : Exception(message);

/// <summary>It did not answer in time. Whose time that was, Go tells apart: the message is that of the client's own.</summary>
internal sealed class WebhookTimeoutException(string target) : WebhookException($"Post \"{target}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
{
    /// <summary>When it was the request's.</summary>
    public string OfRequest { get; } = $"Post \"{target}\": context deadline exceeded";
}
